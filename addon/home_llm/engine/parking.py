"""Parked prefixes: what of the KV cache is not used now, kept in the machine's memory instead of in cells.

llama.cpp's attention walks over all cells up to the last one in use, whoever they belong to. A prefix that waits for
its next request in the cells makes every other request slower; parked, it costs nothing until it is wanted, and a copy
of a few milliseconds then.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from home_llm.engine.tokens import common_prefix
from home_llm.llama import State

# Prefixes are kept in blocks of this many tokens, counted from the start, so that those with the same beginning keep
# it once, and what is new of a long prefix is little.
BLOCK = 512


class StoredState(Protocol):
    """A state that is kept somewhere else than in memory."""

    def load(self) -> State | None:
        """Return it; None where it is not there any more."""


Save = Callable[[int, int], State | StoredState]


@dataclass(eq=False, slots=True)
class Block:
    """A piece of a prefix.

    Attributes:
        tokens: what it holds.
        state: of llama.cpp, for these tokens, or where to get it.
        parent: the block before it; the root has none.
        children: the blocks that come after it, by their tokens.
        used: when it was used last; larger is later.
        pinned: forgotten only when nothing else is left.
    """

    tokens: tuple[int, ...]
    state: State | StoredState
    parent: "Block | None"
    children: dict[tuple[int, ...], "Block"] = field(default_factory=dict)
    used: int = 0
    pinned: bool = False

    @property
    def size(self) -> int:
        """Bytes of memory that the state takes."""
        return int(self.state.nbytes) if isinstance(self.state, np.ndarray) else 0

    def load(self) -> State | None:
        """Return the state; None where it is not there any more."""
        return self.state if isinstance(self.state, np.ndarray) else self.state.load()


class ParkedPrefixes:
    """A tree of blocks, from the start of prompts on.

    Args:
        budget: most bytes of all states; 0 parks nothing.
        whole_only: whether a prefix is one block, however long, because its state cannot be cut.
    """

    def __init__(self, budget: int, *, whole_only: bool = False) -> None:
        self._budget = budget
        self._whole_only = whole_only
        self._root = Block((), np.empty(0, np.uint8), None)
        self._clock = itertools.count(1)
        self.size = 0

    @property
    def enabled(self) -> bool:
        """Whether anything is ever parked."""
        return self._budget > 0

    def find(self, prompt: tuple[int, ...]) -> tuple[list[Block], int]:
        """Return the blocks that hold the longest beginning of a prompt, and how long it is.

        The last block may hold more than that.
        """
        blocks: list[Block] = []
        node, length = self._root, 0
        while (found := self._next(node, prompt, length)) is not None:
            node, shared = found
            blocks.append(node)
            length += shared
            if shared < len(node.tokens):
                break
        return blocks, length

    def touch(self, blocks: list[Block]) -> None:
        """Note that blocks are used."""
        now = next(self._clock)
        for block in blocks:
            block.used = now

    def put(self, tokens: list[int], save: Save, *, pinned: bool = False) -> None:
        """Park a prefix.

        Args:
            tokens: all of it.
            save: returns the state of the tokens from one place to another; called for what is not parked yet.
            pinned: forget it last.
        """
        node = self._root
        now = next(self._clock)
        for start, end in spans(len(tokens), whole_only=self._whole_only):
            piece = tuple(tokens[start:end])
            child = node.children.get(piece)
            if child is None:
                child = Block(piece, save(start, end), node)
                self._drop_covered(node, piece)
                node.children[piece] = child
                self.size += child.size
            child.used = now
            child.pinned = child.pinned or pinned
            node = child
        self._keep_to_budget()

    def drop_lone_copy(self, blocks: list[Block]) -> None:
        """Forget blocks that are in cells again, where nothing else is parked: a house with one agent keeps it once.

        What is not in memory costs nothing and stays.
        """
        if self.size and sum(1 for _ in self._leaves()) == 1 and blocks and not blocks[-1].children:
            self.clear()

    def forget(self, block: Block) -> None:
        """Forget a block and all that comes after it."""
        for child in list(block.children.values()):
            self.forget(child)
        self._remove(block)

    def clear(self) -> None:
        """Forget everything."""
        self._root.children.clear()
        self.size = 0

    def prefixes(self) -> Iterator[list[Block]]:
        """Yield the blocks of each whole prefix."""
        for leaf in self._leaves():
            chain = []
            block = leaf
            while block.parent is not None:
                chain.append(block)
                block = block.parent
            yield chain[::-1]

    def _next(self, node: Block, prompt: tuple[int, ...], start: int) -> tuple[Block, int] | None:
        """Return the child that holds most of what comes next, and how many tokens of it."""
        if not self._whole_only:
            exact = node.children.get(prompt[start : start + BLOCK])
            if exact is not None:
                return exact, len(exact.tokens)
        best: tuple[Block, int] | None = None
        rest = prompt[start:] if self._whole_only else prompt[start : start + BLOCK]
        for child in node.children.values():
            shared = common_prefix(child.tokens, rest)
            if self._whole_only and shared < len(child.tokens):
                continue
            if shared > 0 and (best is None or shared > best[1]):
                best = child, shared
        return best

    def _drop_covered(self, node: Block, piece: tuple[int, ...]) -> None:
        """Forget children that hold only a beginning of what a new one holds."""
        for tokens in list(node.children):
            child = node.children[tokens]
            if not child.children and not self._whole_only and piece[: len(tokens)] == tokens:
                self._remove(child)

    def _keep_to_budget(self) -> None:
        while self.size > self._budget:
            oldest = min(self._leaves(), key=lambda leaf: (leaf.pinned, leaf.used), default=None)
            if oldest is None:
                return
            self._remove(oldest)

    def _remove(self, leaf: Block) -> None:
        assert leaf.parent is not None  # noqa: S101 - only the root has none, and is never removed
        del leaf.parent.children[leaf.tokens]
        self.size -= leaf.size

    def _leaves(self) -> Iterator[Block]:
        stack = list(self._root.children.values())
        while stack:
            block = stack.pop()
            if block.children:
                stack.extend(block.children.values())
            else:
                yield block


def spans(length: int, *, whole_only: bool = False) -> list[tuple[int, int]]:
    """Return where the blocks of a prefix begin and end."""
    if whole_only:
        return [(0, length)] if length else []
    return [(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
