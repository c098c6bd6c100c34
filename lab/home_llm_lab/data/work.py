"""Make houses in several processes, in the same order whatever their number."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import logging
import multiprocessing
import os
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Self

from home_llm_lab.virtual.world import World, open_world

from .making import Made, Plan, make

# So many houses a process has before it for each one that it works on.
_AHEAD = 3
# What Home Assistant keeps of houses that have moved out makes it slower by and by.
_HOUSES_A_WORLD = 150


class _Worker:
    """A process with a Home Assistant of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._stack = contextlib.AsyncExitStack()
        self._world: World | None = None
        self._houses = 0

    def make(self, plan: Plan) -> Made:
        """Return the examples of a house."""
        return self._loop.run_until_complete(self._make(plan))

    async def _make(self, plan: Plan) -> Made:
        if self._world is None or self._houses >= _HOUSES_A_WORLD:
            await self._stack.aclose()
            self._world = await self._stack.enter_async_context(open_world())
            self._houses = 0
        self._houses += 1
        return await make(self._world, plan)


_worker: _Worker | None = None


def _begin() -> None:
    """Start the process: what is refused here is refused on purpose."""
    global _worker  # noqa: PLW0603 - a process has one
    logging.disable(logging.ERROR)
    _worker = _Worker()


def _work(plan: Plan) -> Made:
    if _worker is None:
        raise RuntimeError("the process was not started")
    return _worker.make(plan)


class Workers:
    """Processes that make houses."""

    def __init__(self, processes: int) -> None:
        """Take how many processes there shall be."""
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Get ready; the processes start with the first houses."""
        # Sets are in the same order in all processes then, and in every run.
        os.environ["PYTHONHASHSEED"] = "0"
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def make(self, plans: Iterable[Plan]) -> Generator[Made]:
        """Yield what is made of houses, in order; plans are taken as they are needed."""
        if self._pool is None:
            raise ValueError("the processes are not started")
        remaining = iter(plans)
        waiting: collections.deque[Future[Made]] = collections.deque()
        try:
            ahead = itertools.islice(remaining, self._processes * _AHEAD)
            waiting.extend(self._pool.submit(_work, plan) for plan in ahead)
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(self._pool.submit(_work, plan) for plan in itertools.islice(remaining, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()
