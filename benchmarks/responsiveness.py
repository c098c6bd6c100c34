"""How long a look takes that needs no model, while the model is at work for others."""

import statistics
import threading
import time
from typing import Final

from benchmarks.bench import Bench
from benchmarks.client import BenchError
from benchmarks.generation import story
from benchmarks.samples import Row, Series, summarize
from benchmarks.servers import Server

_STREAMS: Final = 4
_TOKENS: Final = 128
_LIMIT_MS: Final = 50.0
_PAUSE_SECONDS: Final = 0.02
_PATHS: Final = (("models", "/v1/models", "List of models"), ("health", "/health", "Health"))


def responsiveness(bench: Bench) -> list[Row]:
    """Ask for the list of models and for the health, over and over, while four streams generate."""
    rows = []
    for name, path, title in _PATHS:
        worst: dict[str, float] = {}

        def sample(server: Server, number: int, path: str = path, worst: dict[str, float] = worst) -> float:
            looks = _looks(server, number, path)
            worst[server.name] = max(worst.get(server.name, 0.0), *looks)
            return statistics.median(looks)

        ours, peer = bench.both(bench.times(5, 2), sample, warm=lambda server: story(server, 99, 8).last)
        slowest = f"The slowest took {worst[bench.ours.name]:.0f} ms." if bench.ours.name in worst else ""
        other = f"llama-server: {peer.failure}" if peer.failure else f"llama-server: {_middle(peer)}"
        rows.append(
            Row(
                f"responsiveness_{name}",
                f"{title}, while {_STREAMS} streams generate",
                "ms",
                ours,
                Series((_LIMIT_MS,)),
                goal=1.0,
                other_name="the limit",
                notes=(*([slowest] if slowest else []), other),
            )
        )
    return rows


def _middle(series: Series) -> str:
    return f"{summarize(series.values).median:.1f} ms." if series.values else "no values."


def _looks(server: Server, number: int, path: str) -> list[float]:
    """Return how long each look took, in milliseconds.

    Raises:
        BenchError: a stream failed, or all of them were over before the first look.
    """
    failures: list[BenchError] = []

    def run(index: int) -> None:
        try:
            story(server, 2000 + number * _STREAMS + index, _TOKENS)
        except BenchError as error:
            failures.append(error)

    workers = [threading.Thread(target=run, args=(index,)) for index in range(_STREAMS)]
    looks: list[float] = []
    for worker in workers:
        worker.start()
    try:
        # Only what was asked while all of them were there counts.
        while True:
            seconds = server.look(path)
            if not all(worker.is_alive() for worker in workers):
                break
            looks.append(1000 * seconds)
            time.sleep(_PAUSE_SECONDS)
    finally:
        for worker in workers:
            worker.join()
    if failures:
        raise BenchError(f"{len(failures)} of {_STREAMS} streams failed: {failures[0]}")
    if not looks:
        raise BenchError("the streams were over before the first look")
    return looks
