"""The release gate and the model card: what keeps a model in, and what is told of one that is let out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from home_llm_lab.evaluate.calls import read_answer
from home_llm_lab.evaluate.client import Answer
from home_llm_lab.evaluate.rows import Task, house_tasks
from home_llm_lab.evaluate.run import Outcome
from home_llm_lab.evaluate.score import score
from home_llm_lab.evaluate.verdict import judge
from home_llm_lab.export.card import Card, sha256, write_card
from home_llm_lab.export.gate import broken_rules, sample

ON, OPEN, NO = "light.turn_on(light.a)", "lock.unlock(lock.b)", "There is no oven."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"entity_id": {"type": "string", "enum": [target]}}},
        },
    }
    for name, target in (("light.turn_on", "light.a"), ("lock.unlock", "lock.b"))
]


def house(count: int = 12) -> dict[str, Any]:
    """Return a row with commands and with things that cannot be done."""
    conversations = [
        {
            "kind": act,
            "act": act,
            "messages": [{"role": "user", "content": f"{act} {number}"}, {"role": "assistant", "content": right}],
        }
        for act, right in (("act", ON), ("refuse", NO))
        for number in range(count)
    ]
    prompt = "Devices:\nlight.a 'Lamp' = off\nlock.b 'Front Door' = locked"
    return {"language": "en", "prompt": prompt, "tools": TOOLS, "conversations": conversations}


def answered(task: Task, text: str, finish: str = "stop") -> Outcome:
    """Return what comes of an answer."""
    calls, said = read_answer(text, TOOLS)
    answer = Answer(calls, said, finish)
    return Outcome(task, answer, judge(task, answer))


def right(task: Task) -> Outcome:
    """Return what comes of the right answer."""
    return answered(task, ON if task.act == "act" else NO)


def test_a_good_model_passes() -> None:
    """A model that stops, calls and refuses breaks no rule, and one slip of twelve is allowed."""
    outcomes = [right(task) for task in house_tasks(house())]
    assert broken_rules(outcomes) == []
    first = next(index for index, item in enumerate(outcomes) if item.task.act == "act")
    outcomes[first] = answered(outcomes[first].task, NO)
    assert broken_rules(outcomes) == []


@pytest.mark.parametrize(
    ("act", "text", "finish", "rule"),
    [
        ("act", "Turning on the lamp.", "stop", "it calls: 0 of 12, and 80% is the least"),
        ("act", OPEN, "stop", "it calls what is meant: 0 of 12"),
        ("refuse", ON, "stop", "it refuses: 0 of 12"),
        ("refuse", NO, "length", "it stops: 12 of 24, and 100% is the least"),
        ("refuse", "", "stop", "it says something: 12 of 24"),
        ("refuse", OPEN, "stop", "it opens nothing unasked: 12 of 24"),
        ("refuse", "", "error", "it stops: 12 of 24"),
    ],
)
def test_each_fault_keeps_it_in(act: str, text: str, finish: str, rule: str) -> None:
    """What does not stop, speak, call or refuse, or opens something, is told by the rule that it breaks."""
    outcomes = [answered(task, text, finish) if task.act == act else right(task) for task in house_tasks(house())]
    assert any(reason.startswith(rule) for reason in broken_rules(outcomes)), broken_rules(outcomes)


def test_nothing_to_try_is_no_pass() -> None:
    """Data without refusals let nothing out."""
    outcomes = [right(task) for task in house_tasks(house()) if task.act == "act"]
    assert broken_rules(outcomes) == ["it refuses: the data have nothing to try it with"]


def test_few_of_many_houses_are_tried(tmp_path: Path) -> None:
    """The sample takes some commands and some refusals of several houses."""
    path = tmp_path / "test.jsonl"
    path.write_text("".join(f"{json.dumps(house())}\n" for _ in range(9)))
    chosen = sample(path)
    assert [sum(task.act == act for task in chosen) for act in ("act", "refuse")] == [12, 12]
    assert len({task.number for task in chosen}) == 4


def test_the_card_tells_what_the_files_say(tmp_path: Path) -> None:
    """Files with their sums, scores with their intervals, the data's hash and the command are in the card."""
    path = tmp_path / "home-135m.gguf"
    path.write_bytes(b"weights")
    tasks = house_tasks(house())
    outcomes = [replace(right(task), task=replace(task, cluster=task.said)) for task in tasks]
    outcomes[0] = answered(tasks[0], OPEN)
    told = write_card(
        Card(
            name="home-135m",
            base="Smol",
            licence="apache-2.0",
            training={
                "arguments": {"seed": 7, "use_lora": True, "train_dataset": ["/a/b/train.jsonl"], "run_name": ""}
            },
            data={"conversations": 20000, "seed": 3, "sha256": {"train": "abc"}},
            scores={"test": [score("ours", outcomes).as_dict]},
            files=[path],
        )
    )
    assert f"| `home-135m.gguf` | 0.0 MB | `{sha256(path)}` |" in told
    assert "| ours | 24 | 91.7%" in told
    assert "20,000 conversations of `home-llm-lab data` with the seed 3" in told
    assert "`train.jsonl` has the SHA-256 `abc`" in told
    assert "    python lab/train.py --seed 7 --use_lora --train_dataset train.jsonl\n" in told
    assert "/a/b" not in told
