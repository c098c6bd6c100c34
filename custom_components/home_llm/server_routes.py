"""The routes beside OpenAI's that some servers have: warming, metrics, loading a model.

Free of Home Assistant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from .client import HomeLlmClient, HomeLlmConnectionError, HomeLlmError
from .metrics import Queue, read_queue, read_slots
from .usage import Usage, read_usage

# Reading the prompt of a large house takes a small machine minutes, and loading a large model from a slow disk too.
LONG_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=10)
SHORT_TIMEOUT = aiohttp.ClientTimeout(total=10)


async def async_warm(client: HomeLlmClient, request: Mapping[str, Any]) -> Usage:
    """Let a Home LLM server read the prompt of a request; return how long it is, and what was read before.

    Raises:
        HomeLlmError: see the subclasses.
    """
    payload = await client.async_post_json("/v1/internal/warm", request, LONG_TIMEOUT)
    return (read_usage(payload) if isinstance(payload, Mapping) else None) or Usage()


async def async_load_model(
    client: HomeLlmClient, model: str, context_size: int | None = None, admin_key: str | None = None
) -> None:
    """Let a Home LLM server or text-generation-webui load a model that it has.

    Raises:
        HomeLlmError: see the subclasses.
    """
    body: dict[str, Any] = {"model_name": model}
    if context_size is not None:
        body["args"] = {"ctx_size": context_size}
    await client.async_post_json("/v1/internal/model/load", body, LONG_TIMEOUT, key=admin_key)


async def async_queue(client: HomeLlmClient) -> Queue | None:
    """Return the queue of a server that tells of it, and None of one that does not.

    Raises:
        HomeLlmConnectionError: the server cannot be reached.
    """
    # A llama-server has metrics only where it was started with them.
    for path, read in (("/metrics", read_queue), ("/slots", read_slots)):
        try:
            queue = read(await client.async_get_text(path, SHORT_TIMEOUT))
        except HomeLlmConnectionError:
            raise
        except HomeLlmError:
            continue
        if queue is not None:
            return queue
    return None
