"""Calls as JSON objects, which most families write between markers of their own."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.parser import Block, Place
from home_llm.chat.vocabulary import Tool, ToolCall

# What models call the members of a call, the usual names first.
NAMES = ("name", "tool_name", "tool", "function")
ARGUMENTS = ("arguments", "parameters", "args", "input")

# What the object of a call begins with.
_FIRST = frozenset({*NAMES, *ARGUMENTS, "type", "id", "tool_call_id"})

Accepts = Callable[[ToolCall], bool]


def read_call(value: Any) -> ToolCall | None:
    """Return the call that a JSON object describes, or None.

    Arguments that are JSON in a string are understood, and calls in OpenAI's way, inside a `function` object.
    """
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[key] for key in NAMES if isinstance(value.get(key), str)), "")
    arguments = next((value[key] for key in ARGUMENTS if key in value), None)
    if isinstance(arguments, str):
        arguments = read_value(arguments) if arguments.strip() else {}
    if arguments is None:
        arguments = {}
    return ToolCall(name, arguments) if name and isinstance(arguments, dict) else None


def read_value(text: str) -> Any:
    """Return the value that a whole text writes as JSON or Python would; the text itself where it is none."""
    cursor = Cursor(text, ended=True)
    try:
        value = cursor.value()
    except MalformedError:
        return text
    cursor.space()
    return value if cursor.done else text


def read_calls(cursor: Cursor) -> list[ToolCall]:
    """Read calls: an object, a list of them, or several one after the other.

    Raises:
        IncompleteError, MalformedError: see Cursor; also where an object is no call.
    """
    calls = _calls(cursor, "{", "[")
    while True:
        end = cursor.at
        cursor.space()
        if not cursor.take(";"):
            cursor.take(",")
        cursor.space()
        try:
            calls += _calls(cursor, "{")
        except MalformedError:
            cursor.at = end
            return calls


def json_block(opening: str, closing: str | None = None) -> Block:
    """Return a block of JSON calls; its closing marker may be missing."""

    def read(cursor: Cursor) -> Sequence[ToolCall]:
        calls = read_calls(cursor)
        if closing is not None:
            end = cursor.at
            cursor.space()
            if not cursor.close(closing):
                cursor.at = end
        return calls

    return Block(opening, read)


def bare_block(opening: str, accepts: Accepts, place: Place) -> Block:
    """Return calls that stand in the text without any marker: an object, or a list of them.

    Args:
        opening: what they begin with; its last character is the bracket.
        accepts: tells whether a call is meant as one.
        place: where they may stand.
    """

    def read(cursor: Cursor) -> Sequence[ToolCall]:
        cursor.at -= 1
        looks_like_call(cursor)
        calls = read_calls(cursor)
        if not calls or not all(accepts(call) for call in calls):
            raise MalformedError
        return calls

    return Block(opening, read, place, plain=True)


def looks_like_call(cursor: Cursor) -> None:
    """Look ahead whether this begins like a call, so that other JSON is passed on at once.

    Raises:
        IncompleteError, MalformedError: see Cursor.
    """
    ahead = Cursor(cursor.text, cursor.at, ended=cursor.ended)
    ahead.space()
    if ahead.take("["):
        ahead.space()
    ahead.expect("{")
    ahead.space()
    if ahead.string() not in _FIRST:
        raise MalformedError


def of_tools(tools: Sequence[Tool]) -> Accepts:
    """Return what accepts calls of these tools."""
    names = {tool.name for tool in tools}
    return lambda call: call.name in names


def call_object(call: ToolCall, arguments: str = "arguments") -> str:
    """Return a call as a JSON object."""
    return json.dumps({"name": call.name, arguments: call.arguments}, ensure_ascii=False)


def call_list(calls: Sequence[ToolCall]) -> str:
    """Return calls as a JSON list."""
    return f"[{', '.join(call_object(call) for call in calls)}]"


def _calls(cursor: Cursor, *brackets: str) -> list[ToolCall]:
    cursor.space()
    if not any(cursor.sees(bracket) for bracket in brackets):
        # A text or a number is no call, even where it may go on.
        raise MalformedError
    value = cursor.value()
    found = [read_call(item) for item in (value if isinstance(value, list) else [value])]
    calls = [call for call in found if call is not None]
    if len(calls) < len(found):
        raise MalformedError
    return calls
