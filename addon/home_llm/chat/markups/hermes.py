"""Hermes markup, also Qwen's and Granite 4's: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

The format is that of the Hermes 2 Pro model card (https://huggingface.co/NousResearch/Hermes-2-Pro-Mistral-7B) and of
Qwen's chat templates. It is also what models are asked to write whose template knows no tools.
"""

from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.lark import Binding, call_schema, calls_grammar, json_rule
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.reading import call_object, json_block
from home_llm.chat.vocabulary import Tool, ToolCall

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


class HermesMarkup(BlockMarkup):
    """JSON calls between `<tool_call>` tags."""

    name = "hermes"
    markers = (OPENING, CLOSING)
    example = f'{OPENING}\n{{"name": "function_name", "arguments": {{"parameter": "value"}}}}\n{CLOSING}'
    instruction = "To call one, answer with a JSON object that holds its name and arguments between tool_call tags:"

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return "\n".join(f"{OPENING}\n{call_object(call)}\n{CLOSING}" for call in calls)

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        rules = [f'rest: "\\n" body "\\n" {binding.marker(CLOSING)}', f"body: {json_rule(call_schema(binding.tools))}"]
        return calls_grammar(binding, opening=OPENING, rules=rules)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        return (json_block(OPENING, CLOSING), stray(CLOSING))
