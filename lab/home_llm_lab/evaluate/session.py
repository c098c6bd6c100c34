"""A model on its server: all tasks, and what is kept of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .client import MAX_TOKENS
from .models import ModelSpec
from .rows import Task
from .run import Outcome, run
from .score import Score, score
from .server import Server, health, serve


@dataclass(frozen=True, slots=True)
class Conditions:
    """How models are asked.

    Attributes:
        parallel: requests at once.
        threads: of the server; 0 is all.
        context_size: of the server.
        max_tokens: of an answer.
        program: the home-llm to serve with; None finds it.
    """

    parallel: int = 4
    threads: int = 0
    context_size: int = 8192
    max_tokens: int = MAX_TOKENS
    program: str | None = None


def evaluate(
    spec: ModelSpec, tasks: Sequence[Task], conditions: Conditions | None = None
) -> tuple[list[Outcome], Score]:
    """Return what a model answers to tasks, and its score.

    Raises:
        ServerError: the server does not start.
    """
    conditions = conditions or Conditions()
    if spec.url:
        return _against(Server(spec.url, model=str(health(spec.url).get("model") or "")), spec, tasks, conditions)
    with serve(
        spec.flags, command=conditions.program, context_size=conditions.context_size, threads=conditions.threads
    ) as server:
        return _against(server, spec, tasks, conditions)


def write_answers(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write every answer with its verdict, one a line."""
    with path.open("w", encoding="utf-8") as file:
        for item in outcomes:
            row = {
                "house": item.task.number,
                "kind": item.task.kind,
                "act": item.task.act,
                "language": item.task.language,
                "said": [message["content"] for message in item.task.messages if message["role"] == "user"],
                "expected": [*map(str, item.task.expected), item.task.reply],
                "answer": [*map(str, item.answer.calls), item.answer.text or item.answer.error],
                "finish": item.answer.finish,
                "seconds": round(item.answer.total, 3),
                **item.verdict.as_dict,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _against(
    server: Server, spec: ModelSpec, tasks: Sequence[Task], conditions: Conditions
) -> tuple[list[Outcome], Score]:
    def report(done: int, right: int, seconds: float) -> None:
        rest = seconds / done * (len(tasks) - done)
        line = f"\r{spec.label}: {done}/{len(tasks)}, {right / done:.1%} right, {rest:.0f} s left   "
        print(line, end="", file=sys.stderr, flush=True)

    outcomes = run(
        server.url,
        tasks,
        parallel=conditions.parallel,
        examples=(lambda task: task.examples) if spec.examples else None,
        max_tokens=conditions.max_tokens,
        report=report,
    )
    print(file=sys.stderr)
    return outcomes, score(spec.label, outcomes, server.peak_memory())
