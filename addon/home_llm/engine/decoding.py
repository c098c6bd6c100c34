"""One decode after the other: what runs is put into batches, with guesses, and llama.cpp computes them."""

import threading
import time
from collections.abc import Sequence as Many
from dataclasses import dataclass

from home_llm.engine.generation import Generation
from home_llm.engine.scheduler import plan
from home_llm.engine.sequence import Sequence
from home_llm.engine.speculation import MAX_DRAFT, Gauge
from home_llm.engine.threads import ThreadChooser
from home_llm.llama import Batch, CacheFullError, Context

# Decodes below this many tokens are over before an abort is worth it.
_WORTH_ABORTING = 16


@dataclass(frozen=True, slots=True)
class Part:
    """What a sequence has in a batch.

    Attributes:
        sequence: whose.
        count: how many of its pending tokens.
        index: where the logits of the last of them are.
        drafts: guesses at what follows, after them.
        speculative: whether they were found by looking for repeated phrases, and are to be measured.
    """

    sequence: Sequence
    count: int
    index: int
    drafts: list[int]
    speculative: bool = False


class Decoder:
    """Decodes what runs. For the engine's thread, except for `abort_if_reading`.

    Args:
        context: the context.
        threads: says how many threads to compute with.
        speculate: whether to guess at repeated phrases, where that is measured to pay.
        can_guess: whether a wrong guess can be taken back.
    """

    def __init__(self, context: Context, threads: ThreadChooser, *, speculate: bool, can_guess: bool) -> None:
        self._context = context
        self._threads = threads
        self._speculate = speculate and can_guess
        self._can_guess = can_guess
        self._batch = Batch(context.n_batch)
        self._gauge = Gauge()
        self._prefill_rate = 0.0
        self._started = 0.0
        self._lock = threading.Lock()
        # What the decode under way is reading prompts for: cancelling one of these is worth an abort.
        self._reading: frozenset[Generation] = frozenset()

    def close(self) -> None:
        """Free the memory."""
        self._batch.close()

    def abort_if_reading(self, generation: Generation) -> None:
        """Interrupt the decode under way when it reads this generation's prompt."""
        with self._lock:
            if generation in self._reading:
                self._context.abort(requested=True)

    def decode(self, running: Many[Sequence]) -> list[Part]:
        """Decode what comes next of these sequences, as far as a batch goes; return what was decoded of each.

        Raises:
            DecodeAbortedError: nothing was, because a request was cancelled.
            CacheFullError: nothing was, because there are no cells left.
            DecodeError: llama.cpp failed.
        """
        room_for_guesses = max(len(running), MAX_DRAFT)
        self._started = time.perf_counter()
        shares = plan(
            running,
            capacity=max(self._batch.capacity - room_for_guesses, 1),
            prefill_rate=self._prefill_rate,
            now=self._started,
        )
        self._batch.clear()
        # Guesses are for who is alone: others make better use of a larger batch.
        guesses = self._gauge.wanted() if self._speculate and len(shares) == 1 else 0
        parts = [self._add(running[share.index], share.count, guesses) for share in shares]
        try:
            self._compute(parts)
        except CacheFullError:
            raise
        except Exception:
            for part in parts:
                self.restore(part.sequence)
            raise
        return parts

    def note(self, parts: list[Part], right: int) -> None:
        """Take in how long the last decode took, with what followed it, and how many guesses were right."""
        if len(parts) == 1 and parts[0].count == 1 and (parts[0].speculative or not parts[0].drafts):
            self._gauge.note(time.perf_counter() - self._started, drafted=len(parts[0].drafts), right=right)

    def restore(self, sequence: Sequence) -> None:
        """Forget what an interrupted decode, or a wrong guess, has left in the KV cache."""
        if (cached := sequence.cached) is not None:
            left = self._context.truncate(cached.number, len(cached.tokens))
            del cached.tokens[left:]

    def _add(self, sequence: Sequence, count: int, guesses: int) -> Part:
        """Put pending tokens into the batch, and guesses at what follows them."""
        start = sequence.in_cache
        if start < sequence.keep_at:
            count = min(count, sequence.keep_at - start)
        number = sequence.cached.number if sequence.cached else 0
        complete = count == sequence.pending
        likely = sequence.likely if complete and self._can_guess else []
        drafts = likely or (sequence.drafts(guesses) if guesses and complete else [])
        drafts = drafts[: self._batch.capacity - len(self._batch) - count]
        index = self._batch.add(
            [*sequence.tokens[start : start + count], *drafts],
            position=start,
            sequence=number,
            logits=1 + len(drafts) if complete else 0,
        )
        return Part(sequence, count, index, drafts, speculative=not likely)

    def _compute(self, parts: list[Part]) -> None:
        threads = self._threads.threads()
        self._context.set_threads(threads, threads)
        with self._lock:
            reading = (part.sequence.generation for part in parts if part.count >= _WORTH_ABORTING)
            self._reading = frozenset(reading)
        started = time.perf_counter()
        try:
            self._context.decode(self._batch)
        finally:
            with self._lock:
                self._reading = frozenset()
                self._context.abort(requested=False)
        if len(self._batch) >= _WORTH_ABORTING:
            self._prefill_rate = len(self._batch) / (time.perf_counter() - started)
