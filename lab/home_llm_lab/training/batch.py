"""Rows as tensors, with who may see whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .tree import Tree

# Numbers of targets are rounded up to this, so that few shapes are met.
_TARGETS = 256


@dataclass(slots=True)
class Batch:
    """Some rows on a device.

    Attributes:
        tokens: [rows, length].
        positions: [rows, length], each branch going on behind its tree's prefix.
        tree: [rows, length], the number of the tree in its row; -1 is padding.
        branch: [rows, length], the number of the branch in its tree from 1; 0 is the prefix.
        sources: [targets], where in the flattened rows each learned token is predicted: at the token before it.
        targets: [targets], the learned tokens; -100 pads.
        owners: [targets], the number in the batch of the conversation that a target belongs to, and -1 for padding.
        call: [targets], whether a target belongs to a call.
        learned: how many targets there are without padding.
        used: how many tokens there are without padding.
        conversations: how many there are.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    tree: torch.Tensor
    branch: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    call: torch.Tensor
    learned: int
    used: int
    conversations: int = 0

    def to(self, device: torch.device) -> Batch:
        """Return it on a device; from pinned memory without waiting."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("tokens", "positions", "tree", "branch", "sources", "targets", "owners", "call")
        }
        return Batch(**moved, learned=self.learned, used=self.used, conversations=self.conversations)

    def pin(self) -> Batch:
        """Return it in memory that a GPU reads by itself."""
        pinned = {
            name: getattr(self, name).pin_memory()
            for name in ("tokens", "positions", "tree", "branch", "sources", "targets", "owners", "call")
        }
        return Batch(**pinned, learned=self.learned, used=self.used, conversations=self.conversations)

    def visible(self) -> torch.Tensor:
        """Return [rows, 1, length, length], whether a token (third) may see another (last)."""
        tree, branch = self.tree, self.branch
        length = tree.shape[1]
        order = torch.arange(length, device=tree.device)
        before = order[:, None] >= order[None, :]
        same = tree[:, :, None] == tree[:, None, :]
        way = (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
        return (before & same & way)[:, None]


def make_batch(rows: Sequence[Sequence[Tree]], length: int) -> Batch:
    """Return rows of trees as tensors.

    Args:
        rows: trees that fit into `length` together.
        length: of every row; what is left over is padding.
    """
    shape = (len(rows), length)
    tokens, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    tree, branch = np.full(shape, -1, np.int32), np.zeros(shape, np.int32)
    sources: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    calls: list[np.ndarray] = []
    conversation = used = 0
    for index, row in enumerate(rows):
        at = 0
        for number, item in enumerate(row):
            end = at + item.size
            # The number of the branch of each token, and where that begins: the prefix at 0.
            begins = np.zeros(item.size, np.int32)
            begins[item.starts] = 1
            order = np.cumsum(begins, dtype=np.int32)
            tokens[index, at:end] = item.tokens
            positions[index, at:end] = np.arange(item.size) - np.concatenate([[0], item.starts - item.shared])[order]
            tree[index, at:end], branch[index, at:end] = number, order
            learned = np.flatnonzero(item.learned)
            # The first token of a branch is told by the last of the prefix; nothing tells the first token of all.
            source = np.where(begins[learned] == 1, item.shared, learned) - 1
            learned, source = learned[source >= 0], source[source >= 0]
            sources.append(index * length + at + source)
            targets.append(item.tokens[learned])
            owners.append(conversation + order[learned] - 1)
            calls.append(item.learned[learned] == 2)
            conversation += len(item.starts)
            at = end
        used += at
    count = sum(len(part) for part in targets)
    # Never none, so that a process without rows has a loss too.
    padding = -count % _TARGETS if count else _TARGETS
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(positions),
        torch.from_numpy(tree),
        torch.from_numpy(branch),
        torch.from_numpy(np.concatenate([*sources, np.zeros(padding)]).astype(np.int64)),
        torch.from_numpy(np.concatenate([*targets, np.full(padding, -100)]).astype(np.int64)),
        torch.from_numpy(np.concatenate([*owners, np.full(padding, -1)]).astype(np.int64)),
        torch.from_numpy(np.concatenate([*calls, np.zeros(padding, bool)]).astype(bool)),
        learned=count,
        used=used,
        conversations=conversation,
    )
