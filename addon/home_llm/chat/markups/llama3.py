"""Llama 3's markup: the answer is `{"name": ..., "parameters": {...}}`, or such an object after `<|python_tag|>`.

The format is that of the chat templates of Llama 3.1, 3.2 and 3.3, which show one call in a message. Several are read
where semicolons or line breaks stand between them.
"""

import json
import re
from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor
from home_llm.chat.markups.lark import MAX_CALLS, Binding, arguments_schema, call_schema, json_rule, one_of, quoted
from home_llm.chat.markups.parser import Block, Place
from home_llm.chat.markups.python_calls import read_call
from home_llm.chat.markups.reading import bare_block, call_object, of_tools, read_calls
from home_llm.chat.vocabulary import Tool, ToolCall

TAG = "<|python_tag|>"
_SEPARATOR = "; "
# What the answer cannot begin with unless it is a call.
_BEGINNING = r'\s*\{\s*"name"'


class Llama3Markup(BlockMarkup):
    """A JSON call that is the whole answer."""

    name = "llama3"
    markers = (TAG,)
    single = True
    example = '{"name": "function_name", "parameters": {"parameter": "value"}}'
    instruction = "To call one, answer with nothing but a JSON object that holds its name and parameters, like this:"

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return _SEPARATOR.join(call_object(call, "parameters") for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        more = f' ("{_SEPARATOR}" call){{0,{MAX_CALLS - 1}}}' if binding.parallel else ""
        tag = f"{binding.marker(TAG)}? " if binding.special(TAG) is not None else ""
        lines = ["%llguidance {}", f"calls: {tag}call{more}"]
        if binding.required or binding.answer is not None:
            lines.append(f"call: {json_rule(call_schema(binding.tools, arguments='parameters'))}")
            lines.append("start: calls" if binding.required else "start: calls | answer")
            return "\n".join([*lines, "" if binding.required else f"answer: {binding.answer}", ""])
        # A call and a text may begin with the same bracket. Which one it is must be decided within one lexeme: what
        # reads it does not go back.
        lines += [
            "start: calls | TEXT",
            f"TEXT: /(?s:.+)/ & ~/{_BEGINNING}(?s:.*)/",
            f"call: {one_of(f'call_{index}' for index in range(len(binding.tools)))}",
        ]
        for index, tool in enumerate(binding.tools):
            head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "parameters": '
            lines += [
                f'call_{index}: {quoted(head)} arguments_{index} "}}"',
                f"arguments_{index}: {json_rule(arguments_schema(tool, ''))}",
            ]
        return "\n".join([*lines, ""])

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (bare_block("{", of_tools(tools), Place.ANSWER), tagged_block(tools))


def tagged_block(tools: Sequence[Tool]) -> Block:
    """Return calls after `<|python_tag|>`."""
    return Block(TAG, lambda cursor: _read_tagged(cursor, tools))


def _read_tagged(cursor: Cursor, tools: Sequence[Tool]) -> Sequence[ToolCall]:
    cursor.space()
    if cursor.sees("{") or cursor.sees("["):
        return read_calls(cursor)
    # The built-in tools are called as `name.call(argument="value")`.
    call = read_call(cursor, tools)
    return (ToolCall(re.sub(r"\.call$", "", call.name), call.arguments),)
