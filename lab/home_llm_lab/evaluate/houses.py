"""Houses with their tasks, to try in a real Home Assistant: made again from their seeds, or hand-written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from home_llm_lab.homes import make_house
from home_llm_lab.house import House

from .handwritten import read_houses, rows
from .rows import DataError, Task, house_tasks

Lived = tuple[House, Sequence[Task]]


def handwritten_houses() -> list[Lived]:
    """Return the hand-written houses with their tasks.

    Raises:
        HandwrittenError: the file has a mistake.
    """
    return [(house, house_tasks(row, house.seed)) for (house, _), row in zip(read_houses(), rows(), strict=True)]


def generated_houses(path: Path, tasks: Sequence[Task]) -> list[Lived]:
    """Return the houses of a data file with their tasks, as far as they are as they were made.

    A house is in the file in several moments; only the first can be made again from its seed alone.

    Raises:
        DataError: the file cannot be read.
    """
    first: dict[int, tuple[int, str, bool]] = {}
    seen: set[tuple[int, str]] = set()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if (key := (row["house"], row["language"])) not in seen:
                    seen.add(key)
                    first[number] = (*key, row["split"] == "test")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error!r}") from error
    found: list[Lived] = []
    for number, group in itertools.groupby(tasks, key=lambda task: task.number):
        if number in first:
            seed, language, held_out = first[number]
            found.append((make_house(seed, language, held_out=held_out), list(group)))
    return found
