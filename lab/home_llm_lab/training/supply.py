"""The rows of each step, made into batches while the step before is computed."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .batch import Batch, make_batch
from .dataset import Dataset
from .tree import Tree

Row = list[Tree]
_BUCKET = 128


@dataclass(frozen=True, slots=True)
class Step:
    """What a process reads in a step.

    Attributes:
        rows: its own.
        learned: how many tokens, or pairs, all processes learn in it.
        batches: its rows as batches of at most as many rows as were asked for.
    """

    rows: list[Row]
    learned: int
    batches: list[Batch]


@dataclass(slots=True)
class Supply:
    """Deals out a dataset; the same seed always deals the same.

    Attributes:
        dataset: the data.
        ctx_size: the most tokens of a row.
        batch_size: rows of a step, of all processes.
        micro: rows of a batch; may be changed at any time.
        seed: what the order comes from.
        full: whether rows are padded to the whole context, so that all batches have one shape.
        rank: number of this process.
        world: number of processes.
        pinned: whether batches are made where a GPU reads them by itself.
        by_length: whether rows of like length come together.
        pairs: whether conversations are pairs of a right and a wrong one.
    """

    dataset: Dataset
    ctx_size: int
    batch_size: int
    micro: int
    seed: int
    full: bool = False
    rank: int = 0
    world: int = 1
    pinned: bool = False
    by_length: bool = False
    pairs: bool = False

    def rows(self, epoch: int) -> list[Row]:
        """Return the rows of an epoch, shuffled."""
        rows = self.dataset.rows(self.ctx_size, self.seed * 1000 + epoch)
        if self.by_length:
            # Together within a few steps, so that chance still has its say.
            span = self.batch_size * 8
            chunks = [rows[start : start + span] for start in range(0, len(rows), span)]
            rows = [row for chunk in chunks for row in sorted(chunk, key=_size)]
        return rows

    def steps_per_epoch(self) -> int:
        """Return how many steps the first epoch has; packing makes the others nearly as long."""
        return math.ceil(len(self.rows(0)) / self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Step]:
        """Yield the steps of an epoch from the one at `start`, two of them made in advance."""
        rows = self.rows(epoch)
        starts = range(start * self.batch_size, len(rows), self.batch_size)
        ready: queue.Queue[Step | BaseException | None] = queue.Queue(2)
        stopped = threading.Event()

        def put(item: Step | BaseException | None) -> None:
            while not stopped.is_set():
                try:
                    ready.put(item, timeout=0.2)
                except queue.Full:
                    continue
                return

        def make() -> None:
            try:
                for first in starts:
                    if stopped.is_set():
                        return
                    put(self._step(rows[first : first + self.batch_size]))
                put(None)
            except BaseException as error:  # noqa: BLE001 - told to the one that waits
                put(error)

        thread = threading.Thread(target=make, name="batches", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()

    def batches(self, rows: Sequence[Row]) -> list[Batch]:
        """Return rows as batches of at most `micro` rows."""
        made = []
        for start in range(0, len(rows), self.micro):
            part = rows[start : start + self.micro]
            longest = max(map(_size, part))
            length = self.ctx_size if self.full else max(_BUCKET, -(-longest // _BUCKET) * _BUCKET)
            # The last rows of an epoch may be fewer: empty ones keep the shape, where there is to be one.
            padded = [*part, *([[]] * (self.micro - len(part)))] if self.full else part
            batch = make_batch(padded, length)
            made.append(batch.pin() if self.pinned else batch)
        return made

    def _step(self, rows: list[Row]) -> Step:
        own = rows[self.rank :: self.world]
        most = math.ceil(len(rows) / self.world)
        # Every process takes part in every step, if only with nothing.
        own += [[] for _ in range(most - len(own))]
        learned = sum(len(tree.starts) // 2 if self.pairs else tree.targets for row in rows for tree in row)
        return Step(own, learned, self.batches(own))


def evaluation_rows(dataset: Dataset, supply: Supply, most: int = 0) -> list[Row]:
    """Return the rows of a dataset in its order, at most so many of them from all over it (0 is all)."""
    rows = dataset.rows(supply.ctx_size)
    return rows[:: -(-len(rows) // most)] if most else rows


def evaluation_batches(rows: Sequence[Row], supply: Supply) -> Iterator[tuple[list[Row], Batch]]:
    """Yield this process's part of some rows in batches."""
    own = list(rows[supply.rank :: supply.world])
    for start in range(0, len(own), supply.micro):
        part = own[start : start + supply.micro]
        yield part, supply.batches(part)[0]


def _size(row: Row) -> int:
    return sum(tree.size for tree in row)
