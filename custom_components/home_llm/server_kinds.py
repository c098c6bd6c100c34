"""Which kind of server this is, and finding out by asking it.

Free of Home Assistant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from .client_errors import HomeLlmError

GetJson = Callable[[str], Awaitable[Mapping[str, Any]]]


class ServerKind(StrEnum):
    """The kinds of servers that are told apart. All of them speak the OpenAI API."""

    HOME_LLM = "home_llm"
    WEBUI = "text_generation_webui"
    LLAMA_SERVER = "llama_server"
    OLLAMA = "ollama"
    OPENAI = "openai"


def _is_llama_server(props: Mapping[str, Any]) -> bool:
    return "default_generation_settings" in props or "build_info" in props


def _is_webui(info: Mapping[str, Any]) -> bool:
    return "model_name" in info and "loader" in info


def _is_ollama(version: Mapping[str, Any]) -> bool:
    return isinstance(version.get("version"), str)


# Whom to believe first where a server answers several: others imitate Ollama, and nobody text-generation-webui.
_PROBES: tuple[tuple[ServerKind, str, Callable[[Mapping[str, Any]], bool]], ...] = (
    (ServerKind.WEBUI, "/v1/internal/model/info", _is_webui),
    (ServerKind.LLAMA_SERVER, "/props", _is_llama_server),
    (ServerKind.OLLAMA, "/api/version", _is_ollama),
)


async def async_identify(get_json: GetJson) -> ServerKind:
    """Return the kind of a server that is not ours; one that answers none of the questions is any OpenAI server."""

    async def answers(path: str, fits: Callable[[Mapping[str, Any]], bool]) -> bool:
        try:
            return fits(await get_json(path))
        except HomeLlmError:
            return False

    found = await asyncio.gather(*(answers(path, fits) for _, path, fits in _PROBES))
    return next((kind for (kind, _, _), fits in zip(_PROBES, found, strict=True) if fits), ServerKind.OPENAI)
