"""The measures, each a function from the bench to lines of the table."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.agent_turns import agents_busy, agents_in_turn
from benchmarks.bench import Bench
from benchmarks.client import BenchError
from benchmarks.generation import decode, prefill, story, streams
from benchmarks.house_turns import command_for, compact, house, house_busy, house_turn, restart
from benchmarks.prompts import MANNERS, random_tokens
from benchmarks.responsiveness import responsiveness
from benchmarks.samples import Row
from benchmarks.servers import Server


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure that `--only` can name, and whether `--quick` takes it without being told to."""

    name: str
    title: str
    run: Callable[[Bench], list[Row]]
    quick: bool = True


def memory(bench: Bench) -> list[Row]:
    """Take the most memory that each server held since a fresh start: a house turn, another prompt, four streams."""

    def sample(server: Server, number: int) -> float:
        server.stop()
        server.start()
        house_turn(bench, server, command_for(MANNERS[3], number))
        most = 512 if bench.plan.quick else 4096
        another = random_tokens(bench.random, min(most, bench.plan.context_size // 2), bench.n_vocab)
        server.ask("/v1/completions", {"prompt": another, "max_tokens": 1, "temperature": 0})
        workers = [threading.Thread(target=_quiet_story, args=(server, index)) for index in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return server.peak_memory_mb()

    ours, peer = bench.both(1, sample)
    title = f"Peak memory, context of {bench.plan.context_size:,} tokens"
    return [Row("memory", title, "MB", ours, peer, goal=1.15)]


def _quiet_story(server: Server, number: int) -> None:
    with contextlib.suppress(BenchError):
        story(server, number, 16)


MEASURES: Final = (
    Measure("prefill_512", "prefill of 512 tokens", lambda bench: prefill(bench, "prefill_512", 512, 10, 3)),
    Measure(
        "prefill_4096", "prefill of 4,096 tokens", lambda bench: prefill(bench, "prefill_4096", 4096, 5, 1), quick=False
    ),
    Measure("decode", "decode of one stream", decode),
    Measure("streams_4", "4 streams", lambda bench: streams(bench, "streams_4", 4, 2)),
    Measure("streams_8", "8 streams", lambda bench: streams(bench, "streams_8", 8, 2), quick=False),
    Measure("house", "warm house turn", house),
    Measure("compact", "house turn in the compact home format, ours alone", compact, quick=False),
    Measure("house_busy", "warm house turn with one core kept busy", house_busy, quick=False),
    Measure("restart", "first house turn after a restart", restart),
    Measure("agents", "two agents and an AI task in turn", agents_in_turn),
    Measure("agents_busy", "the same with one core kept busy", agents_busy, quick=False),
    Measure("memory", "peak memory", memory),
    Measure("responsiveness", "models and health while 4 streams generate", responsiveness, quick=False),
)
