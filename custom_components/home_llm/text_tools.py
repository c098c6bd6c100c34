"""Tools, calls and results as text, for models that are asked to complete text.

Free of Home Assistant and pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import uuid4

from .chat_events import ToolCall, parse_arguments


class CallFormat(StrEnum):
    """How a model is asked to write calls. What it then writes is read in any of them."""

    TOOL_CALL = "tool_call"
    FUNCTION_CALL = "functioncall"
    JSON = "json"
    HOME = "home"


_OBJECT = '{"name": "the tool", "arguments": {"an argument": "its value"}}'
_HOW = {
    CallFormat.TOOL_CALL: f"To use a tool, write <tool_call>{_OBJECT}</tool_call>",
    CallFormat.FUNCTION_CALL: f"To use a tool, write <functioncall> {_OBJECT}",
    CallFormat.JSON: f"To use a tool, write only {_OBJECT}",
    CallFormat.HOME: (
        "To act, write one call on each line, such as light.turn_on(light.kitchen), and then a sentence."
    ),
}

_BARE = re.compile(r"[^\s,()\"'=]+")
_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_NOTHING_TO_TELL: tuple[Any, ...] = (None, "", {}, [], {"success": True}, {"result": "done"})

Tools = Mapping[str, Mapping[str, Any]]


def known_tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return OpenAI tools by name."""
    functions = [tool.get("function") for tool in tools]
    return {str(function["name"]): function for function in functions if isinstance(function, Mapping)}


def describe_tools(tools: Tools, call_format: CallFormat) -> str:
    """Return what the system prompt says about the tools: minimal for home calls, reduced or full for the others."""
    if call_format is CallFormat.HOME:
        listed = "Services: " + ", ".join(_signature(tool) for tool in tools.values())
    elif call_format is CallFormat.TOOL_CALL:
        listed = "Tools: " + _json([{"type": "function", "function": dict(tool)} for tool in tools.values()])
    else:
        listed = "Tools: " + _json([_reduced(tool) for tool in tools.values()])
    return f"{listed}\n{_HOW[call_format]}"


def write_calls(calls: Sequence[ToolCall], call_format: CallFormat, tools: Tools) -> str:
    """Return calls of earlier turns as the model should have written them."""
    if call_format is CallFormat.HOME:
        return "\n".join(_write_home(call, tools) for call in calls)
    objects = [_json({"name": call.name, "arguments": call.arguments}) for call in calls]
    match call_format:
        case CallFormat.TOOL_CALL:
            return "\n".join(f"<tool_call>{call}</tool_call>" for call in objects)
        case CallFormat.FUNCTION_CALL:
            return "\n".join(f"<functioncall> {call}" for call in objects)
    return "\n".join(objects)


def write_result(content: str, call_format: CallFormat) -> str | None:
    """Return the result of a call as text; None where home calls would only be told that it worked."""
    if call_format is CallFormat.TOOL_CALL:
        return f"<tool_response>{content}</tool_response>"
    if call_format is not CallFormat.HOME:
        return f"Result: {content}"
    try:
        value = json.loads(content)
    except ValueError:
        return f"Result: {content}" if content.strip() else None
    if isinstance(value, Mapping) and "error" in value:
        data = value.get("data")
        if value["error"]:
            words = data.get("error_text") or data.get("error") if isinstance(data, Mapping) else data
            return f"Error: {words if isinstance(words, str) else _json(words or value['error'])}"
        value = data
    return None if value in _NOTHING_TO_TELL else f"Result: {value if isinstance(value, str) else _json(value)}"


def read_object(value: Any, tools: Tools) -> ToolCall | None:
    """Return the call that a JSON value stands for, or None when it is something else.

    Raises:
        ChunkError: it is a call, but its arguments are not an object.
    """
    if not isinstance(value, Mapping):
        return None
    if isinstance(function := value.get("function"), Mapping):
        value = function
    if isinstance(service := value.get("service"), str) and service:
        # The first Home models name the device apart.
        rest = {key: item for key, item in value.items() if key not in ("service", "target_device", "to_say")}
        target = value.get("target_device")
        return _call(service, {"entity_id": target, **rest} if target else rest)
    name = value.get("name") or value.get("tool") or function
    given = next((value[key] for key in ("arguments", "parameters", "args") if key in value), None)
    if not isinstance(name, str) or not name or (given is None and name not in tools):
        return None
    if given is None:
        given = {}
    arguments = parse_arguments(given if isinstance(given, str) else json.dumps(given))
    return _call(name, arguments)


def read_line(line: str, tools: Tools) -> ToolCall | None:
    """Return the call that a line such as `light.turn_on(light.kitchen, brightness=40)` is, or None."""
    line = line.strip()
    name, bracket, rest = line.partition("(")
    if not bracket or not rest.endswith(")") or not re.fullmatch(r"[\w.]+", name):
        return None
    first = _first_parameter(tools[name]) if name in tools else "entity_id"
    arguments: dict[str, Any] = {}
    text = rest[:-1].strip()
    at = 0
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None and (arguments or first is None):
            return None
        found = _read_value(text, key.end() if key else at)
        if found is None:
            return None
        value, at = found
        arguments[key[1] if key else str(first)] = value
        while at < len(text) and text[at] in ", \t":
            at += 1
    return _call(name, arguments)


def _read_value(text: str, at: int) -> tuple[Any, int] | None:
    """Return a JSON value, a quoted text or a bare word, and where it ends."""
    while at < len(text) and text[at] in " \t":
        at += 1
    if quoted := _QUOTED.match(text, at):
        return quoted[1].replace("\\'", "'"), quoted.end()
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except ValueError:
        pass
    else:
        if end == len(text) or text[end] in ", \t":
            return value, end
    bare = _BARE.match(text, at)
    return (bare[0], bare.end()) if bare else None


def _call(name: str, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(f"call_{uuid4().hex}", name, arguments)


def _parameters(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = tool.get("parameters")
    return parameters if isinstance(parameters, Mapping) else {}


def _properties(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = _parameters(tool).get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _first_parameter(tool: Mapping[str, Any]) -> str | None:
    return next(iter(_properties(tool)), None)


def _signature(tool: Mapping[str, Any]) -> str:
    names = list(_properties(tool))[1:]
    return f"{tool['name']}({','.join(names)})" if names else str(tool["name"])


def _reduced(tool: Mapping[str, Any]) -> dict[str, Any]:
    types = {name: schema.get("type", "string") for name, schema in _properties(tool).items()}
    parameters = {"properties": types, "required": list(_parameters(tool).get("required", ()))}
    return {"name": tool["name"], "description": tool.get("description", ""), "parameters": parameters}


def _write_home(call: ToolCall, tools: Tools) -> str:
    tool = tools.get(call.name)
    first = _first_parameter(tool) if tool else next(iter(call.arguments), None)
    written = [f"{name}={_json(value)}" for name, value in call.arguments.items() if name != first]
    if first in call.arguments:
        value = call.arguments[first]
        bare = isinstance(value, str) and _BARE.fullmatch(value)
        written.insert(0, value if bare else _json(value))
    return f"{call.name}({', '.join(written)})"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
