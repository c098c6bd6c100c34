"""One run with one model: its servers, and samples taken from them in turn."""

import contextlib
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.client import BenchError
from benchmarks.machine import process_seconds
from benchmarks.prompts import House
from benchmarks.samples import Series
from benchmarks.servers import Server, our_server, peer_server

# Threads that spin after their last token must not disturb the other server's turn.
_SETTLE_SECONDS = 0.3
# The most streams that are measured at once.
_MANY = 8
_CHARACTERS_A_TOKEN = 3.5
# The share of the processor that others may use, in the median, before the numbers are worth little.
_QUIET = 0.03

Sample = Callable[[Server], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Args:
        model: the weights.
        context_size: tokens of context, for both.
        threads: what to compute with; 0 leaves ours to choose, and gives llama-server every core.
        quick: fewer samples.
        repeat: samples of every measure; 0 is what each measure takes.
        folder: for logs and the server's data.
    """

    model: Path
    context_size: int
    threads: int
    quick: bool
    repeat: int
    folder: Path


@dataclass(slots=True)
class Noise:
    """What else used the processor during the samples, as shares."""

    outside: list[float] = field(default_factory=list)
    idle_server: list[float] = field(default_factory=list)


class Bench:
    """The two servers on the same weights, context and threads.

    Args:
        plan: what to run.
        house: the demo house.
    """

    def __init__(self, plan: Plan, house: House) -> None:
        self.plan = plan
        self.house = house
        self.random = random.Random()  # noqa: S311 - prompts, not secrets
        self.noise = Noise()
        # How llama-server is made to call a tool, and what led to that; found at the first house turn.
        self.peer_route = ""
        self.peer_route_note = ""
        # The processes that keep cores busy on purpose.
        self.spinners: list[int] = []
        self.peer_threads = plan.threads or machine.cores()
        self.ours = our_server(plan.model, plan.context_size, plan.threads, plan.folder)
        self.peer = self._peer()
        self.template = ""

    def _peer(self, flags: Sequence[str] = (), template: str = "") -> Server:
        plan = self.plan
        return peer_server(plan.model, plan.context_size, self.peer_threads, plan.folder, flags, template)

    def prepare(self) -> None:
        """Give llama-server a template that knows tools where the model's own knows none: else it ignores them.

        Raises:
            BenchError: it does not start.
        """
        self.peer.ensure()
        if "tools" not in str(self.peer.get("/props").get("chat_template", "")):
            self.template = Path(__file__).with_name("tools.jinja").read_text("utf-8")
            self.peer.stop()
            self.peer = self._peer(template=self.template)

    def close(self) -> None:
        """Stop both servers."""
        self.ours.stop()
        self.peer.stop()

    @contextmanager
    def many_slots(self) -> Iterator[None]:
        """Run llama-server with a slot for each of eight streams; alone it makes four."""
        usual = self.peer
        usual.stop()
        self.peer = self._peer(("--parallel", str(_MANY), "--kv-unified"), self.template)
        try:
            yield
        finally:
            self.peer.stop()
            self.peer = usual

    @contextmanager
    def _one_core_busy(self) -> Iterator[None]:
        """Keep one core busy with a process that spins."""
        with machine.spinning() as pid:
            self.spinners.append(pid)
            time.sleep(_SETTLE_SECONDS)
            try:
                yield
            finally:
                self.spinners.remove(pid)

    @property
    def n_vocab(self) -> int:
        """The size of the vocabulary, from whichever server tells.

        Raises:
            BenchError: none does.
        """
        reasons = []
        for server in (self.peer, self.ours):
            try:
                server.ensure()
            except BenchError as error:
                reasons.append(f"{server.name}: {error}")
                continue
            data = server.get("/v1/models").get("data") or [{}]
            if n_vocab := (data[0].get("meta") or {}).get("n_vocab"):
                return int(n_vocab)
        raise BenchError(f"no server tells the size of the vocabulary ({'; '.join(reasons)})")

    def count(self, text: str) -> int:
        """Return the tokens of a text, by llama-server's tokenizer; an estimate where it does not run."""
        if self.peer.pid:
            return len(self.peer.ask("/tokenize", {"content": text}).body["tokens"])
        return int(len(text) / _CHARACTERS_A_TOKEN) + 1

    def times(self, usual: int, quick: int) -> int:
        """Return how many samples to take."""
        return self.plan.repeat or (quick if self.plan.quick else usual)

    def both(
        self,
        count: int,
        sample: Callable[[Server, int], float],
        *,
        warm: Sample | None = None,
        busy: bool = False,
    ) -> tuple[Series, Series]:
        """Take samples from both servers in turn: ours, llama-server, ours, ...; see `take`."""
        ours, peer = self.take((self.ours, self.peer), count, sample, warm=warm, busy=busy)
        return ours, peer

    def take(
        self,
        servers: Sequence[Server],
        count: int,
        sample: Callable[[Server, int], float],
        *,
        warm: Sample | None = None,
        busy: bool = False,
    ) -> list[Series]:
        """Take samples from servers in turn; one that fails is left alone from then on.

        Args:
            servers: which.
            count: how many samples of each.
            sample: takes one, given its number.
            warm: what to do with each server before.
            busy: whether another process keeps one core busy during the samples.
        """
        values: list[list[float]] = [[] for _ in servers]
        failures = [self._warmed(server, warm) for server in servers]
        with self._one_core_busy() if busy else contextlib.nullcontext():
            for number in range(count):
                for index, server in enumerate(servers):
                    if failures[index]:
                        continue
                    time.sleep(_SETTLE_SECONDS)
                    try:
                        with self._watched(server):
                            values[index].append(sample(server, number))
                    except BenchError as error:
                        failures[index] = str(error)
        return [Series(tuple(taken), failure) for taken, failure in zip(values, failures, strict=True)]

    def _warmed(self, server: Server, warm: Sample | None) -> str:
        """Start a server and get it ready for samples; return what failed."""
        try:
            server.ensure()
            if warm is not None:
                warm(server)
        except BenchError as error:
            return str(error)
        return ""

    @contextmanager
    def _watched(self, server: Server) -> Iterator[None]:
        """Note who else used the processor."""
        before, others_before = self._seconds_used(), process_seconds(self._other(server).pid)
        started, busy = time.perf_counter(), machine.busy_seconds()
        yield
        elapsed = time.perf_counter() - started
        # Time is counted in hundredths of a second: shorter samples than this tell nothing.
        if elapsed > 0.2:
            outside = machine.busy_seconds() - busy - (self._seconds_used() - before)
            self.noise.outside.append(max(0.0, outside) / elapsed / machine.cores())
            idle = process_seconds(self._other(server).pid) - others_before
            self.noise.idle_server.append(max(0.0, idle) / elapsed)

    def _other(self, server: Server) -> Server:
        return self.peer if server is self.ours else self.ours

    def _seconds_used(self) -> float:
        """Return the processor time of the bench and all that it has started, also of what has ended."""
        alive = sum(process_seconds(pid) for pid in (self.ours.pid, self.peer.pid, *self.spinners) if pid)
        return alive + sum(os.times()[:4])

    def disturbed(self, since: int) -> str:
        """Return a sentence if others used the processor in a sample, the first `since` left out; else an empty one."""
        worst = max(self.noise.outside[since:], default=0.0)
        return f"disturbed; other programs used {worst:.0%} of the processor in a sample." if worst > 5 * _QUIET else ""

    def noise_note(self) -> str:
        """Return a sentence on what else ran."""
        if not self.noise.outside:
            return "The samples were too short to see what else used the processor."
        outside, idle = self.noise.outside, self.noise.idle_server
        text = (
            f"During the samples, other programs used {statistics.median(outside):.0%} of the processor "
            f"(median; at most {max(outside):.0%}), and the server whose turn it was not {statistics.median(idle):.1%} "
            f"of one core (at most {max(idle):.1%})."
        )
        if statistics.median(outside) > _QUIET or max(outside) > 5 * _QUIET:
            text += " That is too much: measure again on a machine that does nothing else."
        return text
