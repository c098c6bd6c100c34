"""Write what a dataset is beside it: stats.json and DATASHEET.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from homeassistant.const import __version__ as home_assistant

from .build import CONVERSATIONS, Order
from .errors import DataError
from .stats import Stats

_HEAD = """# Datasheet

{conversations:,} conversations about {houses:,} random houses, made by

    {command}

with Home Assistant {home_assistant} in {seconds:.0f} s.

## What it is for

To fine-tune small models that control a house through the home services of Home LLM, and to score them. It is made by
a program from word lists and sentence templates that were written for it; the kind `act_intents` draws its words from
the sentence templates of Home Assistant's own matcher (home-assistant-intents, Apache-2.0). It holds no data of people,
no recorded speech, and nothing of the benchmarks of other projects. Tests of that matcher were written against its
templates, so a score on them is not quite out of distribution.

## What a row is

{row}

Of a conversation, the last answer is the one that counts. `act` tells what kind of answer is right: it does something,
tells something, asks back, refuses, or talks. `effects` tells what the last turn changes in the house, by entity.
`learn: last` stands where an earlier answer failed on purpose and is not to be learned.

## How it was made

1. A house follows from its seed: floors, areas, devices with capabilities, names, aliases and states. It moves into a
   real Home Assistant, and the integration itself writes prompt and tools.
2. A kind of command makes words, calls, the answer and, apart from the calls, what should change.
3. The calls are checked against the schemas of the tools, written and read back, and executed through the integration.
   A row is kept only if nothing is refused and just that changes which was meant; where nothing should be called,
   nothing is. {rejected:,} of {tried:,} examples were thrown away; stats.json tells why, by kind.

What is not in it: how long something takes, devices that move slowly, and households in which names are wrong.

## Splits

{splits}

Splits have other houses. Names of devices in `test` are in no house of `train` or `valid`, and neither is anything that
is said in it; about one in seven words of the vocabulary and one in eight sentence templates are kept for it. Groups of
fewer than four templates are shared: {templates} of its templates are also in `train`. `valid` has other houses than
`train`, but its words.

## Counts of the training split

{counts}

## Files

| File | SHA-256 |
| --- | --- |
{files}
"""
_HOUSE = """A row is a house in one moment: `prompt` is the system prompt, `tools` are the tools as the integration
sends them, and each of `conversations` goes on from there. `tail` stands between the prompt and the first message: it
tells where the speaker is, and what time it is."""
_FLAT = """A row is one conversation, with the system prompt first. `format` names the markup of its calls, and `tools`
are there where a chat template shows them."""


def write_about(order: Order, stats: Stats) -> None:
    """Write stats.json and DATASHEET.md.

    Raises:
        DataError: the folder cannot be written.
    """
    told = {"seed": order.seed, "size": order.size, "format": order.form, "flat": order.flat, **stats.as_dict()}
    try:
        (order.out / "stats.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
        (order.out / "DATASHEET.md").write_text(_datasheet(order, told), "utf-8")
    except OSError as error:
        raise DataError(f"{order.out} cannot be written: {error.strerror}") from error


def _datasheet(order: Order, told: Mapping[str, Any]) -> str:
    splits: Mapping[str, Mapping[str, Any]] = told["splits"]
    kinds: Mapping[str, Mapping[str, int]] = told["kinds"]
    rejected = sum(kind["rejected"] for kind in kinds.values())
    shared = order.form == "home" and not order.flat and order.tools is None
    return _HEAD.format(
        conversations=told["conversations"],
        houses=sum(split["houses"] for split in splits.values()),
        command=_command(order),
        home_assistant=home_assistant,
        seconds=told["seconds"],
        row=_HOUSE if shared else _FLAT,
        rejected=rejected,
        tried=rejected + sum(kind["kept"] for kind in kinds.values()),
        splits=_split_table(splits),
        templates=told["shared_with_train"]["test"]["templates"],
        counts=_counts(splits["train"]),
        files="\n".join(f"| {split}.jsonl | `{digest}` |" for split, digest in sorted(told["sha256"].items())),
    )


def _command(order: Order) -> str:
    """Return the command that makes the same again."""
    parts = [f"home-llm-lab data --size {order.size} --seed {order.seed}", f"--languages {','.join(order.languages)}"]
    parts += [f"--conversations {order.conversations}"] if order.conversations != CONVERSATIONS else []
    parts += [f"--kind {order.kind}"] if order.kind else []
    parts += [f"--format {order.form}"] if order.form != "home" else []
    parts += [f"--tools {order.tools}"] if order.tools else []
    return " ".join([*parts, *(["--flat"] if order.flat else [])])


def _split_table(splits: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        "| Split | Conversations | Houses | Moments | Devices, median | Templates |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {name} | {split['conversations']:,} | {split['houses']:,} | {split['moments']:,} "
        f"| {split['devices']['median']} | {split['templates']:,} |"
        for name, split in splits.items()
    ]
    return "\n".join(rows)


def _counts(split: Mapping[str, Any]) -> str:
    """Return how many conversations there are of each sort."""
    rows = ["| | |", "| --- | --- |"]
    for name in ("act", "language", "persona", "turns", "calls", "kind"):
        counts = ", ".join(f"{key} {count:,}" for key, count in split[name].items())
        rows.append(f"| {name} | {counts} |")
    return "\n".join(rows)
