"""Make houses in several processes, in the same order whatever their number."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import logging
import multiprocessing
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

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


def make_all(plans: Iterable[Plan], *, processes: int) -> Generator[Made]:
    """Yield what is made of houses, in order; plans are taken as they are needed."""
    # Sets are in the same order in all processes then, and in every run.
    os.environ["PYTHONHASHSEED"] = "0"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin) as pool:
        yield from _in_order(pool, iter(plans), processes * _AHEAD)


def _in_order(pool: ProcessPoolExecutor, plans: Iterator[Plan], ahead: int) -> Generator[Made]:
    waiting: collections.deque[Future[Made]] = collections.deque()
    try:
        waiting.extend(pool.submit(_work, plan) for plan in itertools.islice(plans, ahead))
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(pool.submit(_work, plan) for plan in itertools.islice(plans, 1))
            yield made
    finally:
        for future in waiting:
            future.cancel()
