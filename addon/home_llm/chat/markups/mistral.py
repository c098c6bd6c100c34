"""Mistral's markups: `[TOOL_CALLS][{"name": ..., "arguments": {...}}]`, and newer `[TOOL_CALLS]name[ARGS]{...}`.

The formats are those of Mistral's chat templates: the list up to Mistral Nemo, the other from Mistral Small 3.2,
Devstral and the Ministrals of 2025 on. Both are read for both, because fine-tunes mix them.
"""

import re
from collections.abc import Sequence
from typing import Any

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.lark import Binding, arguments_schema, calls_grammar, json_rule, one_of, quoted
from home_llm.chat.markups.lists import ListMarkup
from home_llm.chat.markups.parser import Block
from home_llm.chat.markups.reading import read_calls
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "[TOOL_CALLS]"
ARGUMENTS = "[ARGS]"
ID = "[CALL_ID]"

_NAME = re.compile(r"[^\s\[\]{}\"]+")


class MistralMarkup(ListMarkup):
    """A JSON list of calls after `[TOOL_CALLS]`."""

    name = "mistral"
    markers = (OPENING, ARGUMENTS, ID)
    opening = OPENING

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return (mistral_block(),)


class MistralArgumentsMarkup(BlockMarkup):
    """A name, `[ARGS]` and the arguments after each `[TOOL_CALLS]`."""

    name = "mistral-args"
    markers = (OPENING, ARGUMENTS, ID)
    instruction = "To call one, answer with its name and a JSON object of its arguments, like this:"
    example = f'{OPENING}function_name{ARGUMENTS}{{"parameter": "value"}}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "".join(f"{OPENING}{call.name}{ARGUMENTS}{call.arguments_json}" for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        rules = [f"rest: {one_of(f'call_{index}' for index in range(len(binding.tools)))}"]
        for index, tool in enumerate(binding.tools):
            body = json_rule(arguments_schema(tool, ""))
            rules.append(f"call_{index}: {quoted(tool.name)} {binding.marker(ARGUMENTS)} arguments_{index}")
            rules.append(f"arguments_{index}: {body}")
        return calls_grammar(binding, opening=OPENING, rules=rules, separator="")

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return (mistral_block(),)


def mistral_block() -> Block:
    """Return the block of both formats."""
    return Block(OPENING, _read)


def _read(cursor: Cursor) -> Sequence[ToolCall]:
    cursor.space()
    # A list of calls begins with the bracket that other markers begin with, too.
    if cursor.sees("[") or cursor.sees("{"):
        return read_calls(cursor)
    name = cursor.match(_NAME)
    cursor.space()
    if cursor.take(ID):
        cursor.until("[")
        cursor.at -= 1
    cursor.take(ARGUMENTS)
    cursor.space()
    if not cursor.sees("{"):
        raise MalformedError
    arguments: dict[str, Any] = cursor.value()
    return (ToolCall(name, arguments),)
