"""How many tokens a text has: about, without asking, and exactly, where the server counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import aiohttp

from .client import HomeLlmClient, HomeLlmResponseError, HomeLlmUnavailableError

# Entity ids and names make shorter tokens than prose does. Rather too many than too few.
BYTES_PER_TOKEN = 3.0
# What a chat template writes around each message.
MESSAGE_TOKENS = 6

COUNT_TIMEOUT = aiohttp.ClientTimeout(total=10)

# Where servers count: llama-server and ours, and text-generation-webui and ours.
_ROUTES = (
    ("/tokenize", "content", "tokens"),
    ("/v1/internal/token-count", "text", "length"),
)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has; bytes tell it better than characters, in every script."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


async def async_count_tokens(client: HomeLlmClient, text: str) -> int | None:
    """Return how many tokens a text has, or None where the server does not count.

    Raises:
        HomeLlmError: the server cannot be reached, or refuses the key.
    """
    for path, field, answer in _ROUTES:
        try:
            payload = await client.async_post_json(path, {field: text}, COUNT_TIMEOUT)
        except (HomeLlmResponseError, HomeLlmUnavailableError):
            continue
        if (count := _count(payload, answer)) is not None:
            return count
    return None


def _count(payload: Any, answer: str) -> int | None:
    """Return the number in an answer: a list of tokens, or their count."""
    value = payload.get(answer) if isinstance(payload, Mapping) else None
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
