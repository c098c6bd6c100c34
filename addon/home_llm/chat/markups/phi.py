"""Phi-4's markup: `<|tool_call|>[{"name": ..., "arguments": {...}}]<|/tool_call|>`.

The format is that of the model card of Phi-4-mini-instruct (https://huggingface.co/microsoft/Phi-4-mini-instruct).
Some builds of the model begin the list with the word `functools`.
"""

from collections.abc import Sequence

from home_llm.chat.markups.lists import ListMarkup
from home_llm.chat.markups.parser import Block, Place
from home_llm.chat.markups.reading import bare_block, of_tools
from home_llm.chat.vocabulary import Tool


class PhiMarkup(ListMarkup):
    """A JSON list of calls between `<|tool_call|>` and `<|/tool_call|>`."""

    name = "phi"
    markers = ("<|tool_call|>", "<|/tool_call|>")
    opening, closing = markers

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (*super().blocks(tools), bare_block("functools[", of_tools(tools), Place.ANYWHERE))
