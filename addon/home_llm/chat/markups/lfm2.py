"""LFM2's markup: `<|tool_call_start|>[light_on(room="Kitchen")]<|tool_call_end|>`.

The format is that of Liquid AI's chat templates and model cards (https://huggingface.co/LiquidAI/LFM2-1.2B-Tool). Calls
are Python's; the models also write JSON there when they are asked to.
"""

from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.lark import Binding, calls_grammar
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.python_calls import call_rules, read_call, write_call
from home_llm.chat.markups.reading import read_calls
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "<|tool_call_start|>"
CLOSING = "<|tool_call_end|>"


class Lfm2Markup(BlockMarkup):
    """A list of Python's calls between markers."""

    name = "lfm2"
    markers = (OPENING, CLOSING)
    instruction = "To call some, answer with a list of calls as in Python, like this:"
    example = f'{OPENING}[function_name(parameter="value")]{CLOSING}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return f"{OPENING}[{', '.join(map(write_call, calls))}]{CLOSING}"

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        more = f' (", " one_call){{0,{binding.most - 1}}}' if binding.parallel else ""
        rules = [f'rest: "[" one_call{more} "]" {binding.marker(CLOSING)}', *call_rules(binding)]
        return calls_grammar(binding, opening=OPENING, rules=rules, separator=None)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""

        def read(cursor: Cursor) -> Sequence[ToolCall]:
            calls = _read(cursor, tools)
            cursor.space()
            if not cursor.close(CLOSING):
                raise MalformedError
            return calls

        return (Block(OPENING, read), stray(CLOSING))


def _read(cursor: Cursor, tools: Sequence[Tool]) -> Sequence[ToolCall]:
    cursor.space()
    begin = cursor.at
    if cursor.sees("{"):
        return read_calls(cursor)
    cursor.expect("[")
    cursor.space()
    if cursor.sees("{"):
        cursor.at = begin
        return read_calls(cursor)
    calls: list[ToolCall] = []
    while not cursor.take("]"):
        calls.append(read_call(cursor, tools))
        cursor.space()
        if not cursor.sees("]"):
            cursor.expect(",")
            cursor.space()
    return calls
