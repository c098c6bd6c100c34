"""A dataset: read, tokenized by several processes, planted as trees, dealt out in rows."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .chat import ChatEncoder, Encoded
from .errors import TrainingError
from .pairs import make_pair
from .rows import Line, RowError, read_groups, read_lines
from .tree import Tree, fill_rows, plant

_LOGGER = logging.getLogger(__name__)
# Lines that a process gets at a time: flat chats of one house should mostly come together.
_LINES = 32
_SHOWN = 5

_Part: TypeAlias = "tuple[list[Tree], list[str], list[tuple[int, int]]]"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Conversations as trees.

    Attributes:
        name: of its file.
        trees: in the order of the file.
        packing: whether trees share rows.
    """

    name: str
    trees: tuple[Tree, ...]
    packing: bool = True

    @property
    def tokens(self) -> int:
        """Return how many tokens the model reads in an epoch."""
        return sum(tree.size for tree in self.trees)

    @property
    def learned(self) -> int:
        """Return how many tokens it learns."""
        return sum(tree.targets for tree in self.trees)

    @property
    def conversations(self) -> int:
        """Return how many conversations it has."""
        return sum(len(tree.starts) for tree in self.trees)

    def rows(self, length: int, seed: int | None = None) -> list[list[Tree]]:
        """Return rows of at most `length` tokens, shuffled by a seed, else in order."""
        trees = list(self.trees)
        rng = random.Random(seed)
        if seed is not None:
            rng.shuffle(trees)
        rows = fill_rows(trees, length) if self.packing else [[tree] for tree in trees]
        if seed is not None:
            rng.shuffle(rows)
        return rows


@dataclass(frozen=True, slots=True)
class Reading:
    """How datasets are read.

    Attributes:
        encoder: of the model.
        ctx_size: the most tokens of a conversation and of a row.
        processes: how many read.
        packing: whether conversations share rows.
        skip: leave out broken lines and conversations that are too long, instead of stopping.
        pairs: give each conversation a wrong answer beside its right one, and leave out those for which there is none.
        seed: by which wrong answers are chosen.
    """

    encoder: ChatEncoder
    ctx_size: int
    processes: int = 1
    packing: bool = True
    skip: bool = False
    pairs: bool = False
    seed: int = 0


def read_dataset(path: Path, reading: Reading) -> Dataset:
    """Return the conversations of a file.

    Raises:
        TrainingError: lines are broken or conversations longer than the context, and these are not to be left out; or
            nothing is left.
    """
    trees: list[Tree] = []
    errors: list[str] = []
    longest: list[tuple[int, int]] = []
    for planted, wrong, too_long in _read(read_lines(path), reading):
        trees += planted
        errors += wrong
        longest += too_long
    if longest:
        most = max(size for _, size in longest)
        lines = ", ".join(str(line) for line in sorted({line for line, _ in longest})[:_SHOWN])
        errors.append(
            f"{len(longest)} conversations are longer than the context of {reading.ctx_size} tokens, the longest has "
            f"{most} (lines {lines}...); train with --ctx_size {-(-most // 256) * 256}"
        )
    if errors:
        shown = "\n  ".join([*errors[:_SHOWN], *([f"and {len(errors) - _SHOWN} more"] if errors[_SHOWN:] else [])])
        if not reading.skip:
            raise TrainingError(f"{path}:\n  {shown}\nrepair them, or leave them out with --skip_broken_rows")
        _LOGGER.warning("%s: left out:\n  %s", path, shown)
    if not trees:
        raise TrainingError(
            f"{path} holds no conversation with a `rejected` answer or a call that another device could get"
            if reading.pairs
            else f"{path} holds no conversation to learn from"
        )
    return Dataset(path.name, tuple(trees), reading.packing)


def _read(lines: Iterator[Line], reading: Reading) -> Iterator[_Part]:
    if reading.processes < 2:
        yield from (_encode(chunk, reading) for chunk in _chunks(lines))
        return
    # Forked, so that the tokenizer is there already.
    context = multiprocessing.get_context("fork")
    with context.Pool(reading.processes, _begin, (reading,)) as pool:
        yield from pool.imap(_encode_here, _chunks(lines))


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    lines = iter(lines)
    while chunk := list(itertools.islice(lines, _LINES)):
        yield chunk


_here: list[Reading] = []


def _begin(reading: Reading) -> None:
    _here[:] = [reading]


def _encode_here(chunk: list[Line]) -> _Part:
    return _encode(chunk, _here[0])


def _encode(chunk: Sequence[Line], reading: Reading) -> _Part:
    """Return the trees of some lines, what is wrong with the others, and (line, tokens) of what is too long."""
    groups, errors = read_groups(chunk)
    trees: list[Tree] = []
    too_long: list[tuple[int, int]] = []
    for group in groups:
        encoded: list[Encoded] = []
        for conversation in group:
            pair = make_pair(conversation, reading.seed) if reading.pairs else [conversation]
            try:
                encoded += [reading.encoder.encode(item) for item in pair or ()]
            except RowError as error:
                errors.append(f"line {conversation.line}: {error}")
        together = 2 if reading.pairs else 1
        size = max(1, len(encoded)) if reading.packing else together
        for part in (encoded[start : start + size] for start in range(0, len(encoded), size)):
            planted, left = plant(part, reading.ctx_size, together)
            trees += planted
            too_long += [(item.line, len(item.tokens)) for item in left]
    return trees, errors, too_long
