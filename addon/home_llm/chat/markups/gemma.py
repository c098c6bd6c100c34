"""Gemma 3's markup: calls as in Python in a fenced block that is called `tool_code`.

Gemma 3 has no markers for calls and its template no tools. This is what Google's documentation shows for it
(https://ai.google.dev/gemma/docs/capabilities/function-calling), with results in a block `tool_output`.
"""

from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.lark import Binding, calls_grammar
from home_llm.chat.markups.parser import Block
from home_llm.chat.markups.python_calls import call_rules, read_call, write_call
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "```tool_code"
FENCE = "```"


class GemmaMarkup(BlockMarkup):
    """Python's calls, one on a line, in a fenced block."""

    name = "gemma"
    instruction = "To call some, answer with a block of calls as in Python, one on a line, like this:"
    example = f'{OPENING}\nfunction_name(parameter="value")\n{FENCE}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "\n".join([OPENING, *map(write_call, calls), FENCE])

    def write_result(self, content: str) -> str | None:
        """See Markup."""
        return f"```tool_output\n{content}\n{FENCE}"

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        more = f' ("\\n" one_call){{0,{binding.most - 1}}}' if binding.parallel else ""
        rules = [f'rest: "\\n" one_call{more} "\\n{FENCE}"', *call_rules(binding)]
        return calls_grammar(binding, opening=OPENING, rules=rules, separator=None)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (Block(OPENING, lambda cursor: read_code(cursor, tools), plain=True),)


def read_code(cursor: Cursor, tools: Sequence[Tool]) -> Sequence[ToolCall]:
    """Read the calls of a block and its end; each may stand in `print()`.

    Raises:
        IncompleteError, MalformedError: see Cursor.
    """
    calls: list[ToolCall] = []
    cursor.space()
    while not cursor.done and not cursor.close(FENCE):
        printed = cursor.take("print(")
        calls.append(read_call(cursor, tools))
        if printed:
            cursor.space()
            cursor.expect(")")
        cursor.space()
    if not calls:
        raise MalformedError
    return calls
