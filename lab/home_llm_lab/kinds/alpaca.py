"""General instructions from a file in alpaca form, for who has one: short questions with short answers.

None comes with the lab, because what is made of such a file is bound by its licence: Stanford's Alpaca is
CC BY-NC 4.0, for no commercial use, and alpaca-cleaned is CC BY 4.0, which wants its authors named.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Processes that are started later read it too.
VARIABLE = "HOME_LLM_LAB_ALPACA"
_QUESTION, _ANSWER = 160, 140


class AlpacaError(ValueError):
    """A file is not in alpaca form, or nothing in it is short enough."""


@functools.cache
def load_alpaca(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the short questions of a file with their answers, each of one line.

    Args:
        path: JSON, a list of rows, or JSON lines. A row has instruction, input and output, or instruction, context and
            response; those with an input are left out.

    Raises:
        AlpacaError: it cannot be read.
    """
    try:
        rows = list(_rows(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise AlpacaError(f"{path} cannot be read as JSON or JSON lines: {error}") from error
    found = tuple(pair for row in rows if (pair := _pair(row)) is not None)
    if not found:
        raise AlpacaError(
            f"{path} has no short questions: rows need 'instruction' of up to {_QUESTION} and 'output' of up to "
            f"{_ANSWER} characters, each in one line"
        )
    return found


def _rows(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _pair(row: Any) -> tuple[str, str] | None:
    """Return the question and the answer of a row, or None where they are long, of several lines, or no text."""
    if not isinstance(row, Mapping) or row.get("input") or row.get("context"):
        return None
    said, answer = row.get("instruction"), row.get("output", row.get("response"))
    if not isinstance(said, str) or not isinstance(answer, str):
        return None
    said, answer = said.strip(), answer.strip()
    fits = 0 < len(said) <= _QUESTION and 0 < len(answer) <= _ANSWER
    return (said, answer) if fits and "\n" not in said + answer else None
