"""Calls as Python writes them, `light_on(room="Kitchen", brightness=40)`: what Gemma 3 and LFM2 are trained on."""

import json
import re
from collections.abc import Sequence
from typing import Any

from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.lark import Binding, listed, one_of, parameters_of, property_rule, quoted
from home_llm.chat.vocabulary import Tool, ToolCall

_NAME = re.compile(r"[\w.:/-]+")
_KEYWORD = re.compile(r"[^\s=,(){}\[\]\"']+")


def write_call(call: ToolCall) -> str:
    """Return a call."""
    arguments = (f"{name}={_write(value)}" for name, value in call.arguments.items())
    return f"{call.name}({', '.join(arguments)})"


def read_call(cursor: Cursor, tools: Sequence[Tool]) -> ToolCall:
    """Read a call.

    Args:
        cursor: where it begins.
        tools: their parameters name the arguments that are given by position.

    Raises:
        IncompleteError, MalformedError: see Cursor.
    """
    name = cursor.match(_NAME)
    cursor.expect("(")
    properties = next((list(tool.parameters.get("properties", {})) for tool in tools if tool.name == name), [])
    arguments: dict[str, Any] = {}
    cursor.space()
    while not cursor.take(")"):
        keyword = _keyword(cursor)
        if keyword is None:
            if len(arguments) >= len(properties):
                raise MalformedError
            keyword = properties[len(arguments)]
        arguments[keyword] = cursor.value()
        cursor.space()
        if not cursor.sees(")"):
            cursor.expect(",")
            cursor.space()
    return ToolCall(name, arguments)


def call_rules(binding: Binding) -> list[str]:
    """Return the rule `one_call` of a call of the tools, and those that it needs."""
    rules = [f"one_call: {one_of(f'call_{index}' for index in range(len(binding.tools)))}"]
    for index, tool in enumerate(binding.tools):
        items = [
            (f"{quoted(f'{name}=')} {_rule(schema, tool)}", required) for name, schema, required in parameters_of(tool)
        ]
        arguments, needed = listed(f"argument_{index}", items, ", ")
        rules += [f'call_{index}: {quoted(f"{tool.name}(")} {arguments} ")"', *needed]
    return rules


def _keyword(cursor: Cursor) -> str | None:
    ahead = Cursor(cursor.text, cursor.at, ended=cursor.ended)
    try:
        name = ahead.match(_KEYWORD)
        ahead.space()
        ahead.expect("=")
    except MalformedError:
        return None
    cursor.at = ahead.at
    return name


def _write(value: Any) -> str:
    """Return a value as Python writes it, but for strings, which are JSON's and mean the same."""
    match value:
        case bool() | None:
            return str(value)
        case list():
            return f"[{', '.join(map(_write, value))}]"
        case dict():
            return "{" + ", ".join(f"{_write(key)}: {_write(item)}" for key, item in value.items()) + "}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _rule(schema: dict[str, Any], tool: Tool) -> str:
    return '("True" | "False")' if schema.get("type") == "boolean" else property_rule(schema, tool)
