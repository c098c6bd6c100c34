"""The engine thread: admits requests, steps the running sequences, keeps the KV cache for the next one."""

import logging
import os
import queue
import threading
from collections import deque
from dataclasses import dataclass

from home_llm.engine.constraint import ConstraintCompiler, Matcher
from home_llm.engine.generation import Failed, Generation, GenerationRequest
from home_llm.engine.sequence import Sequence
from home_llm.llama import Context, Model

_LOGGER = logging.getLogger(__name__)


class EngineClosedError(Exception):
    """The engine has been closed, because the model was unloaded or the server is stopping."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model.

    Attributes:
        n_ctx: tokens of context.
        threads: threads to compute with; 0 is all that this process may use.
        n_batch: most tokens of one decode.
    """

    n_ctx: int
    threads: int = 0
    n_batch: int = 512


class Engine:
    """Owns a model's context in a thread of its own.

    Raises:
        ModelLoadError: from the constructor, when the context cannot be made.
    """

    def __init__(self, model: Model, options: EngineOptions) -> None:
        self.model = model
        threads = options.threads or len(os.sched_getaffinity(0))
        self._context = Context(model, n_ctx=options.n_ctx, n_batch=options.n_batch, threads=threads)
        self.n_ctx = self._context.n_ctx
        self._constraints = ConstraintCompiler(model)
        self._inbox: queue.SimpleQueue[tuple[Generation, Matcher | None] | None] = queue.SimpleQueue()
        self._waiting: deque[tuple[Generation, Matcher | None]] = deque()
        self._running: Sequence | None = None
        # What the KV cache holds of each sequence that has ended; one sequence for now.
        self._cached: list[int] = []
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: set[Generation] = set()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue a request and return at once.

        Raises:
            ConstraintError: the constraint cannot be compiled.
            EngineClosedError: after `close`.
            ValueError: the prompt is empty or does not leave room for one token.
        """
        if not 0 < len(request.prompt) < self.n_ctx:
            raise ValueError(f"the prompt has {len(request.prompt)} tokens and the context {self.n_ctx}")
        matcher = self._constraints.matcher(request.constraint) if request.constraint else None
        generation = _EngineGeneration(request, self)
        with self._lock:
            if self._closed.is_set():
                raise EngineClosedError("the model has been unloaded")
            self._open.add(generation)
            self._inbox.put((generation, matcher))
        return generation

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
        self._context.close()

    def abort_if_running(self, generation: Generation) -> None:
        """Interrupt the decode that is under way when it is this generation's.

        The lock keeps `_running` in place meanwhile: an abort never hits the generation that follows.
        """
        with self._lock:
            if self._running is not None and self._running.generation is generation:
                self._context.abort(requested=True)

    def _run(self) -> None:
        while self._receive():
            if self._running is None:
                self._admit()
            if self._running is not None:
                self._running.step()
                if self._running.finished:
                    self._release(self._running)
        for generation, _ in self._waiting:
            generation.put(Failed(EngineClosedError("the model has been unloaded")))

    def _receive(self) -> bool:
        """Take what is in the inbox, waiting for it only when there is nothing else to do; False ends the thread."""
        idle = self._running is None and not self._waiting
        while True:
            try:
                item = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if item is None:
                if self._running is not None:
                    # close() has cancelled it: its next step ends it and tells its reader.
                    self._running.step()
                    self._release(self._running)
                return False
            self._waiting.append(item)
            idle = False

    def _admit(self) -> None:
        if not self._waiting:
            return
        generation, matcher = self._waiting.popleft()
        prompt = generation.request.prompt
        # The last token of the prompt is always decoded: its logits choose the first token of the answer.
        keep = min(_common_prefix(self._cached, prompt), len(prompt) - 1)
        keep = self._context.truncate(keep)
        self._cached = self._cached[:keep]
        sequence = Sequence(generation, self.model, self._context, matcher=matcher, cached=keep)
        with self._lock:
            self._running = sequence

    def _release(self, sequence: Sequence) -> None:
        self._cached = sequence.tokens
        with self._lock:
            self._running = None
            self._context.abort(requested=False)
            self._open.discard(sequence.generation)


class _EngineGeneration(Generation):
    """A generation whose cancellation also interrupts the decode under way."""

    def __init__(self, request: GenerationRequest, engine: Engine) -> None:
        super().__init__(request)
        self._engine = engine

    def cancel(self) -> None:
        super().cancel()
        self._engine.abort_if_running(self)


def _common_prefix(left: list[int], right: tuple[int, ...]) -> int:
    """Return how many tokens two sequences share from the start."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
