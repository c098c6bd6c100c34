"""The markups of the first Home models: a sentence, and then a fenced block that is called `homeassistant`.

The first generation wrote services into it, the later ones JSON, with the entity as `target_device` or in the way of
Home Assistant's intents:

    turning on the kitchen lights for you now
    ```homeassistant
    light.turn_on(light.kitchen)
    {"service": "light.turn_on", "target_device": "light.kitchen", "brightness": 40}
    {"name": "HassTurnOn", "arguments": {"name": "light.kitchen"}}
    ```

Each is read for both, because the generations were trained on both. Prompts are those of home-llm
(https://github.com/acon96/home-llm): services in the minimal format, and no word of a result that only says that it
worked.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.home import first_parameter, line_rule, read_line, services, told, write_lines
from home_llm.chat.markups.lark import Binding, arguments_schema, call_schema, calls_grammar, json_rule, one_of
from home_llm.chat.markups.parser import Block
from home_llm.chat.markups.reading import call_object, read_call
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "```homeassistant"
FENCE = "```"
_SERVICE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_LINE = re.compile(r"[^\n]+")
_TARGET = "target_device"


class HomeBlockMarkup(BlockMarkup):
    """Services with their entities, one on a line, in a fenced block."""

    name = "home-block"
    example = f"{OPENING}\nlight.turn_on(light.kitchen)\n{FENCE}"

    def describe(self, tools: Sequence[Tool]) -> str:
        """See Markup."""
        return services(tools)

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        return f"{OPENING}\n{self._lines(calls, tools)}\n{FENCE}"

    def write_result(self, content: str) -> str | None:
        """See Markup."""
        return told(content)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        more = f' ("\\n" line){{0,{binding.most - 1}}}' if binding.parallel else ""
        rules = [f'rest: "\\n" line{more} "\\n{FENCE}"', *self._rules(binding)]
        return calls_grammar(binding, opening=OPENING, rules=rules, separator=None)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (Block(OPENING, lambda cursor: read_lines(cursor, tools), plain=True),)

    def _lines(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        return write_lines(calls, tools)

    def _rules(self, binding: Binding) -> list[str]:
        """Return the rule `line` and those that it needs."""
        names = one_of(f"call_{index}" for index in range(len(binding.tools)))
        return [f"line: {names}", *(line_rule(index, tool) for index, tool in enumerate(binding.tools))]


class HomeJsonMarkup(HomeBlockMarkup):
    """JSON objects with services and target devices, one on a line, in a fenced block."""

    name = "home-json"
    example = f'{OPENING}\n{{"service": "light.turn_on", "target_device": "light.kitchen"}}\n{FENCE}'

    def _lines(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        by_name = {tool.name: tool for tool in tools}
        return "\n".join(_write(call, by_name.get(call.name)) for call in calls)

    def _rules(self, binding: Binding) -> list[str]:
        return [f"line: {json_rule({'anyOf': [_schema(*item) for item in enumerate(binding.tools)]})}"]


def read_lines(cursor: Cursor, tools: Sequence[Tool]) -> Sequence[ToolCall]:
    """Read the calls of a block and its end.

    Raises:
        IncompleteError, MalformedError: see Cursor.
    """
    by_name = {tool.name: tool for tool in tools}
    calls: list[ToolCall | None] = []
    closed = False
    cursor.space()
    while not (closed or cursor.done or cursor.close(FENCE)):
        if cursor.sees("{"):
            calls.append(_from_json(cursor.value(), by_name))
        else:
            line = cursor.match(_LINE).strip()
            closed = line.endswith(FENCE)
            calls.append(read_line(line.removesuffix(FENCE).rstrip(), by_name))
        if not closed:
            cursor.space()
    found = [call for call in calls if call is not None]
    if not found or len(found) < len(calls):
        raise MalformedError
    return found


def _from_json(value: dict[str, Any], tools: dict[str, Tool]) -> ToolCall | None:
    service = value.get("service")
    if not isinstance(service, str):
        return read_call(value)
    rest = {name: item for name, item in value.items() if name != "service"}
    tool = tools.get(service)
    if tool is None:
        # One tool may be there for all services.
        general = next((tool for tool in tools.values() if _is_general(tool)), None)
        return ToolCall(general.name, value) if general else ToolCall(service, rest)
    first = first_parameter(tool)
    if _TARGET in rest and first is not None and _TARGET not in tool.parameters["properties"]:
        rest = {first: rest.pop(_TARGET), **rest}
    return ToolCall(service, rest)


def _is_general(tool: Tool) -> bool:
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return "service" in properties and _TARGET in properties


def _is_service(tool: Tool) -> bool:
    """Return whether calls of a tool are written with `service` and `target_device`."""
    properties = tool.parameters.get("properties", {})
    plain = not {"service", _TARGET} & properties.keys() and "$ref" not in json.dumps(tool.parameters)
    return bool(properties) and plain and _SERVICE.fullmatch(tool.name) is not None


def _write(call: ToolCall, tool: Tool | None) -> str:
    if tool is None or not _is_service(tool) or {"service", _TARGET} & call.arguments.keys():
        return call_object(call)
    first = first_parameter(tool)
    target = {_TARGET: call.arguments[first]} if first in call.arguments else {}
    rest = {name: value for name, value in call.arguments.items() if name != first}
    return json.dumps({"service": call.name, **target, **rest}, ensure_ascii=False)


def _schema(index: int, tool: Tool) -> dict[str, Any]:
    if not _is_service(tool):
        return call_schema((tool,), f"/anyOf/{index}")
    parameters = arguments_schema(tool, "")
    first = first_parameter(tool)
    renamed = {_TARGET if name == first else name: schema for name, schema in parameters["properties"].items()}
    required = [_TARGET if name == first else name for name in parameters.get("required", ())]
    return {
        **parameters,
        "properties": {"service": {"const": tool.name}, **renamed},
        "required": ["service", *required],
    }
