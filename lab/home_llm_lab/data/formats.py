"""The formats in which rows are written: how the tools are told, and how calls are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Format:
    """How tools and calls are written.

    Attributes:
        name: as the command has it.
        shared: whether conversations of a house can stand in one row, with the prompt once.
    """

    name: str
    shared: bool = False


FORMATS: Mapping[str, Format] = {"home": Format("home", shared=True)}


def flat_rows(line: Mapping[str, Any], form: Format) -> Iterator[dict[str, Any]]:
    """Yield a row for each conversation of a house, with messages and tools."""
    for conversation in line["conversations"]:
        system = line["prompt"] + conversation["tail"]
        yield {
            "kind": conversation["kind"],
            "language": conversation["language"],
            "format": form.name,
            "messages": [{"role": "system", "content": system}, *conversation["messages"]],
            "tools": line["tools"],
            **({"learn": conversation["learn"]} if "learn" in conversation else {}),
        }
