"""Whether the grammar of a house lets the model write an answer: calls by the schemas of the tools, and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from custom_components.home_llm.text_tools import known_tools, read_line

# What the server's grammar takes for the beginning of a call, wherever it stands in a sentence or at its start.
_LIKE_A_CALL = re.compile(r"[._][A-Za-z0-9_]*\(|^[A-Za-z_][A-Za-z0-9_]+\.[A-Za-z0-9_]", re.MULTILINE)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
}


class Grammar:
    """The schemas of the tools of a house."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        """Take OpenAI tools."""
        self._tools = known_tools(tools)
        self._enums: dict[int, frozenset[Any]] = {}

    def fault_of_call(self, written: str, service: str, arguments: Mapping[str, Any]) -> str | None:
        """Return why a call cannot be written, or None where it can.

        Args:
            written: the line.
            service: what it calls.
            arguments: with which, the target among them.
        """
        tool = self._tools.get(service)
        if tool is None:
            return "no such service"
        parameters = tool["parameters"]
        properties: Mapping[str, Any] = parameters["properties"]
        if [name for name in properties if name in arguments] != list(arguments):
            return "arguments are unknown or in another order"
        if not set(parameters.get("required", ())) <= set(arguments):
            return "an argument is missing"
        for name, value in arguments.items():
            if fault := self._fault(value, properties[name]):
                return f"{name} {fault}"
        read = read_line(written, self._tools)
        if read is None or (read.name, read.arguments) != (service, dict(arguments)):
            return "reads back as something else"
        return None

    def _fault(self, value: Any, schema: Mapping[str, Any]) -> str | None:
        """Return why a value does not fit a schema, or None where it does."""
        kinds = _TYPES[schema["type"]]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return f"is no {schema['type']}"
        if (allowed := schema.get("enum")) is not None and value not in self._enum(allowed):
            return "is not among the choices"
        if "minimum" in schema and value < schema["minimum"]:
            return "is too small"
        if "maximum" in schema and value > schema["maximum"]:
            return "is too large"
        if isinstance(value, str):
            if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10_000):
                return "has the wrong length"
            if (pattern := schema.get("pattern")) and not re.search(pattern, value):
                return "does not match its pattern"
        if isinstance(value, (list, tuple)):
            return next((fault for item in value if (fault := self._fault(item, schema["items"]))), None)
        return None

    def _enum(self, allowed: Sequence[Any]) -> frozenset[Any]:
        """Return a list of choices as a set, made once."""
        found = self._enums.get(id(allowed))
        if found is None:
            found = self._enums[id(allowed)] = frozenset(allowed)
        return found


def fault_of_sentence(reply: str) -> str | None:
    """Return why a sentence cannot be an answer, or None where it can."""
    if not reply or reply != reply.strip():
        return "is empty, or has white space around it"
    if "\n" in reply:
        return "has several lines"
    return "looks like a call" if _LIKE_A_CALL.search(reply) else None
