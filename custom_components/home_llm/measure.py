"""Measure answers: how long they took, how fast they came, and what they cost.

Free of Home Assistant.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .chat_events import ChatEvent, Finish
from .usage import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a server.

    Attributes:
        seconds_to_first_token: from the request to the first word, thought or call; None where there was none.
        seconds: from the request to the end.
        prompt_tokens: the length of the prompt, None where the server does not tell.
        cached_tokens: those of them that the server had read before.
        completion_tokens: the length of the answer.
        tokens_per_second: the speed of the answer without the reading of the prompt.
    """

    seconds_to_first_token: float | None
    seconds: float
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    tokens_per_second: float | None

    @property
    def cache_hit_rate(self) -> float | None:
        """Return which share of the prompt was found in the cache, between 0 and 1."""
        if not self.prompt_tokens or self.cached_tokens is None:
            return None
        return min(1.0, self.cached_tokens / self.prompt_tokens)


@dataclass(slots=True)
class Totals:
    """What all answers since the start of the integration cost together."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    last: Answer | None = None

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.answers += 1
        self.prompt_tokens += answer.prompt_tokens or 0
        self.completion_tokens += answer.completion_tokens or 0
        self.last = answer


_turn: ContextVar[list[Answer] | None] = ContextVar("home_llm_turn", default=None)


@contextmanager
def answers_of_turn() -> Iterator[list[Answer]]:
    """Collect the answers that are made within, and by nobody else at the same time."""
    answers: list[Answer] = []
    token = _turn.set(answers)
    try:
        yield answers
    finally:
        _turn.reset(token)


def note_answer(answer: Answer) -> None:
    """Add an answer to those of the turn that it belongs to, where somebody collects them."""
    if (answers := _turn.get()) is not None:
        answers.append(answer)


async def measured(
    events: AsyncGenerator[ChatEvent],
    report: Callable[[Answer], None],
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[ChatEvent]:
    """Pass events on, and report what the answer cost when it has ended.

    An answer that breaks, or that nobody reads to its end, is not reported.
    """
    began = clock()
    first: float | None = None
    usage = Usage()
    async with aclosing(events) as stream:
        async for event in stream:
            if isinstance(event, Usage):
                usage = usage.updated(event)
                continue
            if first is None and not isinstance(event, Finish):
                first = clock()
            yield event
    ended = clock()
    speed = usage.tokens_per_second
    if speed is None and usage.completion_tokens and first is not None and ended > first:
        speed = usage.completion_tokens / (ended - first)
    report(
        Answer(
            seconds_to_first_token=None if first is None else first - began,
            seconds=ended - began,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            tokens_per_second=speed,
        )
    )
