"""Three ways to write tools into a prompt: minimal, reduced and full.

Free of Home Assistant. A tool comes in OpenAI's shape. The entity that every home service begins with is not repeated
in the minimal format, and the entities that it may be are never listed: the devices of the prompt tell them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

ENTITY = "entity_id"
NO_TOOLS = "There are no tools. If the user wants a device to do something, say that you cannot do it."


class ToolFormat(StrEnum):
    """How much of each tool the prompt tells."""

    MINIMAL = "minimal"
    REDUCED = "reduced"
    FULL = "full"


def format_tools(tools: Sequence[Mapping[str, Any]], tool_format: ToolFormat) -> list[Any]:
    """Return the variable `tools` of a template: texts in the minimal format, otherwise objects."""
    write = {ToolFormat.MINIMAL: _minimal, ToolFormat.REDUCED: _reduced, ToolFormat.FULL: _full}[tool_format]
    return [write(tool["function"]) for tool in tools]


def formatted_tools(tools: Sequence[Mapping[str, Any]], tool_format: ToolFormat) -> str:
    """Return the tools as one text: separated by commas in the minimal format, otherwise JSON."""
    if not tools:
        return NO_TOOLS
    written = format_tools(tools, tool_format)
    if tool_format is ToolFormat.MINIMAL:
        return ", ".join(written)
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


def _minimal(function: Mapping[str, Any]) -> str:
    """Return `name(argument,argument)`, and the description of a tool whose name does not say it."""
    arguments = [name for name in _properties(function) if name != ENTITY]
    signature = f"{function['name']}({','.join(arguments)})"
    # A home service says by its name what it does: light.turn_on.
    if "." in function["name"] or not function.get("description"):
        return signature
    return f"{signature} - {function['description']}"


def _reduced(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, description, and the type of each argument."""
    return {
        "name": function["name"],
        "description": function.get("description", ""),
        "parameters": {
            "properties": {name: _type(schema) for name, schema in _properties(function).items()},
            "required": _required(function),
        },
    }


def _full(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return OpenAI's own shape."""
    properties = {
        name: {key: value for key, value in schema.items() if name != ENTITY or key != "enum"}
        for name, schema in _properties(function).items()
    }
    return {
        "type": "function",
        "function": {
            "name": function["name"],
            "description": function.get("description", ""),
            "parameters": {"type": "object", "properties": properties, "required": _required(function)},
        },
    }


def _properties(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of a tool with their schemas."""
    properties: Mapping[str, Any] = function.get("parameters", {}).get("properties", {})
    return properties


def _required(function: Mapping[str, Any]) -> list[str]:
    """Return the arguments that a tool needs."""
    return list(function.get("parameters", {}).get("required", ()))


def _type(schema: Mapping[str, Any]) -> str:
    """Return the type of an argument, the first of several."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, Sequence):
        return next((str(item) for item in kind if item != "null"), "string")
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if (found := _type(choice)) != "null":
            return found
    return "string"
