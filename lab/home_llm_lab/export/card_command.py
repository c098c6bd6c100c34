"""`home-llm-lab card`: the model card of what was trained, exported and evaluated."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .base import read_base
from .card import Card, read_json, write_card
from .errors import ExportError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run", type=Path, help="folder that training saved, with training.json in it")
    parser.add_argument("--name", required=True, help="of the model, such as home-135m")
    parser.add_argument("--base", type=Path, required=True, help="GGUF file of the base")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data, with stats.json in it")
    parser.add_argument(
        "--scores", action="append", default=[], metavar="TITLE=SCORES.json", help="of an evaluation; several times"
    )
    parser.add_argument("--file", type=Path, action="append", default=[], help="a GGUF file; several times")
    parser.add_argument("--license", default="apache-2.0", help="of the adapter (default: apache-2.0)")
    parser.add_argument("--out", type=Path, required=True, help="file to write")


def run(arguments: Namespace) -> int:
    """Write the card, and return 0; 2 where something is wrong with what was given."""
    try:
        scores = {}
        for item in arguments.scores:
            title, equals, path = item.partition("=")
            if not equals:
                raise ExportError(f"{item}: write TITLE=FILE.")  # noqa: TRY301 - told with the others
            scores[title] = read_json(Path(path))
        if missing := [path for path in arguments.file if not path.is_file()]:
            raise ExportError(f"There is no file {missing[0]}.")  # noqa: TRY301
        card = Card(
            name=arguments.name,
            base=read_base(arguments.base).name,
            licence=arguments.license,
            training=read_json(arguments.run / "training.json"),
            data=read_json(arguments.data / "stats.json"),
            scores=scores,
            files=arguments.file,
        )
        arguments.out.write_text(write_card(card), "utf-8")
    except ExportError as error:
        print(f"home-llm-lab: {error}", file=sys.stderr)
        return 2
    return 0
