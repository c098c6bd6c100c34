"""The room where vectors and ranks are made: a context of its own beside the engine's, for one text at a time."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from home_llm.chat.guard import SpecialTokenGuard
from home_llm.chat.ranking import pair_tokens
from home_llm.engine import EngineClosedError, Totals
from home_llm.engine.threads import ThreadChooser
from home_llm.llama import Embedder, Model, ModelLoadError, Pooling, dimensions
from home_llm.runtime.state import NotReadyError

# The context takes memory that the plan did not count, so it is small, and made as large as texts need.
_LONGEST = 2048
_STEP = 512

Result = TypeVar("Result")


class Embeddings:
    """Makes vectors with a loaded model, or ranks. Safe for several threads, which take turns.

    Its context is made with the first text, and again where a longer one comes. Adapters have no effect on it.

    Args:
        model: the model; must outlive this.
        n_ctx: tokens of the model's own context; texts have no more.
        threads: most threads to compute with; 0 is all that this process may use.
        pooling: what is taken of a text.
        ranks: whether the model scores how well a document answers a question.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        threads: int,
        pooling: Pooling = "mean",
        ranks: bool = False,
    ) -> None:
        self.model = model
        self.dimensions = dimensions(model)
        self.longest = min(n_ctx, _LONGEST) if model.is_causal else min(n_ctx, _LONGEST, model.n_ctx_train)
        self.pooling = pooling
        self.ranks = ranks
        self.totals = Totals()
        self._cores = threads
        self._lock = threading.Lock()
        self._threads: ThreadChooser | None = None
        self._embedder: Embedder | None = None
        self._closed = False
        self._waiting = 0
        self._used = time.monotonic()
        self._counting = threading.Lock()

    @property
    def idle_since(self) -> float | None:
        """When the last text was done, as `time.monotonic` tells it; None while there is one."""
        with self._counting:
            return None if self._waiting else self._used

    def embed(self, tokens: Sequence[int], *, stop: Callable[[], bool]) -> npt.NDArray[np.float32] | None:
        """Return the vector of a text, not normalised; None when `stop` said so.

        Its shape is (dimensions,), or (tokens, dimensions) with the pooling `none`.

        Args:
            tokens: 1 to `longest` of them.
            stop: asked now and then.

        Raises:
            EngineClosedError: the model has been unloaded.
            NotReadyError: there is no memory for the context.
        """
        return self._work(tokens, lambda embedder: embedder.embed(tokens, pooling=self.pooling, stop=stop))

    def rank(self, tokens: Sequence[int], *, stop: Callable[[], bool]) -> float | None:
        """Return how well a document answers a question, by the tokens of both; None when `stop` said so.

        Only where the model `ranks`. It takes and raises what `embed` does.
        """
        return self._work(tokens, lambda embedder: embedder.rank(tokens, stop=stop), ranks=True)

    def pair(self, query: str, document: str) -> list[int]:
        """Return the tokens of a question and a document, as the model reads them that ranks."""
        return pair_tokens(self.model, self._guard, query, document)

    @functools.cached_property
    def _guard(self) -> SpecialTokenGuard:
        return SpecialTokenGuard(self.model)

    def _work(self, tokens: Sequence[int], read: Callable[[Embedder], Result], *, ranks: bool = False) -> Result:
        with self._busy(), self._lock:
            if self._closed:
                raise EngineClosedError("the model has been unloaded")
            if self._threads is None:
                self._threads = ThreadChooser(self._cores)
            self._threads.wake()
            embedder = self._made(len(tokens), self._threads.threads(), ranks=ranks)
            started = time.perf_counter()
            result = read(embedder)
            if self._closed:
                raise EngineClosedError("the model has been unloaded")
            if result is not None:
                self._count_in(len(tokens), embedder.batch, time.perf_counter() - started)
            return result

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep texts waiting for the length of the block, while the model changes under them."""
        with self._lock:
            yield

    def close(self) -> None:
        """End the text under way, and free the context."""
        self._closed = True
        embedder = self._embedder
        if embedder is not None:
            embedder.abort()
        with self._lock:
            self._free()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        with self._counting:
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1
                self._used = time.monotonic()

    def _count_in(self, tokens: int, batch: int, seconds: float) -> None:
        """Add a text of so many tokens, read in batches of so many."""
        self.totals.requests += 1
        self.totals.prompt_tokens += tokens
        self.totals.prompt_seconds += seconds
        self.totals.most_tokens = max(self.totals.most_tokens, tokens)
        for _ in range(0, tokens, batch):
            self.totals.decoded(1)

    def _made(self, length: int, threads: int, *, ranks: bool) -> Embedder:
        """Return an embedder with room for so many tokens, or what ranks them."""
        if self._embedder is None or self._embedder.n_ctx < length or self._embedder.ranks != ranks:
            self._free()
            n_ctx = -(-length // _STEP) * _STEP
            try:
                self._embedder = Embedder(self.model, n_ctx=n_ctx, threads=threads, ranks=ranks)
            except ModelLoadError as error:
                raise NotReadyError(str(error), 30) from error
        self._embedder.set_threads(threads)
        return self._embedder

    def _free(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None
