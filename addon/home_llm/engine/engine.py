"""The engine thread: admits requests, decodes what runs together, keeps the KV cache for the next one."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from pathlib import Path

from home_llm.engine.adapters import AdapterChange, AdapterShelf, AdapterUse
from home_llm.engine.cache import PrefixCache
from home_llm.engine.constraint import Matcher
from home_llm.engine.generation import FinishReason, Generation, GenerationRequest
from home_llm.engine.persistence import PrefixKeeper, PrefixStore
from home_llm.engine.scheduler import plan
from home_llm.engine.sequence import Sequence
from home_llm.engine.speculation import Gauge
from home_llm.engine.thinking import MatcherMaker
from home_llm.engine.threads import ThreadChooser
from home_llm.engine.totals import Totals
from home_llm.llama import Batch, CacheFullError, CacheType, Context, DecodeAbortedError, Model, build_info, state_size

_LOGGER = logging.getLogger(__name__)

# Decodes below this many tokens are over before an abort is worth it.
_WORTH_ABORTING = 16

# A recurrent memory takes megabytes for each sequence, used or not. So much of it is fine, and so many sequences are
# needed: two that run, and two that are kept.
_STATES_BUDGET = 256 << 20
_FEWEST_SEQUENCES = 4


class EngineClosedError(Exception):
    """The engine has been closed, because the model was unloaded or the server is stopping."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model.

    Attributes:
        n_ctx: tokens of context, shared by everything that runs and is cached.
        threads: most threads to compute with; 0 is all that this process may use.
        n_batch: most tokens of one decode.
        n_parallel: most requests that run together.
        n_cached: sequences that are kept for their prefixes beside those.
        cache_type: how the KV cache is kept, `f16`, `q8_0` or `q4_0`; `f32` is for comparing answers.
        parking_budget: most bytes of memory for prefixes that wait outside the cells.
        prefixes: folder for prefixes that survive a restart; None keeps none.
        prefixes_budget: most bytes of them.
        identity: of the weights, so that no prefix of others is taken for theirs.
        speculate: guess at repeated phrases, where that is measured to pay.
        adapters: LoRA adapters to begin with.
    """

    n_ctx: int
    threads: int = 0
    n_batch: int = 512
    n_parallel: int = 8
    n_cached: int = 16
    cache_type: CacheType = "f16"
    parking_budget: int = 256 << 20
    prefixes: Path | None = None
    prefixes_budget: int = 256 << 20
    identity: str = ""
    speculate: bool = True
    adapters: tuple[AdapterUse, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a sequence has in a batch.

    Attributes:
        sequence: whose.
        count: how many of its pending tokens.
        index: where the logits of the last of them are.
        drafts: guesses at what follows, after them.
    """

    sequence: Sequence
    count: int
    index: int
    drafts: list[int]


