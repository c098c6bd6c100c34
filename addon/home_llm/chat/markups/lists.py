"""Markups in which one block holds a JSON list of calls: SmolLM2, Phi-4, Granite 3 and Mistral's first."""

from collections.abc import Sequence

from home_llm.chat.markups.base import BlockMarkup
from home_llm.chat.markups.lark import Binding, calls_grammar, calls_schema, json_rule
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.reading import call_list, json_block
from home_llm.chat.vocabulary import Tool, ToolCall


class ListMarkup(BlockMarkup):
    """A JSON list of calls after an opening, and before a closing where the family has one."""

    opening: str
    closing = ""
    instruction = "To call some, answer with a JSON list of objects that hold their names and arguments, like this:"

    @property
    def example(self) -> str:
        """A call of a function, as the description shows it."""
        return f'{self.opening}[{{"name": "function_name", "arguments": {{"parameter": "value"}}}}]{self.closing}'

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""
        del tools
        return f"{self.opening}{call_list(calls)}{self.closing}"

    def grammar(self, binding: Binding) -> str:
        """See Markup."""
        closing = f" {binding.marker(self.closing)}" if self.closing else ""
        rules = [f"rest: body{closing}", f"body: {json_rule(calls_schema(binding))}"]
        return calls_grammar(binding, opening=self.opening, rules=rules, separator=None)

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        del tools
        block = json_block(self.opening, self.closing or None)
        return (block, stray(self.closing)) if self.closing else (block,)
