"""The markup of home-llm's prompts with examples: `<functioncall> {"name": ..., "arguments": {...}}`.

It is what general models were asked to write by the versions 0.2 and 0.3 of that integration.
"""

from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.lark import Binding, call_schema, calls_grammar, json_rule
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.reading import call_object, json_block
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "<functioncall>"
CLOSING = "</functioncall>"


class FunctionCallMarkup(BlockMarkup):
    """A JSON call after `<functioncall>`, on a line of its own."""

    name = "functioncall"
    markers = (OPENING, CLOSING)
    example = f'{OPENING} {{"name": "function_name", "arguments": {{"parameter": "value"}}}}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "\n".join(f"{OPENING} {call_object(call)}" for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        rules = ['rest: " " body', f"body: {json_rule(call_schema(binding.tools))}"]
        return calls_grammar(binding, opening=OPENING, rules=rules)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return (json_block(OPENING, CLOSING), stray(CLOSING))
