"""Send conversations to a server, house by house, a few at a time, and grade what comes back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .client import MAX_TOKENS, Answer, ask, request_body
from .rows import Task
from .verdict import Verdict, judge

# What stands between the system prompt and the conversation, by task.
Examples = Callable[[Task], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A conversation and what came of it."""

    task: Task
    answer: Answer
    verdict: Verdict


def run(
    url: str,
    tasks: Iterable[Task],
    *,
    parallel: int = 4,
    examples: Examples | None = None,
    max_tokens: int = MAX_TOKENS,
    report: Callable[[int, int, float], None] | None = None,
) -> list[Outcome]:
    """Return the outcomes of tasks, which stand in the order of their houses; after Ctrl-C those that there are.

    Args:
        url: of the server.
        tasks: what is asked.
        parallel: how many at once.
        examples: messages before the conversation.
        max_tokens: the longest answer.
        report: told after each answer how many are done and right, and after how many seconds.
    """
    outcomes: list[Outcome] = []
    began = time.monotonic()
    right = 0

    def one(task: Task) -> Outcome:
        shown = examples(task) if examples else ()
        messages = [{"role": "system", "content": task.system}, *shown, *task.messages]
        answer = ask(url, request_body(messages, task.tools, max_tokens=max_tokens))
        return Outcome(task, answer, judge(task, answer))

    pool = ThreadPoolExecutor(parallel)
    try:
        for _, house in itertools.groupby(tasks, key=lambda task: (task.number, task.system)):
            first, *rest = house
            # The prompt is read once, and then everybody has it.
            for outcome in itertools.chain([one(first)], pool.map(one, rest)):
                outcomes.append(outcome)
                right += outcome.verdict.right
                if report:
                    report(len(outcomes), right, time.monotonic() - began)
    except KeyboardInterrupt:
        # What has been answered counts.
        pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return outcomes
