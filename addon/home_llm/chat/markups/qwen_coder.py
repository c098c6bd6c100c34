"""Qwen3-Coder's and Qwen3.5's markup, also Nemotron 3's: a function and its parameters between tags.

    <tool_call>
    <function=light_on>
    <parameter=room>
    Kitchen
    </parameter>
    </function>
    </tool_call>

The format is that of Qwen3-Coder's chat template. Texts stand as they are, everything else as JSON; which is which only
the tool's schema tells.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor
from home_llm.chat.markups.hermes import CLOSING, OPENING
from home_llm.chat.markups.lark import (
    Binding,
    calls_grammar,
    is_text,
    one_of,
    parameters_of,
    property_rule,
    quoted,
    texts_of,
)
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.reading import read_calls, read_value
from home_llm.chat.vocabulary import Tool, ToolCall

FUNCTION = "<function="
_END_FUNCTION = "</function>"
_PARAMETER = "<parameter="
_END_PARAMETER = "</parameter>"
_NAME = re.compile(r"[^<>\s]+")
_KEY = re.compile(r"[^<>\n]+")

Decode = Callable[[str, str, str], Any]


class QwenCoderMarkup(BlockMarkup):
    """A function and its parameters between tags."""

    name = "qwen-coder"
    markers = (OPENING, CLOSING)
    instruction = "To call one, answer in just this way:"
    _parameter = f"{_PARAMETER}parameter>\nvalue\n{_END_PARAMETER}"
    example = f"{OPENING}\n{FUNCTION}function_name>\n{_parameter}\n{_END_FUNCTION}\n{CLOSING}"

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "\n".join(_write(call) for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        names = one_of(f"call_{index}" for index in range(len(binding.tools)))
        rules = [f'rest: "\\n" {names} "\\n" {binding.marker(CLOSING)}']
        for index, tool in enumerate(binding.tools):
            written = [f"call_{index}_{position}" for position in range(len(parameters_of(tool)))]
            for rule, (name, schema, _) in zip(written, parameters_of(tool), strict=True):
                rules.append(f"{rule}: {quoted(f'{_PARAMETER}{name}>' + chr(10))} {_value(schema, tool)}")
            sequence = " ".join(
                rule if required else f"{rule}?"
                for rule, (_, _, required) in zip(written, parameters_of(tool), strict=True)
            )
            begin = quoted(f"{FUNCTION}{tool.name}>\n")
            rules.append(f"call_{index}: {begin} {sequence} {quoted(_END_FUNCTION)}")
        rules.append(f"text[suffix={quoted(f'{chr(10)}{_END_PARAMETER}{chr(10)}')}]: /(?s:.*)/")
        return calls_grammar(binding, opening=OPENING, rules=rules)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (*coder_blocks(tools), stray(CLOSING))


def coder_blocks(tools: Sequence[Tool]) -> Sequence[Block]:
    """Return functions in `<tool_call>` tags, where JSON calls are understood too, and such without the tag."""
    decode = _decoder(tools)

    def tagged(cursor: Cursor) -> Sequence[ToolCall]:
        cursor.space()
        calls: list[ToolCall] = []
        while cursor.take(FUNCTION):
            calls.append(_read(cursor, decode))
            cursor.space()
        calls = calls or read_calls(cursor)
        _close(cursor)
        return calls

    def untagged(cursor: Cursor) -> Sequence[ToolCall]:
        call = _read(cursor, decode)
        _close(cursor)
        return (call,)

    return (Block(OPENING, tagged), Block(FUNCTION, untagged))


def _close(cursor: Cursor) -> None:
    end = cursor.at
    cursor.space()
    if not cursor.close(CLOSING):
        cursor.at = end


def _read(cursor: Cursor, decode: Decode) -> ToolCall:
    name = cursor.match(_NAME)
    cursor.expect(">")
    arguments: dict[str, Any] = {}
    cursor.space()
    while not cursor.take(_END_FUNCTION):
        cursor.expect(_PARAMETER)
        key = cursor.match(_KEY)
        cursor.expect(">")
        # A line break on either side belongs to the markup.
        value = cursor.until(_END_PARAMETER).removeprefix("\n").removesuffix("\n")
        arguments[key] = decode(name, key, value)
        cursor.space()
    return ToolCall(name, arguments)


def _decoder(tools: Sequence[Tool]) -> Decode:
    """Return what makes a value of the text of a parameter, by the schema of its tool."""
    schemas = {tool.name: tool.parameters.get("properties", {}) for tool in tools}

    def decode(name: str, key: str, text: str) -> Any:
        schema = schemas.get(name, {}).get(key)
        return text if isinstance(schema, dict) and is_text(schema) else read_value(text)

    return decode


def _write(call: ToolCall) -> str:
    lines = [OPENING, f"{FUNCTION}{call.name}>"]
    for key, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines += [f"{_PARAMETER}{key}>", text, _END_PARAMETER]
    return "\n".join([*lines, _END_FUNCTION, CLOSING])


def _value(schema: dict[str, Any], tool: Tool) -> str:
    end = quoted(f"\n{_END_PARAMETER}\n")
    if (texts := texts_of(schema)) is not None:
        return f"{one_of(map(quoted, texts))} {end}"
    return "text" if is_text(schema) else f"{property_rule(schema, tool)} {end}"
