"""SmolLM2's markup: `<tool_call>[{"name": ..., "arguments": {...}}]</tool_call>`. SmolLM3 writes Hermes markup.

The format is that of the function calling example of SmolLM2-1.7B-Instruct
(https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct), whose template does not show tools.
"""

from home_llm.chat.markups.hermes import CLOSING, OPENING
from home_llm.chat.markups.lists import ListMarkup


class SmolLMMarkup(ListMarkup):
    """A JSON list of calls between `<tool_call>` tags."""

    name = "smollm"
    markers = (OPENING, CLOSING)
    opening = OPENING
    closing = CLOSING
