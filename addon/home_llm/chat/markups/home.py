"""The compact home markup: `light.turn_on(light.kitchen, brightness=40)`, one call a line, then a sentence.

It needs a tenth of the tokens of JSON calls, and small models get it right more often. The first parameter of a tool
is written by position, and bare when its schema lists strings; the others are written `name=value` with JSON values.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.lark import MAX_CALLS, Binding, escaped, one_of, property_rule
from home_llm.chat.vocabulary import Text, Tool, ToolCall

_BARE = re.compile(r"[^\s,()\"=]+")
_KEY = re.compile(r"\s*,\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_SERVICE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_KEYWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*=")

# Results that only say that it worked.
_NOTHING_TO_TELL: tuple[Any, ...] = (None, "", {}, [], {"success": True}, {"result": "done"})


class HomeMarkup:
    """Calls as lines of `service(entity, name=value)`."""

    name = "home"
    markers: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    frames = False
    opening = ""
    single = False

    def describe(self, tools: Sequence[Tool]) -> str:
        """Return the services in the minimal tool format, without the parameter that every one begins with."""
        return services(tools)

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """Return calls as the model writes them."""
        return write_lines(calls, tools)

    def write_result(self, content: str) -> str | None:
        """Return an error as the user's next message; a success is told by the sentence that follows the call."""
        return told(content)

    def grammar(self, binding: Binding) -> str:
        """Return a Lark grammar of calls and sentences; what looks like a call but is none is impossible."""
        tools, answer = binding.tools, binding.answer
        calls = "calls: call" + (f' ("\\n" call){{0,{MAX_CALLS - 1}}}' if binding.parallel else "")
        start = "start: calls" if answer else 'start: calls ("\\n" TEXT)?'
        if not binding.required:
            start += " | answer" if answer else " | TEXT"
        rules = [line_rule(index, tool) for index, tool in enumerate(tools)]
        names = " | ".join(f"call_{index}" for index in range(len(tools)))
        # A sentence may hold anything but what begins like a call, known or not: what is not a real call is no answer.
        # Small models that cannot write the call they want make one up, in any case. A number or U.S. begins none.
        text = (
            r"TEXT: /(?s:[^\n].*)/ & ~/(?s:(.*\n)?[A-Za-z_][A-Za-z0-9_]+\.[A-Za-z0-9_].*)/"
            r" & ~/(?s:.*[._][A-Za-z0-9_]*\(.*)/"
        )
        if plain := [escaped(tool.name) for tool in tools if not _SERVICE.fullmatch(tool.name)]:
            # Other names may be words. What begins a line like a call of one of them would be read as a call.
            text += rf" & ~/(?s:(.*\n)?\s*({'|'.join(plain)})\(.*)/"
        last = f"answer: {answer}" if answer else text
        return "\n".join(["%llguidance {}", start, calls, f"call: {names}", *rules, last, ""])

    def parser(self, tools: Sequence[Tool]) -> "HomeParser":
        """Return a parser for one generation."""
        return HomeParser(tools)


