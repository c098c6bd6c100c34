"""Calls as the model writes them, read into what they call and with what, so that two of them can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TARGET = "entity_id"
EXCEPT = "except"

_CALL = re.compile(r"([a-z][A-Za-z0-9_]*\.[A-Za-z0-9_]+|[A-Z][A-Za-z0-9]+)\((.*)\)")
_KEY = re.compile(r"\s*,?\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_BARE = re.compile(r"[^\s,()\"=]+")


class CallError(ValueError):
    """A line looks like a call and is none."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        service: what is called.
        arguments: with what, the target among them.
    """

    service: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str | None:
        """The entity, area or floor that it is on."""
        value = self.arguments.get(TARGET)
        return value if isinstance(value, str) else None

    @property
    def rest(self) -> dict[str, Any]:
        """The arguments but for the target and what is left out of it."""
        return {name: value for name, value in self.arguments.items() if name not in (TARGET, EXCEPT)}

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What is the same for calls that say the same."""
        return self.service, tuple(sorted((name, plain(value)) for name, value in self.arguments.items()))

    def __str__(self) -> str:
        """Return the call as the model writes it."""
        target = [self.target] if self.target else []
        rest = [
            f"{name}={json.dumps(value, ensure_ascii=False)}"
            for name, value in self.arguments.items()
            if name != TARGET
        ]
        return f"{self.service}({', '.join([*target, *rest])})"


def plain(value: Any) -> str:
    """Return a value so that 40 and 40.0 are the same, and so are lists in another order."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{float(value):g}"
    if isinstance(value, (list, tuple)):
        return ",".join(sorted(plain(item) for item in value))
    return str(value).strip().casefold()


def read_answer(text: str, tools: Iterable[Mapping[str, Any]] = ()) -> tuple[list[Call], str]:
    """Return the calls that an answer begins with, and the sentence behind them.

    Args:
        text: of the answer.
        tools: in OpenAI's shape; their first property is what a call has by position.

    Raises:
        CallError: a call cannot be read.
    """
    first = first_parameters(tools)
    calls: list[Call] = []
    lines = text.strip().splitlines()
    while lines and (found := _CALL.fullmatch(lines[0].strip())):
        calls.append(Call(found[1], _arguments(found[2], first.get(found[1], TARGET))))
        lines.pop(0)
    return calls, "\n".join(lines).strip()


def first_parameters(tools: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what each tool takes by position."""
    found = {}
    for tool in tools:
        function = tool["function"]
        found[function["name"]] = next(iter(function.get("parameters", {}).get("properties", {})), TARGET)
    return found


def same_calls(one: Iterable[Call], other: Iterable[Call]) -> bool:
    """Return whether both say the same, in whatever order."""
    return {call.key for call in one} == {call.key for call in other}


def _arguments(text: str, first: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    position = 0
    text = text.strip()
    if text and not _KEY.match(text):
        arguments[first], position = _value(text, 0)
    while text[position:].strip():
        key = _KEY.match(text, position)
        if key is None:
            raise CallError(f"cannot read the arguments ({text})")
        arguments[key[1]], position = _value(text, key.end())
    return arguments


def _value(text: str, position: int) -> tuple[Any, int]:
    try:
        return json.JSONDecoder().raw_decode(text, position)
    except ValueError:
        pass
    bare = _BARE.match(text, position)
    if bare is None:
        raise CallError(f"cannot read the arguments ({text})")
    return bare[0], bare.end()
