"""The engine thread: admits requests, decodes what runs together, keeps the KV cache for the next one."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from typing import TypeVar

from home_llm.engine.adapters import AdapterChange, AdapterShelf, AdapterUse
from home_llm.engine.cache import PrefixCache
from home_llm.engine.constraint import Matcher
from home_llm.engine.decoding import Decoder, Part
from home_llm.engine.generation import FinishReason, Generation, GenerationRequest
from home_llm.engine.options import EngineOptions, affordable
from home_llm.engine.persistence import PrefixKeeper, PrefixStore
from home_llm.engine.sequence import Sequence
from home_llm.engine.slots import Errand, Slots
from home_llm.engine.thinking import MatcherMaker
from home_llm.engine.threads import ThreadChooser
from home_llm.engine.totals import Totals
from home_llm.llama import CacheFullError, Context, DecodeAbortedError, Model, build_info

_LOGGER = logging.getLogger(__name__)

Result = TypeVar("Result")


class EngineClosedError(Exception):
    """The engine has been closed, because the model was unloaded or the server is stopping."""


class Engine:
    """Owns a model's context in a thread of its own.

    Raises:
        ModelLoadError: from the constructor, when the context cannot be made or an adapter not be loaded.
    """

    def __init__(self, model: Model, options: EngineOptions) -> None:
        self.model = model
        self._options = options = affordable(model, options)
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
        self.n_parallel = options.n_parallel
        self._decoder = Decoder(
            self._context, self._threads, speculate=options.speculate, can_guess=not model.is_recurrent
        )
        self._cache = PrefixCache(self._context, parking_budget=options.parking_budget, whole_only=model.is_recurrent)
        self._constraints = MatcherMaker(model)
        self._inbox: queue.SimpleQueue[tuple[Generation, Matcher | None] | AdapterChange | Errand | None] = (
            queue.SimpleQueue()
        )
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._keeper = self._make_keeper()
        self._slots = Slots(self._cache, self._fingerprint)
        self.totals = Totals()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: set[Generation] = set()
        self._idle_since: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def _make_keeper(self) -> PrefixKeeper | None:
        options = self._options
        if options.prefixes is None:
            return None
        store = PrefixStore(options.prefixes, self._fingerprint, options.prefixes_budget)
        return PrefixKeeper(store, self._cache)

    @property
    def _fingerprint(self) -> str:
        """What a saved state depends on."""
        options = self._options
        own = f"{options.identity}|{self.model.description}|{build_info()}|{options.cache_type}"
        return f"{own}|{self._adapters.fingerprint}"

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
        generation = _EngineGeneration(request, self._decoder)
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

    def with_slots(self, work: Callable[[Slots], Result]) -> Result:
        """Do something with the slots in the engine's thread, between two decodes, and return what it does.

        Raises:
            SlotError, OSError: from the work.
            EngineClosedError: after `close`.
        """
        errand = Errand(lambda: work(self._slots))
        with self._lock:
            if self._closed.is_set():
                raise EngineClosedError("the model has been unloaded")
            self._inbox.put(errand)
        result: Result = errand.done.result()
        return result

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
        self._decoder.close()
        self._context.close()
        self._adapters.close()

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
            if isinstance(item, Errand):
                item.run()
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
                self._slots = Slots(self._cache, self._fingerprint)
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
        try:
            parts = self._decoder.decode(self._running)
        except DecodeAbortedError:
            return
        except CacheFullError as error:
            self._make_room(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever broke is the answer to these requests; the engine goes on
            for sequence in list(self._running):
                sequence.fail(error)
                self._leave(sequence)
            return
        self.totals.decoded(len(parts))
        right = 0
        for part in parts:
            sequence = part.sequence
            sequence.took(part.count)
            if sequence.cached is not None and sequence.in_cache == sequence.keep_at:
                self._cache.keep(sequence.cached)
            if sequence.pending == 0:
                right = self._advance(part)
        self._decoder.note(parts, right)

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

    def _advance(self, part: Part) -> int:
        """Let a sequence choose what comes next; return how many guesses were right."""
        right = 0
        try:
            right = part.sequence.advance(part.index, part.drafts)
        except Exception as error:  # noqa: BLE001 - as in _decode
            part.sequence.fail(error)
        if part.speculative and part.drafts:
            self.totals.guessed(len(part.drafts), right)
        if right < len(part.drafts):
            self._decoder.restore(part.sequence)
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
        # Where it was the last one, nothing else is done before somebody looks.
        self.totals.running, self.totals.waiting = len(self._running), len(self._waiting)
        if sequence.cached is not None:
            if sequence.request.slot is not None and sequence.request.slot < self.n_parallel:
                self._slots.note(sequence.request.slot, sequence.cached.tokens)
            self._cache.release(sequence.cached, pinned=sequence.request.pinned)
            sequence.cached = None
            if self._keeper is not None:
                self._keeper.touch()
        with self._lock:
            self._open.discard(sequence.generation)
            if not self._open:
                self._idle_since = time.monotonic()


class _EngineGeneration(Generation):
    """A generation whose cancellation also interrupts the decode under way."""

    def __init__(self, request: GenerationRequest, decoder: Decoder) -> None:
        super().__init__(request)
        self._decoder = decoder

    def cancel(self) -> None:
        super().cancel()
        self._decoder.abort_if_reading(self)
