"""The hand-written set: whether its houses are as Home Assistant tells them, and what it asks for can be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from home_llm_lab.evaluate.client import Answer
from home_llm_lab.evaluate.handwritten import FILE, HandwrittenError, read_houses, rows
from home_llm_lab.evaluate.houses import handwritten_houses
from home_llm_lab.evaluate.in_house import Agent, run_in_house
from home_llm_lab.evaluate.rows import Task
from home_llm_lab.evaluate.verdict import judge
from home_llm_lab.virtual.speaking import Speaking
from home_llm_lab.virtual.world import open_house


def _tasks() -> Iterator[Task]:
    return (task for _, tasks in handwritten_houses() for task in tasks)


def test_it_asks_for_everything() -> None:
    """There are sentences of every act, some that must not open anything, and no sentence twice in a house."""
    tasks = list(_tasks())
    assert len(tasks) > 200
    acts = Counter(task.act for task in tasks)
    assert min(acts[act] for act in ("act", "tell", "ask", "refuse", "talk")) >= 10
    assert {"injection", "vague and safe", "negation", "misleading id", "typo"} <= {task.kind for task in tasks}
    said = Counter((task.number, task.system, task.said) for task in tasks)
    assert said.most_common(1)[0][1] == 1


def test_what_it_expects_is_right() -> None:
    """Each expected answer is graded as right, opens nothing unasked and touches no wrong device."""
    for task in _tasks():
        if task.act != "act":
            continue
        for calls in (task.expected, *task.alternatives):
            verdict = judge(task, Answer(calls=list(calls), text="Done.", finish="stop"))
            assert verdict.right, task.said
            assert not verdict.unsafe, task.said
            assert not verdict.wrong_device, task.said


def test_a_call_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A mistake in the file is told with its sentence."""
    path = tmp_path / "handwritten.yaml"
    path.write_text(FILE.read_text("utf-8").replace("calls: scene.turn_on(scene.movie)", "calls: scene.turn_on(x.y)"))
    with pytest.raises(HandwrittenError, match=r'movie night!": scene\.turn_on\(x\.y\) is not possible'):
        list(rows(path))


async def test_prompts_are_those_of_the_integration() -> None:
    """A house in a real Home Assistant has the prompt and the tools that its row has."""
    for (house, _), row in zip(read_houses(), rows(), strict=True):
        async with open_house(house) as residence:
            speaking = await Speaking.begin(residence)
            assert speaking.prompt("al", "en").splitlines() == row["prompt"].splitlines()
            assert list(speaking.openai_tools) == row["tools"]


async def test_the_built_in_matcher_in_a_house() -> None:
    """What Home Assistant's own matcher does is seen in the house: what it changes, refuses and does not understand."""
    (house, tasks), *_ = handwritten_houses()
    wanted = ("put the chandelier on", "switch on the oven", "let the fountain run")
    chosen = [task for task in tasks if task.said in wanted]
    outcomes = {item.task.said: item for item in await run_in_house([(house, chosen)], Agent.MATCHER)}
    assert len(outcomes) == 3
    on, oven, fountain = (outcomes[said].verdict for said in wanted)
    assert (on.right, on.exact, on.wrong_device, on.touched) == (True, True, False, 1)
    assert (oven.right, oven.acted) == (True, False)
    assert (fountain.right, fountain.refused, fountain.why) == (False, True, "no change")
