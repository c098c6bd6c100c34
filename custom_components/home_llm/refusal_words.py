"""Understand why a server refused a request, from the words that the known servers use.

The OpenAI API has no codes for these that more than one server would send. Free of Home Assistant.
"""

from __future__ import annotations

import re

# Home LLM: "The prompt has 9000 tokens and the context holds 8192." llama-server: "request (9000 tokens) exceeds the
# available context size". vLLM, OpenAI: "This model's maximum context length is 8192 tokens."
_CONTEXT = re.compile(
    r"context (?:holds|size|length|window)|context_length_exceeded|exceed\w* .*context|maximum context", re.IGNORECASE
)
# llama-server: "tools param requires --jinja flag". Ollama: "... does not support tools". vLLM: '"auto" tool choice
# requires --enable-auto-tool-choice'. Others: "tool calling is not supported".
_TOOLS = re.compile(
    r"tools?\b.*(?:requires? --|not support|unsupported|not enabled|not available|disabled)"
    r"|(?:not support|unsupported|no support for|disabled).*\b(?:tools?\b|function.?call)",
    re.IGNORECASE | re.DOTALL,
)


def is_context_refusal(message: str) -> bool:
    """Return whether a server says that the prompt is longer than its context."""
    return bool(_CONTEXT.search(message))


def is_tools_refusal(message: str) -> bool:
    """Return whether a server says that its model cannot call tools."""
    return bool(_TOOLS.search(message))
