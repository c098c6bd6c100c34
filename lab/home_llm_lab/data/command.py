"""`home-llm-lab data`: build the dataset, or show what a kind makes."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from custom_components.home_llm.tool_formats import ToolFormat
from home_llm_lab.homes import VocabularyError
from home_llm_lab.homes.vocabulary import load_vocabulary
from home_llm_lab.kinds.alpaca import VARIABLE, AlpacaError, load_alpaca
from home_llm_lab.kinds.registry import load_kinds
from home_llm_lab.phrases.book import load_book
from home_llm_lab.phrases.template import TemplateError

from .build import CONVERSATIONS, Order, build
from .datasheet import write_about
from .errors import DataError
from .formats import FORMATS
from .show import show
from .splits import LANGUAGES, SIZES

HELP = "make examples over random houses, each executed in a real Home Assistant"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--size", default="small", help=f"{', '.join(SIZES)}, or a number of examples")
    parser.add_argument("--seed", type=int, default=1, help="everything follows from it (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--languages", default=",".join(LANGUAGES), help="of the houses, with commas between")
    parser.add_argument("--processes", type=int, default=2, help="how many work on it (default: 2)")
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS, help="in one house in one moment")
    parser.add_argument("--kind", help="only this kind")
    parser.add_argument("--format", choices=sorted(FORMATS), default="home", help="of tools and calls (default: home)")
    parser.add_argument("--tools", choices=[*ToolFormat], help="tool format, where it is not the usual of the format")
    parser.add_argument("--flat", action="store_true", help="one conversation a row, with messages and tools")
    parser.add_argument("--alpaca", type=Path, help="a file in alpaca form, to mix in its short rows")
    parser.add_argument("--show", metavar="KIND", help="print three examples of a kind, or of all, and write nothing")


def run(arguments: Namespace) -> int:
    """Build, and return 0; 2 where something is wrong with what was given."""
    try:
        _run(arguments)
    except (AlpacaError, DataError, TemplateError, VocabularyError) as error:
        print(f"home-llm-lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("home-llm-lab: interrupted. Splits that were not complete are as they were before.", file=sys.stderr)
        return 130
    return 0


def _run(arguments: Namespace) -> None:
    if arguments.alpaca:
        # Before the kinds are loaded, here and in the processes that make houses.
        load_alpaca(arguments.alpaca)
        os.environ[VARIABLE] = str(arguments.alpaca.resolve())
    languages = tuple(filter(None, map(str.strip, arguments.languages.split(","))))
    for language in languages:
        load_vocabulary(language)
        load_book(language)
    wanted = arguments.show or arguments.kind
    if not languages or arguments.processes < 1 or arguments.conversations < 1:
        raise DataError("Name at least one language, one process and one conversation a house.")
    if wanted not in (None, "all", *load_kinds()):
        raise DataError(f"There is no kind {wanted!r}. There are: {', '.join(sorted(load_kinds()))}.")
    if arguments.show:
        show(arguments.show, languages, arguments.seed)
        return
    order = Order(
        _size(arguments.size),
        arguments.seed,
        arguments.out,
        languages,
        arguments.processes,
        arguments.conversations,
        arguments.kind,
        arguments.format,
        arguments.flat,
        arguments.tools,
    )
    stats = build(order)
    write_about(order, stats)
    rate = stats.conversations / stats.seconds
    print(f"{order.out}: {stats.conversations:,} conversations in {stats.seconds:.0f} s, {rate:.0f} a second")


def _size(text: str) -> int:
    size = SIZES.get(text) or (int(text) if text.isdecimal() else 0)
    if size < 25:
        raise DataError(f"There is no size {text!r}. Sizes are {', '.join(SIZES)}, or a number from 25 on.")
    return size