class HomeParser:
    """Reads calls line by line; a line that is no call is text, and is passed on as soon as that is certain."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._line = ""
        # Where the line begins, or what is left of it.
        self._at = 0
        self._speaking = False
        self._after_call = False

    def feed(self, text: str) -> Iterator[Text | ToolCall]:
        """Yield what is certain now."""
        while text:
            line, newline, text = text.partition("\n")
            self._line += line
            if newline:
                yield from self._end_line(newline)
            elif not self._may_be_call():
                yield from self._speak("")

    def close(self, *, truncated: bool) -> Iterator[Text | ToolCall]:
        """Yield the rest; a line that ended in the middle of a call is not spoken when the token limit cut it."""
        # One character is too short to tell.
        if truncated and len(self._line.strip()) > 1 and self._may_be_call() and not self._line.rstrip().endswith(")"):
            self._line = ""
        yield from self._end_line("")

    def _end_line(self, newline: str) -> Iterator[Text | ToolCall]:
        call = None if self._speaking else self._call()
        if call is None:
            if self._line or not self._after_call:
                yield from self._speak(newline)
            else:
                self._at += len(newline)
            self._speaking = False
        else:
            self._at += len(self._line) + len(newline)
            self._line, self._after_call = "", True
            yield call

    def _speak(self, newline: str) -> Iterator[Text]:
        text, self._line = self._line + newline, ""
        at = self._at
        self._at += len(text)
        if text:
            self._speaking, self._after_call = True, False
            yield Text(text, at=at)

    def _may_be_call(self) -> bool:
        if self._speaking:
            return False
        line = self._line.lstrip()
        return self._tool_of(line) is not None or any(f"{name}(".startswith(line) for name in self._tools)

    def _tool_of(self, line: str) -> Tool | None:
        return self._tools.get(line.lstrip().partition("(")[0]) if "(" in line else None

    def _call(self) -> ToolCall | None:
        line = self._line.strip()
        return read_line(line, self._tools) if self._tool_of(line) else None


def services(tools: Sequence[Tool]) -> str:
    """Return the services in the minimal tool format, without the parameter that every one begins with."""
    return "Services: " + ", ".join(_signature(tool) for tool in tools)


def write_lines(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
    """Return calls as lines."""
    by_name = {tool.name: tool for tool in tools}
    return "\n".join(_write(call, by_name.get(call.name)) for call in calls)


def read_line(line: str, tools: dict[str, Tool]) -> ToolCall | None:
    """Return the call that a line without white space around it is, or None.

    Args:
        line: the line.
        tools: by name. What is given by position to another one is taken for `entity_id`.
    """
    name, bracket, rest = line.partition("(")
    if not bracket or not rest.endswith(")"):
        return None
    first = first_parameter(tools[name]) if name in tools else "entity_id"
    arguments = _read_arguments(rest[:-1].strip(), first)
    return None if arguments is None else ToolCall(name, arguments)


def told(content: str) -> str | None:
    """Return a tool's result as the user's next message, or None where it only says that it worked."""
    try:
        value = json.loads(content)
    except ValueError:
        value = content
    if not isinstance(value, dict) or "error" not in value:
        return _result(value)
    # Home Assistant's ToolResult: `error` is a flag, and `data` then holds the words.
    data, error = value.get("data"), value["error"]
    if not error:
        return _result(data)
    if isinstance(data, dict) and not isinstance(error, str):
        error = data.get("error_text") or data.get("error") or data
    return f"Error: {_plain(error)}"


def first_parameter(tool: Tool) -> str | None:
    """Return the name of the parameter that is written by position."""
    return next(iter(tool.parameters.get("properties", {})), None)


def _signature(tool: Tool) -> str:
    names = list(tool.parameters.get("properties", {}))[1:]
    return f"{tool.name}({','.join(names)})" if names else tool.name


def _write(call: ToolCall, tool: Tool | None) -> str:
    first = first_parameter(tool) if tool else next(iter(call.arguments), None)
    written = [_value(call.arguments[first])] if first in call.arguments else []
    written += [
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in call.arguments.items() if name != first
    ]
    return f"{call.name}({', '.join(written)})"


def _value(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def line_rule(index: int, tool: Tool) -> str:
    """Return the Lark rule of one tool's calls.

    Where `dependentSchemas` says that an argument goes only with some values of the first one, it is written only
    behind these; of several such arguments a call has one.
    """
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    required = set(tool.parameters.get("required", ()))
    first = first_parameter(tool)
    narrowed = {
        name: schema["properties"][first]
        for name, schema in tool.parameters.get("dependentSchemas", {}).items()
        if name in properties and "enum" in schema.get("properties", {}).get(first, {})
    }
    forms = [_arguments_rule({name: properties[name] for name in properties if name not in narrowed}, required, tool)]
    for argument, schema in narrowed.items():
        kept = {name: properties[name] for name in properties if name == argument or name not in narrowed}
        kept[str(first)] = {**properties[str(first)], **schema}
        forms.append(_arguments_rule(kept, {*required, argument}, tool))
    body = forms[0] if len(forms) == 1 else one_of(forms)
    return f'call_{index}: {json.dumps(f"{tool.name}(", ensure_ascii=False)} {body} ")"'


def _arguments_rule(properties: dict[str, Any], required: set[str], tool: Tool) -> str:
    """Return what stands between the parentheses of a call, as a part of a rule."""
    parts = []
    for position, (name, schema) in enumerate(properties.items()):
        if position == 0:
            enum = schema.get("enum", ())
            bare = enum and all(isinstance(value, str) and _BARE.fullmatch(value) for value in enum)
            parts.append(
                one_of(json.dumps(value, ensure_ascii=False) for value in enum) if bare else property_rule(schema, tool)
            )
        else:
            argument = f"{json.dumps(f', {name}=', ensure_ascii=False)} {property_rule(schema, tool)}"
            parts.append(argument if name in required else f"({argument})?")
    return " ".join(parts)


def _read_arguments(text: str, first: str | None) -> dict[str, Any] | None:
    """Return the arguments between the parentheses of a call, or None when they are not well formed."""
    arguments: dict[str, Any] = {}
    position = 0
    if _KEYWORD.match(text):
        # Nothing by position.
        text = f", {text}"
    elif text and first is not None:
        value, position = _read_value(text, 0)
        if position < 0:
            return None
        arguments[first] = value
    while position < len(text):
        key = _KEY.match(text, position)
        if key is None:
            return None
        value, position = _read_value(text, key.end())
        if position < 0:
            return None
        arguments[key.group(1)] = value
    return arguments


def _read_value(text: str, position: int) -> tuple[Any, int]:
    """Return a JSON value or a bare word and where it ends; -1 when there is none."""
    cursor = Cursor(text, position, ended=True)
    with contextlib.suppress(MalformedError):
        value = cursor.value()
        if cursor.done or text[cursor.at] in ", \t":
            return value, cursor.at
    bare = _BARE.match(text, position)
    return (bare.group(), bare.end()) if bare else (None, -1)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _result(value: Any) -> str | None:
    if value in _NOTHING_TO_TELL:
        return None
    return f"Result: {_plain(value)}"
