"""The markup of models of which nothing is known: asked for Hermes markup, read in whatever way they write.

A model that was trained on another way of calling often falls back to it, or answers with JSON in a fence, or with
nothing but an object. What has no marker of its own counts as a call only when it names a tool of the request.
"""

import re
from collections.abc import Sequence

from home_llm.chat.markups.cursor import Cursor, MalformedError
from home_llm.chat.markups.functioncall import FunctionCallMarkup
from home_llm.chat.markups.functiongemma import FunctionGemmaMarkup, Gemma4Markup
from home_llm.chat.markups.gemma import read_code
from home_llm.chat.markups.hermes import CLOSING, HermesMarkup
from home_llm.chat.markups.home_blocks import read_lines
from home_llm.chat.markups.lfm2 import Lfm2Markup
from home_llm.chat.markups.llama3 import tagged_block
from home_llm.chat.markups.mistral import mistral_block
from home_llm.chat.markups.parser import Block, Place, stray
from home_llm.chat.markups.phi import PhiMarkup
from home_llm.chat.markups.qwen_coder import coder_blocks
from home_llm.chat.markups.reading import bare_block, json_block, looks_like_call, of_tools, read_calls
from home_llm.chat.vocabulary import Tool, ToolCall

FENCE = "```"
_WORD = re.compile(r"[ \t]*[\w-]*")

# Tags that models put JSON calls between, beside those of the families here.
_TAGS = ("tool_calls", "function_call", "TOOLCALL", "tools_call")


class TolerantMarkup(HermesMarkup):
    """Hermes markup that is read in every way."""

    name = "any"

    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """See BlockMarkup."""
        accepts = of_tools(tools)
        families = (FunctionCallMarkup(), FunctionGemmaMarkup(), Gemma4Markup(), Lfm2Markup(), PhiMarkup())
        tags = [block for tag in _TAGS for block in (json_block(f"<{tag}>", f"</{tag}>"), stray(f"</{tag}>"))]
        return (
            *coder_blocks(tools),
            stray(CLOSING),
            mistral_block(),
            tagged_block(tools),
            *(block for family in families for block in family.blocks(tools)),
            *tags,
            Block(FENCE, lambda cursor: _read_fence(cursor, tools), Place.LINE, plain=True),
            bare_block("{", accepts, Place.LINE),
            bare_block("[", accepts, Place.LINE),
        )


def _read_fence(cursor: Cursor, tools: Sequence[Tool]) -> Sequence[ToolCall]:
    accepts = of_tools(tools)
    calls: Sequence[ToolCall]
    word = cursor.match(_WORD).strip().lower()
    cursor.space()
    match word:
        case "tool_code" | "python":
            calls = read_code(cursor, tools)
        case "homeassistant":
            calls = read_lines(cursor, tools)
        case "" | "json" | "tool_call" | "tool_calls" | "function_call":
            looks_like_call(cursor)
            calls = read_calls(cursor)
            cursor.space()
            if not cursor.close(FENCE):
                raise MalformedError
        case _:
            raise MalformedError
    if not calls or not all(accepts(call) for call in calls):
        raise MalformedError
    return calls
