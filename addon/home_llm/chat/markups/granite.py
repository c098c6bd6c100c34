"""Granite 3's markup: `<|tool_call|>[{"name": ..., "arguments": {...}}]`. Granite 4 writes Hermes markup.

The format is that of Granite 3.3's chat template; Granite 3.1 wrote `<tool_call>` without bars.
"""

from collections.abc import Sequence

from home_llm.chat.markups.hermes import CLOSING
from home_llm.chat.markups.hermes import OPENING as TAG
from home_llm.chat.markups.lists import ListMarkup
from home_llm.chat.markups.parser import Block, stray
from home_llm.chat.markups.reading import json_block
from home_llm.chat.vocabulary import Tool


class GraniteMarkup(ListMarkup):
    """A JSON list of calls after `<|tool_call|>`, up to the end of the answer."""

    name = "granite"
    markers = ("<|tool_call|>", TAG)
    opening = "<|tool_call|>"

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        return (*super().blocks(tools), json_block(TAG, CLOSING), stray(CLOSING))
