"""What a server says when it refuses, as one of our errors.

Free of Home Assistant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from .client_errors import (
    HomeLlmAuthenticationError,
    HomeLlmError,
    HomeLlmResponseError,
    HomeLlmUnavailableError,
)

MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE_LENGTH = 500


def location(response: aiohttp.ClientResponse) -> str:
    """Return the address that a server redirects to, without what may be secret in it."""
    try:
        target = response.url.join(URL(response.headers.get("Location", "")))
        return str(target.with_user(None).with_query(None).with_fragment(None)).removesuffix("/v1/models")
    except ValueError:
        return "another address"


def stream_error(error: Any) -> HomeLlmError:
    """Return the error that a server reports in the middle of a stream."""
    message = _message(error) or "The server reported an error"
    code = error.get("code") if isinstance(error, Mapping) else None
    if code in (401, 403):
        return HomeLlmAuthenticationError(message)
    if code in (429, 503):
        return HomeLlmUnavailableError(message)
    return HomeLlmResponseError(message)


def status_error(response: aiohttp.ClientResponse, message: str) -> HomeLlmError:
    """Return the error that an HTTP status stands for."""
    if response.status in (401, 403):
        return HomeLlmAuthenticationError(message)
    if response.status in (429, 502, 503, 504):
        return HomeLlmUnavailableError(message, _retry_after(response.headers.get("Retry-After")))
    return HomeLlmResponseError(message)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header; dates, which no inference server sends, are left out."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


async def error_message(response: aiohttp.ClientResponse) -> str:
    """Return what an answer that is not a stream says is wrong."""
    fallback = f"HTTP {response.status} {response.reason or ''}".strip()
    text = (await response.content.read(MAX_ERROR_BYTES)).decode(errors="replace")
    try:
        payload = json.loads(text)
    except ValueError:
        # A page from a proxy says less than the status does.
        return fallback if "<" in text or not text.strip() else text.strip()[:MAX_MESSAGE_LENGTH]
    if isinstance(payload, Mapping):
        return _message(payload.get("error")) or _message(payload.get("detail")) or fallback
    return fallback


def _message(error: Any) -> str:
    """Return the text of an error, which may be an object with a message or a plain string."""
    if isinstance(error, Mapping):
        error = error.get("message")
    return error.strip()[:MAX_MESSAGE_LENGTH] if isinstance(error, str) else ""
