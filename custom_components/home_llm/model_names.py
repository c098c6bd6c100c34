"""Names of models, which servers want letter by letter.

Free of Home Assistant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_ENOUGH_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class NameProblem:
    """What is wrong with a name: the key of the message, and what it shows."""

    key: str
    placeholders: dict[str, str]


def unknown_model(name: str, names: Iterable[str]) -> NameProblem | None:
    """Return what is wrong with a name that the server does not have, or None where it has it."""
    known = list(names)
    if name in known:
        return None
    if near := near_name(name, known):
        return NameProblem("unknown_model_near", {"model": name, "suggestion": near})
    return NameProblem("unknown_model", {"model": name, "suggestion": ""})


def near_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant, or None when none is near."""
    known = list(names)
    folded = {_folded(other): other for other in reversed(known)}
    if exact := folded.get(_folded(name)):
        return exact
    # A name without the tag, folder or quant that the server puts around it.
    if inside := [other for other in known if _folded(name) in _folded(other)]:
        return min(inside, key=len)
    close = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=_ENOUGH_ALIKE)
    return folded[close[0]] if close else None


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
