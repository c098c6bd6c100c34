"""What a server tells of the cost of an answer: OpenAI's usage, and llama-server's timings.

Free of Home Assistant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of one answer; None is what the server does not tell.

    Attributes:
        prompt_tokens: the length of the prompt.
        cached_tokens: those of them that the server had read before.
        completion_tokens: the length of the answer.
        tokens_per_second: the speed of the answer without the reading of the prompt.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_per_second: float | None = None

    def updated(self, newer: Usage) -> Usage:
        """Return these numbers with those that a newer report has."""
        return Usage(
            self.prompt_tokens if newer.prompt_tokens is None else newer.prompt_tokens,
            self.cached_tokens if newer.cached_tokens is None else newer.cached_tokens,
            self.completion_tokens if newer.completion_tokens is None else newer.completion_tokens,
            self.tokens_per_second if newer.tokens_per_second is None else newer.tokens_per_second,
        )


def read_usage(payload: Mapping[str, Any]) -> Usage | None:
    """Return the numbers of a chunk or an answer: OpenAI's usage, and llama-server's timings."""
    usage, timings = payload.get("usage"), payload.get("timings")
    found = Usage()
    if isinstance(usage, Mapping):
        details = usage.get("prompt_tokens_details")
        found = Usage(
            prompt_tokens=_count(usage.get("prompt_tokens")),
            cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, Mapping) else None,
            completion_tokens=_count(usage.get("completion_tokens")),
        )
    if isinstance(timings, Mapping):
        cached, read = _count(timings.get("cache_n")), _count(timings.get("prompt_n"))
        speed = timings.get("predicted_per_second")
        found = found.updated(
            Usage(
                # llama-server counts only what it had to read.
                prompt_tokens=None if cached is None or read is None else cached + read,
                cached_tokens=cached,
                completion_tokens=_count(timings.get("predicted_n")),
                tokens_per_second=float(speed) if isinstance(speed, (int, float)) and speed > 0 else None,
            )
        )
    return found if found != Usage() else None


def _count(value: Any) -> int | None:
    """Return a number of tokens, or None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
