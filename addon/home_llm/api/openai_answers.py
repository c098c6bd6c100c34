"""What OpenAI's chat and text completions share: the head of a chunk, usage, timings, the reason of the end."""

import secrets
import time
from typing import Any

from home_llm.api.several import total_usage
from home_llm.chat import Finish, Usage
from home_llm.engine import FinishReason, Timings


class Writer:
    """What the chunks of one answer share.

    Args:
        model: the name of the model.
        prefix: what the id begins with.
        usage: whether a stream ends with a usage chunk.
        prompts: how many prompts are answered.
        choices: how many answers each of them has.
    """

    def __init__(self, model: str, *, prefix: str, usage: bool, prompts: int = 1, choices: int = 1) -> None:
        self.head = {"id": f"{prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}
        self.count = prompts * choices
        self._choices = choices
        self._usage = usage
        self._finishes: dict[int, Finish] = {}

    def chunk(self, kind: str, choices: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
        """Return a chunk, or a whole answer."""
        return {**self.head, "object": kind, "system_fingerprint": None, "choices": choices, **extra}

    def ended(self, index: int, finish: Finish) -> dict[str, Any] | None:
        """Note that an answer has ended; return what is told after the last one, where it is asked for."""
        self._finishes[index] = finish
        if not self._usage or len(self._finishes) < self.count:
            return None
        # llama-server's clients look for the timings here.
        return {"usage": self.usage(), "timings": timings_of(self._finishes[0])}

    def usage(self) -> dict[str, Any]:
        """Return the usage of all answers, when all have ended."""
        return usage_fields(total_usage([self._finishes[index] for index in range(self.count)], self._choices))


def finish_reason(finish: Finish, *, calls: str | None = None) -> str:
    """Return why an answer ended.

    Args:
        finish: its end.
        calls: the word for an answer that called a tool, when it did.
    """
    if calls is not None:
        return calls
    return "length" if finish.reason is FinishReason.LENGTH else "stop"


def input_tokens(count: int) -> dict[str, Any]:
    """Return OpenAI's answer to the question how many tokens a prompt has."""
    return {"object": "response.input_tokens", "input_tokens": count}


def usage_of(finish: Finish) -> dict[str, Any]:
    """Return OpenAI's usage."""
    return usage_fields(finish.usage)


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Return OpenAI's usage."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def timings_of(finish: Finish) -> dict[str, Any]:
    """Return llama-server's timings of an answer."""
    return timings_fields(finish.timings)


def timings_fields(timings: Timings) -> dict[str, Any]:
    """Return llama-server's timings, and what it waited and was forced to."""
    # Rates are those of the milliseconds as they are told, so that who divides them gets the same.
    prompt_ms, predicted_ms = round(timings.prompt_ms, 3), round(timings.predicted_ms, 3)
    return {
        "cache_n": timings.cache_n,
        "prompt_n": timings.prompt_n,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": _each(timings.prompt_n, prompt_ms),
        "prompt_per_second": _rate(timings.prompt_n, prompt_ms),
        "predicted_n": timings.predicted_n,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": _each(timings.predicted_n - 1, predicted_ms),
        "predicted_per_second": _rate(timings.predicted_n - 1, predicted_ms),
        "queue_ms": round(timings.queue_ms, 3),
        "forced_n": timings.forced_n,
    }


def _rate(count: int, milliseconds: float) -> float:
    return 1000 / milliseconds * count if milliseconds > 0 and count > 0 else 0.0


def _each(count: int, milliseconds: float) -> float:
    return milliseconds / count if count > 0 else 0.0
