"""The room where vectors are made: a context of its own beside the engine's, for one text at a time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from home_llm.engine import EngineClosedError
from home_llm.engine.threads import ThreadChooser
from home_llm.llama import Embedder, Model, ModelLoadError, dimensions
from home_llm.runtime.state import NotReadyError

# The context takes memory that the plan did not count, so it is small, and made as large as texts need.
_LONGEST = 2048
_STEP = 512


class Embeddings:
    """Makes vectors with a loaded model. Safe for several threads, which take turns.

    Its context is made with the first text, and again where a longer one comes. Adapters have no effect on it.

    Args:
        model: the model; must outlive this.
        n_ctx: tokens of the model's own context; texts have no more.
        threads: most threads to compute with; 0 is all that this process may use.
    """

    def __init__(self, model: Model, *, n_ctx: int, threads: int) -> None:
        self.model = model
        self.dimensions = dimensions(model)
        self.longest = min(n_ctx, _LONGEST)
        self._cores = threads
        self._lock = threading.Lock()
        self._threads: ThreadChooser | None = None
        self._embedder: Embedder | None = None
        self._closed = False
        self._waiting = 0
        self._used = time.monotonic()
        self._count = threading.Lock()

    @property
    def idle_since(self) -> float | None:
        """When the last text was done, as `time.monotonic` tells it; None while there is one."""
        with self._count:
            return None if self._waiting else self._used

    def embed(self, tokens: Sequence[int], *, stop: Callable[[], bool]) -> npt.NDArray[np.float32] | None:
        """Return the vector of a text, shape (dimensions,), not normalised; None when `stop` said so.

        Args:
            tokens: 1 to `longest` of them.
            stop: asked now and then.

        Raises:
            EngineClosedError: the model has been unloaded.
            NotReadyError: there is no memory for the context.
        """
        with self._busy(), self._lock:
            if self._closed:
                raise EngineClosedError("the model has been unloaded")
            if self._threads is None:
                self._threads = ThreadChooser(self._cores)
            self._threads.wake()
            embedder = self._made(len(tokens), self._threads.threads())
            vector = embedder.embed(tokens, stop=stop)
            if self._closed:
                raise EngineClosedError("the model has been unloaded")
            return vector

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
        with self._count:
            self._waiting += 1
        try:
            yield
        finally:
            with self._count:
                self._waiting -= 1
                self._used = time.monotonic()

    def _made(self, length: int, threads: int) -> Embedder:
        """Return an embedder with room for so many tokens."""
        if self._embedder is None or self._embedder.n_ctx < length:
            self._free()
            try:
                self._embedder = Embedder(self.model, n_ctx=-(-length // _STEP) * _STEP, threads=threads)
            except ModelLoadError as error:
                raise NotReadyError(str(error), 30) from error
        self._embedder.set_threads(threads)
        return self._embedder

    def _free(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None