class Engine:
    """Owns a model's context in a thread of its own.

    Raises:
        ModelLoadError: from the constructor, when the context cannot be made or an adapter not be loaded.
    """

    def __init__(self, model: Model, options: EngineOptions) -> None:
        self.model = model
        self._options = options = _affordable(model, options)
        self._threads = ThreadChooser(options.threads)
        self._adapters = AdapterShelf(model, options.adapters)
        self._context = Context(
            model,
            n_ctx=options.n_ctx,
            n_batch=options.n_batch,
            n_sequences=options.n_parallel + options.n_cached,
            threads=self._threads.threads(),
            cache_type=options.cache_type,
        )
        self._adapters.apply(self._context)
        self.n_ctx = self._context.n_ctx
        self._batch = Batch(self._context.n_batch)
        self._cache = PrefixCache(self._context, parking_budget=options.parking_budget, whole_only=model.is_recurrent)
        self._constraints = MatcherMaker(model)
        self._inbox: queue.SimpleQueue[tuple[Generation, Matcher | None] | AdapterChange | None] = queue.SimpleQueue()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._prefill_rate = 0.0
        self._gauge = Gauge()
        self._can_guess = options.speculate and not model.is_recurrent
        self._keeper = self._make_keeper()
        self.totals = Totals()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: set[Generation] = set()
        self._idle_since: float | None = time.monotonic()
        # What the decode under way is reading prompts for: cancelling one of these is worth an abort.
        self._reading: frozenset[Generation] = frozenset()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def _make_keeper(self) -> PrefixKeeper | None:
        options = self._options
        if options.prefixes is None:
            return None
        fingerprint = f"{options.identity}|{self.model.description}|{build_info()}|{options.cache_type}"
        fingerprint += f"|{self._adapters.fingerprint}"
        store = PrefixStore(options.prefixes, fingerprint, options.prefixes_budget)
        return PrefixKeeper(store, self._cache)

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue a request and return at once.

        Raises:
            ConstraintError: the constraint cannot be compiled, or admits no text at all.
            EngineClosedError: after `close`.
            ValueError: the prompt is empty or does not leave room for one token.
        """
        if not 0 < len(request.prompt) < self.n_ctx:
            raise ValueError(f"the prompt has {len(request.prompt)} tokens and the context {self.n_ctx}")
        matcher = self._constraints.matcher(request.constraint, request.thinking)
        generation = _EngineGeneration(request, self)
        with self._lock:
            if self._closed.is_set():
                raise EngineClosedError("the model has been unloaded")
            self._open.add(generation)
            self._idle_since = None
            self._inbox.put((generation, matcher))
        return generation

    @property
    def idle_since(self) -> float | None:
        """When the last request ended, as `time.monotonic` tells it; None while one runs or waits."""
        return self._idle_since

    @property
    def adapters(self) -> tuple[AdapterUse, ...]:
        """The LoRA adapters that are loaded, with their scales."""
        return self._adapters.uses

    def set_adapters(self, uses: SequenceOf[AdapterUse], *, timeout: float | None = None) -> None:
        """Apply these adapters in place of those before; waits until it is done.

        What runs ends with the adapters that it began with, and what comes after it waits for the change. Prefixes in
        the cache are forgotten where the change has an effect on them.

        Args:
            uses: the adapters.
            timeout: seconds to wait for what runs.

        Raises:
            AdapterError: one cannot be loaded; nothing has changed then.
            EngineClosedError: after `close`.
            TimeoutError: what runs has not ended in time; nothing has changed then.
        """
        change = AdapterChange(tuple(uses))
        with self._lock:
            if self._closed.is_set():
                raise EngineClosedError("the model has been unloaded")
            self._inbox.put(change)
        change.wait(timeout)

    def cancel_all(self) -> None:
        """Cancel every generation that runs or waits."""
        with self._lock:
            generations = list(self._open)
        for generation in generations:
            generation.cancel()

    def close(self) -> None:
        """Cancel everything, end the thread and free the context; the model stays."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
        self.cancel_all()
        self._inbox.put(None)
        self._thread.join()
        self._batch.close()
        self._context.close()
        self._adapters.close()

    def abort_if_reading(self, generation: Generation) -> None:
        """Interrupt the decode under way when it reads this generation's prompt."""
        with self._lock:
            if generation in self._reading:
                self._context.abort(requested=True)

    def _run(self) -> None:
        if self._keeper is not None:
            self._keeper.restore()
        while self._receive():
            self._drop_cancelled()
            self._change_adapters()
            self._admit()
            self.totals.running, self.totals.waiting = len(self._running), len(self._waiting)
            if self._running:
                self._step()
        for sequence in [*self._running, *self._waiting]:
            if sequence.generation.cancelled.is_set():
                sequence.finish(FinishReason.CANCELLED)
            else:
                sequence.fail(EngineClosedError("the model has been unloaded"))
            self._leave(sequence)
        self._adapters.refuse(EngineClosedError("the model has been unloaded"))
        if self._keeper is not None:
            self._keeper.save()

    def _receive(self) -> bool:
        """Take what is in the inbox, waiting for it only when there is nothing else to do; False ends the thread."""
        block = not self._running and not self._waiting and not self._adapters.wished
        while True:
            try:
                item = self._inbox.get(block=block, timeout=self._keeper.seconds_until_due() if self._keeper else None)
            except queue.Empty:
                if block and self._keeper is not None:
                    # Nobody has wanted anything for a while.
                    self._keeper.save()
                return True
            if item is None:
                return False
            if block:
                self._threads.wake()
            block = False
            if isinstance(item, AdapterChange):
                self._adapters.wish(item)
                continue
            generation, matcher = item
            self._waiting.append(Sequence(generation, self.model, self._context, matcher))

    def _drop_cancelled(self) -> None:
        for sequence in [*self._running, *self._waiting]:
            if sequence.generation.cancelled.is_set():
                sequence.finish(FinishReason.CANCELLED)
                self._leave(sequence)

    def _change_adapters(self) -> None:
        """Apply the adapters that are wished for, once everything that began with those before has ended."""
        while self._adapters.wished and not self._running and not any(one.admitted for one in self._waiting):
            if self._adapters.change_next(self._context):
                # What is cached was read with the adapters before.
                self._cache.clear()
                self._keeper = self._make_keeper()
                if self._keeper is not None:
                    self._keeper.restore()

    def _admit(self) -> None:
        """Let waiting requests run: people before background work, and in the order they came.

        While adapters wait to be changed, only what had begun before may go on.
        """
        waiting = [sequence for sequence in self._waiting if sequence.admitted or not self._adapters.wished]
        for sequence in sorted(waiting, key=lambda sequence: sequence.request.background):
            if len(self._running) >= self._options.n_parallel or not self._fits(sequence):
                return
            # The last token of a prompt is always decoded: its logits choose the first token of the answer.
            reuse = len(sequence.tokens) - (0 if sequence.request.max_tokens == 0 else 1)
            prompt = tuple(sequence.tokens)
            cached = self._cache.acquire(prompt, reuse=reuse)
            if cached is None:
                return
            sequence.keep_at = self._cache.worth_keeping(prompt, held=len(cached.tokens), reuse=reuse)
            self._waiting.remove(sequence)
            self._running.append(sequence)
            try:
                sequence.begin(cached)
            except Exception as error:
                _LOGGER.exception("A request could not begin")
                sequence.fail(error)
            if sequence.pending == 0 and not sequence.finished:
                # A prefix to be warmed that was warm.
                sequence.finish(FinishReason.LENGTH)
            if sequence.finished:
                self._leave(sequence)

    def _fits(self, sequence: Sequence) -> bool:
        """Return whether there are cells for a prompt beside those of what runs; what is only cached gives way."""
        if not self._running:
            return True
        shared = self._cache.longest_prefix(tuple(sequence.tokens))
        taken = sum(len(running.tokens) for running in self._running)
        return taken + len(sequence.tokens) - shared < self.n_ctx

    def _step(self) -> None:
        """Do one decode, and let what it completes choose its next tokens."""
        shares = plan(
            self._running,
            capacity=self._context.n_batch,
            prefill_rate=self._prefill_rate,
            now=time.perf_counter(),
        )
        self._batch.clear()
        # Guesses are for who is alone: others make better use of a larger batch.
        guesses = self._gauge.wanted() if self._can_guess and len(shares) == 1 else 0
        parts = [self._add(self._running[share.index], share.count, guesses) for share in shares]
        started = time.perf_counter()
        if not self._decode(parts):
            return
        right = 0
        for part in parts:
            part.sequence.took(part.count)
            if part.sequence.cached is not None and part.sequence.in_cache == part.sequence.keep_at:
                self._cache.keep(part.sequence.cached)
            if part.sequence.pending == 0:
                right = self._advance(part)
        if len(parts) == 1 and parts[0].count == 1:
            self._gauge.note(time.perf_counter() - started, drafted=len(parts[0].drafts), right=right)

    def _add(self, sequence: Sequence, count: int, guesses: int) -> _Part:
        """Put pending tokens into the batch, and guesses at what follows them."""
        start = sequence.in_cache
        if start < sequence.keep_at:
            count = min(count, sequence.keep_at - start)
        number = sequence.cached.number if sequence.cached else 0
        complete = count == sequence.pending
        drafts = sequence.drafts(guesses) if guesses and complete else []
        index = self._batch.add(
            [*sequence.tokens[start : start + count], *drafts],
            position=start,
            sequence=number,
            logits=1 + len(drafts) if complete else 0,
        )
        return _Part(sequence, count, index, drafts)

    def _decode(self, parts: list[_Part]) -> bool:
        """Decode the batch; return whether it was done. Otherwise the next step tries again, as far as that helps."""
        threads = self._threads.threads()
        self._context.set_threads(threads, threads)
        size = len(self._batch)
        with self._lock:
            reading = (part.sequence.generation for part in parts if part.count >= _WORTH_ABORTING)
            self._reading = frozenset(reading)
        started = time.perf_counter()
        try:
            self._context.decode(self._batch)
        except DecodeAbortedError:
            self._restore(parts)
            return False
        except CacheFullError as error:
            self._make_room(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever broke is the answer to these requests; the engine goes on
            self._restore(parts)
            for part in parts:
                part.sequence.fail(error)
                self._leave(part.sequence)
            return False
        finally:
            with self._lock:
                self._reading = frozenset()
                self._context.abort(requested=False)
        self.totals.decodes += 1
        if size >= _WORTH_ABORTING:
            self._prefill_rate = size / (time.perf_counter() - started)
        return True

    def _restore(self, parts: list[_Part]) -> None:
        """Forget what an interrupted decode, or a wrong guess, has left in the KV cache."""
        for part in parts:
            if (cached := part.sequence.cached) is not None:
                left = self._context.truncate(cached.number, len(cached.tokens))
                del cached.tokens[left:]

    def _make_room(self, error: CacheFullError) -> None:
        """Park a cached prefix, or make the request that came last wait; what is alone must end."""
        if self._cache.give_way():
            return
        *others, last = self._running
        if not others:
            last.fail(error)
            self._leave(last)
            return
        _LOGGER.debug("The context is full: a request waits until another has ended")
        self._running.remove(last)
        if last.cached is not None:
            self._cache.empty(last.cached)
            self._cache.release(last.cached)
            last.cached = None
        self._waiting.appendleft(last)

    def _advance(self, part: _Part) -> int:
        """Let a sequence choose what comes next; return how many guesses were right."""
        right = 0
        try:
            right = part.sequence.advance(part.index, part.drafts)
        except Exception as error:  # noqa: BLE001 - as in _decode
            part.sequence.fail(error)
        if right < len(part.drafts):
            self._restore([part])
        if part.sequence.finished:
            self._leave(part.sequence)
        return right

    def _leave(self, sequence: Sequence) -> None:
        """Give up the place of a sequence that has ended; what it has read stays in the cache."""
        self.totals.add(sequence.timings())
        if sequence in self._running:
            self._running.remove(sequence)
        else:
            self._waiting.remove(sequence)
        if sequence.cached is not None:
            self._cache.release(sequence.cached, pinned=sequence.request.pinned)
            sequence.cached = None
            if self._keeper is not None:
                self._keeper.touch()
        with self._lock:
            self._open.discard(sequence.generation)
            if not self._open:
                self._idle_since = time.monotonic()


def _affordable(model: Model, options: EngineOptions) -> EngineOptions:
    """Return the options with as few sequences as the states of a recurrent memory leave room for."""
    state = state_size(model)
    most = max(_STATES_BUDGET // state, _FEWEST_SEQUENCES) if state else 0
    if not 0 < most < options.n_parallel + options.n_cached:
        return options
    _LOGGER.info("Each sequence takes %d MB: %d are kept, at most %d run together", state >> 20, most, most // 2)
    n_parallel = min(options.n_parallel, most // 2)
    return replace(options, n_parallel=n_parallel, n_cached=most - n_parallel)


class _EngineGeneration(Generation):
    """A generation whose cancellation also interrupts the decode under way."""

    def __init__(self, request: GenerationRequest, engine: Engine) -> None:
        super().__init__(request)
        self._engine = engine

    def cancel(self) -> None:
        super().cancel()
        self._engine.abort_if_reading(self)
