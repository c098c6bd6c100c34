"""Trees: a model computes for each conversation in one what it computes for it alone."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from home_llm_lab.training import chunks
from home_llm_lab.training.base import find_base, load_model
from home_llm_lab.training.batch import Batch, make_batch
from home_llm_lab.training.chat import ChatEncoder, Encoded
from home_llm_lab.training.learner import Learner
from home_llm_lab.training.rows import read_groups
from home_llm_lab.training.tree import Tree, fill_rows, plant

from .tiny import house, make_tokenizer, write_rows


def _conversations() -> list[list[Encoded]]:
    encoder = ChatEncoder(make_tokenizer(), eos=make_tokenizer().eos_token_id)
    rows = [house(number) for number in range(3)]
    lines = [(number, json.dumps(row)) for number, row in enumerate(rows, 1)]
    groups, errors = read_groups(lines)
    assert not errors
    return [[encoder.encode(item) for item in group] for group in groups]


@pytest.fixture(name="learner", scope="module")
def learner_fixture(base: Path) -> Learner:
    """Return the tiny base as what is trained."""
    files = find_base(str(base))
    return Learner(load_model(files, make_tokenizer(), dtype=torch.float32), "sdpa")


def test_loss_and_gradients_are_those_of_single_conversations(learner: Learner) -> None:
    """Rows of trees give the loss and the gradients that each conversation in a row of its own gives, added up."""
    houses = _conversations()
    trees = [tree for group in houses for tree in plant(group, 512)[0]]
    assert all(tree.shared > 50 for tree in trees)
    together = make_batch(fill_rows(trees, 1024), 1024)
    alone = [make_batch([plant([item], 512)[0]], 512) for group in houses for item in group]
    sums = {}
    for name, batches in (("together", [together]), ("alone", alone)):
        learner.zero_grad()
        loss: Any = torch.stack([learner(batch)[0] for batch in batches]).sum()
        loss.backward()
        gradients = [weight.grad.clone() for weight in learner.parameters() if weight.grad is not None]
        sums[name] = (loss.detach(), gradients)
    assert together.learned == sum(batch.learned for batch in alone) > 300
    torch.testing.assert_close(sums["together"][0], sums["alone"][0], rtol=1e-5, atol=0)
    for one, other in zip(sums["together"][1], sums["alone"][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_chunks_compute_what_a_mask_does(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of several trees and padding give the same loss and gradients in chunks of any size as with a mask."""
    trees = [tree for group in _conversations() for tree in plant(group, 512)[0]]
    single = plant([_conversations()[0][0]], 512)[0]
    batch = make_batch([[trees[0], *single], trees[1:], []], 2048)
    results = []
    for attention, enough in (("sdpa", 1), ("chunks", 384), ("chunks", 48)):
        monkeypatch.setattr(chunks, "_ENOUGH", enough)
        monkeypatch.setattr(learner, "attention", attention)
        learner.zero_grad()
        loss, right = learner(batch)
        loss.backward()
        gradients = [weight.grad.clone() for weight in learner.parameters() if weight.grad is not None]
        results.append((loss.detach(), right, gradients))
    for loss, right, gradients in results[1:]:
        torch.testing.assert_close(loss, results[0][0], rtol=1e-5, atol=0)
        assert torch.equal(right, results[0][1])
        for one, other in zip(gradients, results[0][2], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_each_token_sees_its_own_past_alone() -> None:
    """A token sees the prefix of its tree and its own branch before it, and no other branch, tree or padding."""
    first = Tree(3, np.arange(9, dtype=np.int32), np.zeros(9, np.int8), np.array([3, 6], np.int32), ("", ""))
    second = Tree(0, np.arange(4, dtype=np.int32), np.ones(4, np.int8), np.array([0], np.int32), ("",))
    batch = make_batch([[first, second]], 16)
    seen = [set(np.flatnonzero(row).tolist()) for row in batch.visible()[0, 0].numpy()]
    assert seen[2] == {0, 1, 2}
    assert seen[5] == {0, 1, 2, 3, 4, 5}
    assert seen[8] == {0, 1, 2, 6, 7, 8}
    assert seen[12] == {9, 10, 11, 12}
    assert all(13 <= other <= at for at in (13, 15) for other in seen[at])
    assert batch.positions[0, :13].tolist() == [0, 1, 2, 3, 4, 5, 3, 4, 5, 0, 1, 2, 3]
    # Nothing tells the very first token.
    assert batch.sources[: batch.learned].tolist() == [9, 10, 11]
    assert batch.conversations == 3


def test_first_tokens_of_branches_are_told_by_the_prefix() -> None:
    """Where a branch begins with a learned token, the last token of the prefix tells it."""
    learned = np.array([0, 0, 0, 1, 1, 0, 2], np.int8)
    tree = Tree(3, np.arange(7, dtype=np.int32), learned, np.array([3, 5], np.int32), ("a", "b"))
    batch = make_batch([[], [tree]], 8)
    count = batch.learned
    assert (count, batch.used) == (3, 7)
    assert batch.sources[:count].tolist() == [8 + 2, 8 + 3, 8 + 5]
    assert batch.targets[:count].tolist() == [3, 4, 6]
    assert batch.owners[:count].tolist() == [0, 0, 1]
    assert batch.call[:count].tolist() == [False, False, True]
    assert (batch.targets[count:] == -100).all()


def test_a_batch_without_conversations_has_a_loss(learner: Learner) -> None:
    """A process that gets no rows in a step takes part in it with a loss of 0 and gradients."""
    loss, _ = learner(make_batch([[]], 128))
    loss.backward()
    assert float(loss.detach()) == 0


def test_trees_hold_everything_once_and_keep_to_the_limit() -> None:
    """Conversations that do not fit into one tree share several; those that are too long for any are told."""
    rng = np.random.default_rng(0)
    shared = rng.integers(0, 99, 40).astype(np.int32)
    given = []
    for size in (10, 20, 30, 15, 200, 5):
        tokens = np.concatenate([shared, np.array([100 + size]), rng.integers(0, 99, size)]).astype(np.int32)
        given.append(Encoded(tokens, np.concatenate([np.zeros(41), np.ones(size)]).astype(np.int8), str(size)))
    trees, too_long = plant(given, 120)
    assert [item.kind for item in too_long] == ["200"]
    assert list(itertools.chain.from_iterable(tree.kinds for tree in trees)) == ["10", "20", "30", "15", "5"]
    assert all(tree.size <= 120 and tree.shared == 40 for tree in trees)
    assert len(trees) == 2
    rows = fill_rows(trees, 200)
    assert sorted(id(tree) for row in rows for tree in row) == sorted(map(id, trees))
    pairs, left = plant(given, 110, together=2)
    assert [item.kind for item in left] == ["200", "5"]
    assert [tree.kinds for tree in pairs] == [("10", "20"), ("30", "15")]


def test_batches_keep_their_parts_when_they_move() -> None:
    """A batch on another device has all that it had."""
    tree = Tree(1, np.arange(4, dtype=np.int32), np.array([0, 1, 1, 1], np.int8), np.array([1], np.int32), ("a",))
    batch = make_batch([[tree]], 128)
    moved = batch.to(torch.device("cpu"))
    assert isinstance(moved, Batch)
    assert (moved.learned, moved.used, moved.conversations) == (3, 4, 1)


def test_answers_alone_are_learned(tmp_path: Path) -> None:
    """What is learned of a conversation is its answers with their ends; of some only the last."""
    tokenizer = make_tokenizer()
    encoder = ChatEncoder(tokenizer, eos=tokenizer.eos_token_id)
    messages = [
        {"role": "system", "content": "You are Al."},
        {"role": "user", "content": "lamp on"},
        {"role": "assistant", "content": "light.turn_on(light.a)\nTurning on the lamp."},
        {"role": "user", "content": "thanks"},
        {"role": "assistant", "content": "You are welcome."},
    ]
    for learn, wanted in (
        ("all", "light.turn_on(light.a)\nTurning on the lamp.<|im_end|>You are welcome.<|im_end|>"),
        ("last", "You are welcome.<|im_end|>"),
    ):
        path = write_rows(tmp_path / f"{learn}.jsonl", [{"messages": messages, "learn": learn}])
        groups, _ = read_groups([(1, path.read_text())])
        encoded = encoder.encode(groups[0][0])
        assert tokenizer.decode(encoded.tokens[encoded.learned > 0]) == wanted
        assert tokenizer.decode(encoded.tokens) == tokenizer.apply_chat_template(messages, tokenize=False).rstrip()
    calls = encoder.encode(read_groups([(1, (tmp_path / "all.jsonl").read_text())])[0][0][0])
    assert tokenizer.decode(calls.tokens[calls.learned == 2]) == "light.turn_on(light.a)\n"
