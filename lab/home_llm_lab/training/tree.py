"""Packing: conversations that share a beginning become a tree, and trees fill rows.

A house's prompt is ten times as long as a command in it. Read once, with all its conversations hung behind it as
branches, a row costs little more than the prompt: each branch sees the prompt and itself, and its positions go on
behind the prompt, so that the model computes just what it would for each conversation alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .chat import Encoded

# Below this many shared tokens, branches are not worth a tree.
_LEAST_SHARED = 16


@dataclass(frozen=True, slots=True)
class Tree:
    """Conversations that begin alike, in arrays of their tokens: few objects, and quickly copied into a batch.

    Attributes:
        shared: how many tokens they share; 0 where there is one branch.
        tokens: [tokens], the shared ones, then those of each branch.
        learned: [tokens], as in `Encoded`; nothing shared is learned.
        starts: [branches], where each branch begins.
        kinds: of the branches.
    """

    shared: int
    tokens: npt.NDArray[np.int32]
    learned: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int32]
    kinds: tuple[str, ...]

    @property
    def size(self) -> int:
        """Return how many tokens it takes in a row."""
        return len(self.tokens)

    @property
    def targets(self) -> int:
        """Return how many tokens are learned."""
        return int(np.count_nonzero(self.learned))


def plant(conversations: Sequence[Encoded], limit: int, together: int = 1) -> tuple[list[Tree], list[Encoded]]:
    """Return trees of at most `limit` tokens, and the conversations that are too long for one.

    Args:
        conversations: they begin alike.
        limit: the most tokens of a tree; the prefix is repeated where not all branches fit.
        together: so many after each other are in one tree, or too long together.
    """
    groups = [conversations[start : start + together] for start in range(0, len(conversations), together)]
    fitting: list[Sequence[Encoded]] = []
    too_long: list[Encoded] = []
    for group in groups:
        beginning = _shared(group) if together > 1 else 0
        if sum(len(item.tokens) - beginning for item in group) + beginning <= limit:
            fitting.append(group)
        else:
            too_long += group
    if not fitting:
        return [], too_long
    shared = _shared([item for group in fitting for item in group])
    if together == 1 and (len(fitting) == 1 or shared < _LEAST_SHARED):
        return [_grow(group, 0) for group in fitting], too_long
    trees: list[Tree] = []
    branches: list[Encoded] = []
    used = shared
    for group in fitting:
        size = sum(len(item.tokens) - shared for item in group)
        if used + size > limit and branches:
            trees.append(_grow(branches, shared))
            branches, used = [], shared
        branches += group
        used += size
    trees.append(_grow(branches, shared))
    return trees, too_long


def _grow(conversations: Sequence[Encoded], shared: int) -> Tree:
    """Return one tree of conversations that begin with so many tokens alike."""
    sizes = [len(conversation.tokens) - shared for conversation in conversations]
    return Tree(
        shared,
        np.concatenate([conversations[0].tokens[:shared], *(item.tokens[shared:] for item in conversations)]),
        np.concatenate([conversations[0].learned[:shared], *(item.learned[shared:] for item in conversations)]),
        shared + np.cumsum([0, *sizes[:-1]], dtype=np.int32),
        tuple(conversation.kind for conversation in conversations),
    )


def fill_rows(trees: Iterable[Tree], length: int) -> list[list[Tree]]:
    """Return rows of trees of at most `length` tokens each, the next tree in the first of a few open rows it fits in.

    The order stays nearly that of the trees, so that what was shuffled stays so.
    """
    rows: list[list[Tree]] = []
    open_rows: list[tuple[int, list[Tree]]] = []
    for tree in trees:
        for at, (room, row) in enumerate(open_rows):
            if tree.size <= room:
                row.append(tree)
                open_rows[at] = (room - tree.size, row)
                break
        else:
            row = [tree]
            rows.append(row)
            open_rows.append((length - tree.size, row))
            if len(open_rows) > 16:
                open_rows.remove(min(open_rows, key=lambda item: item[0]))
    return rows


def _shared(conversations: Sequence[Encoded]) -> int:
    """Return how many tokens all begin with, none of them learned; each keeps at least one of its own."""
    first = conversations[0]
    length = min(len(conversation.tokens) for conversation in conversations) - 1
    for conversation in conversations:
        different = np.flatnonzero(conversation.tokens[:length] != first.tokens[:length])
        learned = np.flatnonzero(conversation.learned[:length])
        length = min([length, *different[:1].tolist(), *learned[:1].tolist()])
    return length
