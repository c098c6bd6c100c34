"""Several answers to one request: more choices of the same prompt, or several prompts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from home_llm.api.replies import Answer, drain
from home_llm.chat import Finish, Reply, Usage
from home_llm.chat.vocabulary import Event

# How long one of several answers is waited for before the others are looked at.
_GLANCE_SECONDS = 0.02

Begin = Callable[[int], Reply]
"""Queues the choice of this number of one prompt."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """An event of one of several answers.

    Attributes:
        index: which of them.
        event: what came.
    """

    index: int
    event: Event


class Several:
    """Several answers on their way, read as one. For one reader; `cancel` may come from any thread.

    The first choice of each prompt is queued at once, so that what is wrong with it is told at once. The others follow
    when the prompt has been read: they find it in the cache.

    Args:
        prompts: for each prompt what queues it.
        choices: how many answers to make of each; the index is `prompt * choices + choice`.

    Raises:
        Exception: whatever queueing raises; nothing is under way then.
    """

    def __init__(self, prompts: Sequence[Begin], choices: int = 1) -> None:
        self.count = len(prompts) * choices
        self._prompts = prompts
        self._choices = choices
        self._replies: dict[int, Reply] = {}
        self._waiting = set(range(len(prompts))) if choices > 1 else set()
        self._cancelled = False
        try:
            for number, begin in enumerate(prompts):
                self._replies[number * choices] = begin(0)
        except BaseException:
            self.cancel()
            raise

    @property
    def finished(self) -> bool:
        """Whether every answer has ended."""
        return not self._waiting and all(reply.finished for reply in self._replies.values())

    def cancel(self) -> None:
        """Stop all of them as soon as possible."""
        self._cancelled = True
        for reply in list(self._replies.values()):
            reply.cancel()

    def poll(self, timeout: float) -> list[Indexed]:
        """Return the events that have come, none when `timeout` seconds pass without one.

        Raises:
            Exception: whatever broke one of the generations.
        """
        end = time.monotonic() + timeout
        while True:
            events: list[Indexed] = []
            for index, reply in self._open():
                events += [Indexed(index, event) for event in reply.poll(0)]
            self._begin_others()
            left = end - time.monotonic()
            if events or self.finished or left <= 0:
                return events
            index, reply = self._open()[0]
            patience = left if len(self._open()) == 1 else min(left, _GLANCE_SECONDS)
            found = [Indexed(index, event) for event in reply.poll(patience)]
            self._begin_others()
            if found:
                return found

    def _open(self) -> list[tuple[int, Reply]]:
        return [(index, reply) for index, reply in self._replies.items() if not reply.finished]

    def _begin_others(self) -> None:
        """Queue the other choices of the prompts that have been read."""
        for number in sorted(self._waiting):
            first = number * self._choices
            if not self._replies[first].began:
                continue
            self._waiting.remove(number)
            for choice in range(1, self._choices):
                self._replies[first + choice] = reply = self._prompts[number](choice)
                if self._cancelled:
                    reply.cancel()


def collect_all(several: Several) -> list[Answer]:
    """Wait for all answers, in the order of their indexes.

    Raises:
        ClientGoneError: the client went away; the generations are cancelled.
        Exception: whatever broke one of them; the others are cancelled.
    """
    answers = [Answer() for _ in range(several.count)]
    for item in drain(several):
        answers[item.index].add(item.event)
    return answers


def total_usage(finishes: Sequence[Finish], choices: int) -> Usage:
    """Return the usage of several answers: each prompt counts once, each answer counts.

    Args:
        finishes: in the order of their indexes.
        choices: how many of them each prompt has.
    """
    prompts = finishes[::choices]
    return Usage(
        sum(finish.usage.prompt_tokens for finish in prompts),
        sum(finish.usage.completion_tokens for finish in finishes),
        sum(finish.usage.cached_tokens for finish in prompts),
    )
