"""FunctionGemma's and Gemma 4's markups: a name and its arguments between markers, with strings between others.

    <start_function_call>call:light_on{room:<escape>Kitchen<escape>,brightness:40}<end_function_call>
    <|tool_call>call:light_on{room:<|"|>Kitchen<|"|>,brightness:40}<tool_call|>

The formats are those of the models' chat templates. Small models leave the markers of strings out, which is understood.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, MalformedError, constant
from home_llm.chat.markups.lark import (
    Binding,
    calls_grammar,
    is_text,
    listed,
    one_of,
    parameters_of,
    property_rule,
    quoted,
    texts_of,
)
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.vocabulary import Tool, ToolCall

_NAME = re.compile(r"[^\s{}<>]+")
_KEY = re.compile(r"[^\s:{}<>,\[\]]+")
_BARE = re.compile(r"[^,{}\[\]<>]+")
_DEEPEST = 32


class FunctionGemmaMarkup(BlockMarkup):
    """A name and its arguments between `<start_function_call>` and `<end_function_call>`."""

    name = "functiongemma"
    opening = "<start_function_call>"
    closing = "<end_function_call>"
    quote = "<escape>"
    stops = ("<start_function_response>",)
    markers = (opening, closing, quote, *stops)
    instruction = "To call one, answer in just this way:"

    @property
    def example(self) -> str:
        """A call of a function, as the description shows it."""
        return f"{self.opening}call:function_name{{parameter:{self.quote}value{self.quote}}}{self.closing}"

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "".join(f"{self.opening}call:{call.name}{self._write(call.arguments)}{self.closing}" for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        quote = binding.marker(self.quote)
        names = one_of(f"call_{index}" for index in range(len(binding.tools)))
        rules = [f'rest: "call:" {names} {binding.marker(self.closing)}', *_value_rules(binding, self.quote)]
        for index, tool in enumerate(binding.tools):
            items = [
                (f"{quoted(f'{name}:')} {_rule(schema, tool, quote)}", required)
                for name, schema, required in parameters_of(tool)
            ]
            arguments, needed = listed(f"argument_{index}", items, ",")
            rules += [f'call_{index}: {quoted(tool.name + "{")} {arguments} "}}"', *needed]
        return calls_grammar(binding, opening=self.opening, rules=rules, separator="", stops=self.stops)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return (Block(self.opening, self._read), stray(self.closing))

    def _read(self, cursor: Cursor) -> Sequence[ToolCall]:
        cursor.space()
        cursor.expect("call:")
        name = cursor.match(_NAME)
        arguments = self._object(cursor, 0)
        cursor.space()
        cursor.close(self.closing)
        return (ToolCall(name, arguments),)

    def _object(self, cursor: Cursor, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        cursor.expect("{")
        cursor.space()
        while not cursor.take("}"):
            key = cursor.until(self.quote) if cursor.take(self.quote) else cursor.match(_KEY)
            cursor.space()
            cursor.expect(":")
            result[key] = self._value(cursor, depth + 1)
            _next(cursor, "}")
        return result

    def _value(self, cursor: Cursor, depth: int) -> Any:
        if depth > _DEEPEST:
            raise MalformedError
        cursor.space()
        if cursor.take(self.quote):
            return cursor.until(self.quote)
        if cursor.sees("{"):
            return self._object(cursor, depth)
        if cursor.sees('"'):
            return cursor.string()
        if not cursor.take("["):
            text = cursor.match(_BARE).strip()
            try:
                return constant(text)
            except MalformedError:
                return text
        result: list[Any] = []
        cursor.space()
        while not cursor.take("]"):
            result.append(self._value(cursor, depth + 1))
            _next(cursor, "]")
        return result

    def _write(self, value: Any) -> str:
        match value:
            case str():
                return f"{self.quote}{value}{self.quote}"
            case list():
                return f"[{','.join(map(self._write, value))}]"
            case dict():
                members = (
                    f"{key if _KEY.fullmatch(key) else self._write(key)}:{self._write(item)}"
                    for key, item in value.items()
                )
                return "{" + ",".join(members) + "}"
            case _:
                return json.dumps(value)


class Gemma4Markup(FunctionGemmaMarkup):
    """A name and its arguments between `<|tool_call>` and `<tool_call|>`."""

    name = "gemma4"
    opening = "<|tool_call>"
    closing = "<tool_call|>"
    quote = '<|"|>'
    stops = ("<|tool_response>",)
    markers = (opening, closing, quote, *stops)


def _next(cursor: Cursor, closing: str) -> None:
    cursor.space()
    if not cursor.sees(closing):
        cursor.expect(",")
        cursor.space()


def _rule(schema: dict[str, Any], tool: Tool, quote: str) -> str:
    if (texts := texts_of(schema)) is not None:
        return f"{quote} {one_of(map(quoted, texts))} {quote}"
    kind = schema.get("type")
    if is_text(schema):
        return f"{quote} text"
    if kind in ("integer", "number", "boolean", "null"):
        return property_rule(schema, tool)
    if kind == "array" and isinstance(schema.get("items"), dict):
        item = _rule(schema["items"], tool, quote)
        return f'"[" ({item} ("," {item})*)? "]"'
    return "value"


def _value_rules(binding: Binding, quote: str) -> list[str]:
    """Return the rules of a text, and of a value of any kind."""
    return [
        binding.through("text", quote),
        f"value: {binding.marker(quote)} text | SCALAR | list | object",
        'list: "[" (value ("," value)*)? "]"',
        'object: "{" (member ("," member)*)? "}"',
        f'member: {binding.marker(quote)} text ":" value | KEY ":" value',
        r"SCALAR: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null/",
        r"KEY: /[A-Za-z_][A-Za-z0-9_-]*/",
    ]
