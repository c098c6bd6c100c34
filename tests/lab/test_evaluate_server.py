"""Evaluation through the real server with the embedded model's base, which nobody has taught anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from home_llm_lab.cli import main
from home_llm_lab.evaluate.models import ModelSpec
from home_llm_lab.evaluate.rows import house_tasks
from home_llm_lab.evaluate.server import ServerError, serve
from home_llm_lab.evaluate.session import Conditions
from home_llm_lab.export.gate import pass_gate

BASE = "smollm2-135m"
ROW = {
    "house": 1,
    "language": "en",
    "prompt": "You are 'Al'.\nServices: light.turn_on\nDevices:\nlight.a 'Lamp' = off",
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "light.turn_on",
                "parameters": {"type": "object", "properties": {"entity_id": {"type": "string", "enum": ["light.a"]}}},
            },
        }
    ],
    "conversations": [
        {
            "kind": act,
            "act": act,
            "messages": [{"role": "user", "content": said}, {"role": "assistant", "content": right}],
        }
        for act, said, right in (
            ("act", "turn on the lamp", "light.turn_on(light.a)\nTurning on the Lamp."),
            ("act", "lamp on", "light.turn_on(light.a)\nTurning on the Lamp."),
            ("refuse", "turn on the oven", "There is no oven."),
        )
    ],
}


@pytest.fixture(autouse=True)
def network(socket_enabled: None) -> Iterator[None]:
    """Let the tests reach the loopback, and the server run this repository's code."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2] / "addon")
    yield
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def test_a_table_comes_of_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command serves the model, asks everything, and writes table, scores, answers and failures."""
    (tmp_path / "test.jsonl").write_text(json.dumps(ROW) + "\n")
    files = ["--out", str(tmp_path / "out"), "--failures", str(tmp_path / "failures.md")]
    limits = ["--max-tokens", "16", "--context-size", "1024"]
    code = main(["evaluate", str(tmp_path / "test.jsonl"), "--model", f"base={BASE}", *limits, *files])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "|  | base |" in told.out
    assert "3/3" in told.err
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores[0]["overall"]["right"]["count"] == 3
    assert scores[0]["errors"] == 0
    cost = scores[0]["cost"]
    assert cost["peak_memory"] > 100_000_000
    assert cost["prompt_tokens"] > 20
    # The second and third conversations begin with the house that the first one has brought.
    assert cost["cached"] > 0.3
    answers = [json.loads(line) for line in (tmp_path / "out" / "answers-base.jsonl").read_text().splitlines()]
    assert {"right", "why", "answer", "seconds"} <= answers[0].keys()
    wrong = sum(not answer["right"] for answer in answers)
    assert f"# {wrong} wrong answers" in (tmp_path / "failures.md").read_text()


def test_an_untaught_model_does_not_pass_the_gate() -> None:
    """What does not stop within the limit is not released."""
    tasks = house_tasks(ROW, 1)
    conditions = Conditions(context_size=1024, max_tokens=2)
    broken = pass_gate(ModelSpec("base", BASE), tasks, conditions)
    assert any(reason.startswith("it stops: ") for reason in broken), broken


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    """A model that cannot be loaded ends with the server's own words, and a missing program is named."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF but no model")
    with pytest.raises(ServerError, match=r"The server is not ready: .*broken\.gguf"), serve(["--model", str(path)]):
        pass
    with pytest.raises(ServerError, match=r"There is no /nowhere/home-llm"), serve([], command="/nowhere/home-llm"):
        pass
