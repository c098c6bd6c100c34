"""The model card: what a model is, how it was made, and how good it is, from the files that tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ExportError

_HASH_BYTES = 1 << 20

_PURPOSE = """\
A LoRA adapter on {base} that controls a house in the compact home format of Home LLM: calls such as
`light.turn_on(light.kitchen, brightness=40)`, one a line, and one short sentence. It is for the prompt that the
integration writes and for the grammar that the server makes of the house; for anything else use its base."""
_INTERVALS = """\
In brackets are 95 percent intervals, bootstrapped over templates of sentences. Houses, names, templates and wordings of
the tests are in no training data."""
# What is told of an evaluation: measure and title.
_MEASURES = {
    "exact": "exact calls",
    "state": "same change in the house",
    "wrong device": "wrong device",
    "unsafe": "unsafe",
    "over-refusal": "no call where one was meant",
    "refusal": "refuses what cannot be done",
    "status": "questions about the house",
}


@dataclass(frozen=True, slots=True)
class Card:
    """What a card is made of.

    Attributes:
        name: of the model.
        base: the name of what it was trained on.
        licence: of the adapter.
        training: training.json of the run.
        data: stats.json of the data.
        scores: scores.json of one or more evaluations, by what they are of.
        files: the GGUF files.
    """

    name: str
    base: str
    licence: str
    training: Mapping[str, Any]
    data: Mapping[str, Any]
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    files: Sequence[Path]


def write_card(card: Card) -> str:
    """Return a card in Markdown."""
    parts = [
        f"# {card.name}",
        _PURPOSE.format(base=card.base),
        f"Licence: {card.licence}. The base has its own.",
        "## Files",
        _files(card.files),
        "## How good it is",
        *(_evaluation(title, rows) for title, rows in card.scores.items()),
        _INTERVALS,
        "## How it was made",
        _data(card.data),
        _training(card.training),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ExportError: it cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read: {error}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _files(files: Sequence[Path]) -> str:
    rows = [f"| `{path.name}` | {path.stat().st_size / 1e6:.1f} MB | `{sha256(path)}` |" for path in files]
    return "\n".join(["| file | size | SHA-256 |", "| --- | --- | --- |", *rows])


def _evaluation(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [name for name in _MEASURES if any(name in row["overall"] for row in rows)]
    lines = [
        f"| {title} | N | {' | '.join(_MEASURES[name] for name in shown)} |",
        f"| {' | '.join(['---'] * (len(shown) + 2))} |",
    ]
    for row in rows:
        count = row["overall"]["right"]["count"]
        lines.append(f"| {row['label']} | {count} | {' | '.join(_share(row['overall'].get(name)) for name in shown)} |")
    return "\n".join(lines)


def _share(found: Mapping[str, float] | None) -> str:
    return f"{found['value']:.1%} [{found['low'] * 100:.0f}-{found['high'] * 100:.0f}]" if found else ""


def _data(stats: Mapping[str, Any]) -> str:
    if not stats:
        return ""
    digests = "".join(
        f" `{name}.jsonl` has the SHA-256 `{digest}`." for name, digest in stats.get("sha256", {}).items()
    )
    return (
        f"Data: {stats['conversations']:,} conversations of `home-llm-lab data` with the seed {stats['seed']}, each "
        f"executed in a real Home Assistant before it was kept.{digests}"
    )


def _training(training: Mapping[str, Any]) -> str:
    arguments = training.get("arguments", {})
    if not arguments:
        return ""
    given = {name: value for name, value in arguments.items() if value not in (None, "", False, [])}
    told = " ".join(" ".join(filter(None, (f"--{name}", _value(value)))) for name, value in given.items())
    return f"Training:\n\n    python lab/train.py {told}"


def _value(value: Any) -> str:
    if value is True:
        return ""
    # Where the files lay on the machine that trained says nothing to others.
    values = value if isinstance(value, list) else [value]
    return ",".join(Path(item).name if isinstance(item, str) and "/" in item else str(item) for item in values)
