"""Learning from pairs: the right device becomes more likely than another one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from home_llm_lab.training.base import find_base, load_model
from home_llm_lab.training.batch import make_batch
from home_llm_lab.training.chat import ChatEncoder
from home_llm_lab.training.dataset import Dataset, Reading, read_dataset
from home_llm_lab.training.learner import Learner, _answers
from home_llm_lab.training.pairs import make_pair, wrong_device
from home_llm_lab.training.preference import Preference
from home_llm_lab.training.rows import read_groups
from home_llm_lab.training.run import main
from peft import PeftModel

from .tiny import flags, house, make_tokenizer, plain_house, whole_model, write_rows

ROW = {
    "prompt": (
        "You are Al.\nAreas: all, area.hall, area.attic\nDevices:\n"
        "light.a 'Lamp, Reading Lamp' = off\nlight.b 'Spot' = on\nlock.c 'Door' = locked"
    ),
    "conversations": [
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": said}], **more}
        for said, more in (
            ("light.turn_on(light.a, brightness=40)\nSetting the Reading Lamp to 40 percent.", {}),
            ("light.turn_off(area.hall)\nTurning off the lights in the hall.", {}),
            ("lock.lock(lock.c)\nLocking the Door.", {}),
            ("The Spot is on.", {}),
            ("The Spot is on.", {"rejected": "The Spot is off."}),
        )
    ],
}


def test_wrong_answers_are_calls_to_other_devices() -> None:
    """The wrong answer names another device of the domain, or another area; without one there is no pair."""
    (group,), errors = read_groups([(1, json.dumps(ROW))])
    assert not errors
    assert [wrong_device(item, 1) for item in group] == [
        "light.turn_on(light.b, brightness=40)\nSetting the Spot to 40 percent.",
        "light.turn_off(area.attic)\nTurning off the lights in the hall.",
        None,
        None,
        None,
    ]
    assert [pair and pair[1].messages[-1]["content"] for pair in (make_pair(item, 1) for item in group)][2:] == [
        None,
        None,
        "The Spot is off.",
    ]


def _pairs(data: Path, *, pairs: bool = True) -> Dataset:
    tokenizer = make_tokenizer()
    return read_dataset(data, Reading(ChatEncoder(tokenizer, eos=tokenizer.eos_token_id), 512, pairs=pairs))


@pytest.mark.parametrize(("kind", "before"), [("sigmoid", math.log(2)), ("hinge", 1.0), ("ipo", 25.0)])
def test_loss_of_pairs_from_log_probabilities(kind: str, before: float, base: Path, data: Path) -> None:
    """The loss is that of the formula for log probabilities computed one by one, and that of no gain at first."""
    model = load_model(find_base(str(base)), make_tokenizer(), dtype=torch.float32)
    learner = Learner(model, "sdpa", Preference(0.1, kind)).train()  # type: ignore[arg-type]
    learner.remember()
    trees = list(_pairs(data).trees)
    batch = make_batch([trees[:2]], 1024)
    assert batch.conversations == sum(len(tree.starts) for tree in trees[:2]) >= 4
    first, _ = learner(batch)
    assert float(first.detach()) / (batch.conversations / 2) == pytest.approx(before, rel=1e-4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.02)
    changed, _ = learner(batch)
    gains = []
    for tree in trees[:2]:
        ends = [*tree.starts[1:].tolist(), tree.size]
        for start, end in zip(tree.starts.tolist(), ends, strict=True):
            tokens = torch.tensor([[*tree.tokens[: tree.shared], *tree.tokens[start:end]]])
            learned = [tree.shared + at for at in range(end - start) if tree.learned[start + at]]
            sums = []
            for parts in (learner._parts, learner._before):
                assert parts is not None
                with torch.no_grad():
                    logits = parts[1](parts[0](input_ids=tokens).last_hidden_state).log_softmax(-1)
                sums.append(sum(float(logits[0, at - 1, tokens[0, at]]) for at in learned))
            gains.append(sums[0] - sums[1])
    margins = [gains[at] - gains[at + 1] for at in range(0, len(gains), 2)]
    formula = {
        "sigmoid": lambda margin: math.log1p(math.exp(-0.1 * margin)),
        "hinge": lambda margin: max(0.0, 1 - 0.1 * margin),
        "ipo": lambda margin: (margin - 5) ** 2,
    }[kind]
    assert float(changed.detach()) == pytest.approx(sum(map(formula, margins)), rel=5e-3)


@pytest.mark.parametrize("lora", [True, False])
def test_right_devices_gain_on_wrong_ones(base: Path, tmp_path: Path, *, lora: bool) -> None:
    """After training on pairs, the right device is likelier in all houses; before, in half of them at most."""
    plain = Learner(load_model(find_base(str(base)), make_tokenizer(), dtype=torch.float32), "sdpa").eval()
    names = ["light.zinc", "light.moon"]
    data, run = tmp_path / "data.jsonl", tmp_path / "run"
    write_rows(data, [plain_house(number, *names) for number in range(12)])
    if _preferred(plain, _pairs(data)) > 12:
        # The one that it likes less is to be the right one.
        write_rows(data, [plain_house(number, *reversed(names)) for number in range(12)])
    assert _preferred(plain, _pairs(data)) <= 12
    rate = 5e-3 if lora else 1e-3
    line = flags(base, data, run, dpo=True, epochs=10, beta=0.5, logging_steps=1, learning_rate=rate)
    assert main(line if lora else whole_model(line)) == 0
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log if "rate" in line]
    assert losses[0] == pytest.approx(math.log(2), rel=0.02)
    assert losses[-1] < 0.3
    model = load_model(find_base(str(base if lora else run)), make_tokenizer(), dtype=torch.float32)
    trained = PeftModel.from_pretrained(model, str(run)) if lora else model
    assert _preferred(Learner(trained, "sdpa").eval(), _pairs(data)) == 24


def _preferred(learner: Learner, data: Dataset) -> int:
    """Return in how many pairs the right answer is the likelier."""
    found = 0
    for tree in data.trees:
        with torch.no_grad():
            batch = make_batch([[tree]], 512)
            answers = _answers(learner._losses(batch)[0], batch)
        found += int((answers[0::2] > answers[1::2]).sum())
    return found


def test_data_without_pairs_is_refused(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dataset whose calls have no other device says that there is nothing to compare."""
    data = write_rows(tmp_path / "one.jsonl", [house(1, conversations=1)])
    assert main(flags(base, data, tmp_path / "run", dpo=True)) == 1
    assert "no conversation with a `rejected` answer" in capsys.readouterr().err
