"""Build the dataset: make, count, write, describe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import splits
from .errors import DataError
from .making import Tally
from .stats import Stats, names_in
from .work import Workers
from .write import Writer

# A line of progress every so many seconds.
_PROGRESS = 5.0
# In one house in one moment, where nothing else is said.
CONVERSATIONS = 25


@dataclass(frozen=True, slots=True)
class Order:
    """What dataset is wanted.

    Attributes:
        size: how many examples in all splits together.
        seed: everything follows from it.
        out: the folder.
        languages: of the houses.
        processes: how many work on it.
        conversations: how many in one house in one moment.
        kind: only this one, or None.
        form: the format in which rows are written.
        flat: whether each row is one conversation.
        tools: how the tools are told: minimal, reduced, full, or None for what is usual with the format.
    """

    size: int
    seed: int
    out: Path
    languages: Sequence[str] = tuple(splits.LANGUAGES)
    processes: int = 2
    conversations: int = CONVERSATIONS
    kind: str | None = None
    form: str = "home"
    flat: bool = False
    tools: str | None = None


def build(order: Order, tell: Callable[[str], None] = print) -> Stats:
    """Write train.jsonl, valid.jsonl and test.jsonl, and return what is in them.

    Raises:
        DataError: the folder cannot be written, or no examples come.
    """
    stats = Stats()
    started = time.monotonic()
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        tested = Tested()
        with Workers(order.processes) as workers:
            for split, wanted in splits.targets(order.size).items():
                with Writer(order.out / f"{split}.jsonl", order.form, flat=order.flat, tools=order.tools) as writer:
                    for line in _lines(order, workers, Part(split, wanted, tested), stats.tally, tell):
                        writer.write(line)
                        stats.see(line)
                stats.digests[split] = writer.digest
    except OSError as error:
        raise DataError(f"{order.out} cannot be written: {error.strerror}") from error
    except BrokenProcessPool as error:
        raise DataError(
            "A process was ended from outside, perhaps for want of memory. Take fewer --processes."
        ) from error
    stats.seconds = time.monotonic() - started
    return stats


@dataclass(frozen=True, slots=True)
class Tested:
    """What the tests have, and nothing else may: what is said in them, and names of devices."""

    wordings: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Part:
    """A split: its name, how many examples it has, and what the tests have."""

    split: str
    wanted: int
    tested: Tested


def _lines(
    order: Order, workers: Workers, part: Part, tally: Tally, tell: Callable[[str], None]
) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a split until there are enough conversations."""
    split, wanted = part.split, part.wanted
    plans = splits.plans(split, order.seed, order.languages, conversations=order.conversations, kind=order.kind)
    started = told = time.monotonic()
    done = houses = 0
    made_all = workers.make(plans)
    try:
        for made in made_all:
            houses += 1
            tally.add(made.tally)
            for whole in made.lines:
                line = _fresh(whole, split, part.tested, wanted - done)
                if line["conversations"]:
                    done += len(line["conversations"])
                    yield line
                if done >= wanted:
                    tell(_progress(split, done, wanted, time.monotonic() - started))
                    return
            if houses >= 200 and not done:
                raise DataError(f"{houses} houses gave no example. Is there such a kind in these languages?")
            if time.monotonic() - told >= _PROGRESS:
                told = time.monotonic()
                tell(_progress(split, done, wanted, told - started))
    finally:
        made_all.close()


def _fresh(line: Mapping[str, Any], split: str, tested: Tested, most: int) -> dict[str, Any]:
    """Return a line without what is said in the tests, where it is for none, and empty where it has their names."""
    conversations: Sequence[Mapping[str, Any]] = line["conversations"]
    names = names_in(line["prompt"])
    if split == "test":
        tested.names.update(names)
        tested.wordings.update(map(_wording, conversations))
    elif tested.names & names:
        conversations = ()
    else:
        conversations = [item for item in conversations if _wording(item) not in tested.wordings]
    return {**line, "conversations": list(conversations[:most])}


def _wording(conversation: Mapping[str, Any]) -> str:
    """Return what a user says in a conversation."""
    said = [message["content"] for message in conversation["messages"] if message["role"] == "user"]
    return json.dumps([text.casefold().strip(" .!?") for text in said], ensure_ascii=False)


def _progress(split: str, done: int, wanted: int, seconds: float) -> str:
    rate = done / seconds if seconds else 0.0
    left = f"{(wanted - done) / rate / 60:.1f} minutes left" if rate else "no example yet"
    return f"{split}: {done:,} of {wanted:,}, {rate:.0f} a second, {left}"
