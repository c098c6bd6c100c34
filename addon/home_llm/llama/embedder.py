"""Vectors of texts: a context that gives what the model makes of each token, before it guesses the next one."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Literal

import llama_cpp
import numpy as np
import numpy.typing as npt

from home_llm.llama import library
from home_llm.llama.context import ABORTED, Batch, DecodeError, read_flag
from home_llm.llama.model import Model, ModelLoadError

# Tokens of one decode. llama.cpp keeps the logits of all of them too, which nobody reads and which are as many as the
# vocabulary for each; larger batches are no faster.
_BATCH = 64

Pooling = Literal["mean", "cls", "last", "none"]
"""What of a text is taken: the mean of its tokens, its first or its last token, or each of them."""

# llama.h, enum llama_pooling_type; what is not here, models do not have as their own.
_OWN_POOLING: dict[str, Pooling] = {"1": "mean", "2": "cls", "3": "last"}


class Embedder:
    """Makes vectors of a sequence of tokens from what the model's last layer says of each; or ranks by it.

    What is taken of the tokens is taken here and not by llama.cpp, which needs the whole sequence in one decode for a
    mean. A rank is the model's own last step, and llama.cpp's.

    For one thread at a time, except for `abort`.

    Args:
        model: the model; must outlive the embedder.
        n_ctx: most tokens of a sequence.
        threads: threads to compute with.
        ranks: it ranks, and makes no vectors.

    Raises:
        ModelLoadError: no memory for the context.
    """

    def __init__(self, model: Model, *, n_ctx: int, threads: int, ranks: bool = False) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = n_ctx
        # Where every token sees those after it, all of them are read at once.
        parameters.n_batch = parameters.n_ubatch = min(_BATCH, n_ctx) if model.is_causal else n_ctx
        parameters.n_seq_max = 1
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.embeddings = True
        parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_RANK if ranks else llama_cpp.LLAMA_POOLING_TYPE_NONE
        parameters.no_perf = True
        library.last_error()
        self._handle: Any = llama_cpp.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            reason = library.last_error() or "not enough memory"
            raise ModelLoadError(f"llama.cpp cannot make a context for embeddings: {reason}.")
        self.ranks = ranks
        self.n_ctx: int = llama_cpp.llama_n_ctx(self._handle)
        self.dimensions = dimensions(model)
        self.batch = int(llama_cpp.llama_n_batch(self._handle))
        self._batch = Batch(self.batch)
        self._memory: Any = llama_cpp.llama_get_memory(self._handle)
        self._abort_flag = ctypes.create_string_buffer(2)
        llama_cpp.llama_set_abort_callback(self._handle, read_flag, ctypes.cast(self._abort_flag, ctypes.c_void_p))

    def close(self) -> None:
        """Free the context."""
        if self._handle:
            self._batch.close()
            llama_cpp.llama_free(self._handle)
            self._handle = None

    def abort(self) -> None:
        """Make `embed` return at once, now and ever after. May be called from any thread."""
        library.expect_errors(expected=True)
        self._abort_flag[0] = b"\x01"

    def set_threads(self, threads: int) -> None:
        """Set the threads of what follows."""
        llama_cpp.llama_set_n_threads(self._handle, threads, threads)

    def embed(
        self, tokens: Sequence[int], *, pooling: Pooling = "mean", stop: Callable[[], bool] = lambda: False
    ) -> npt.NDArray[np.float32] | None:
        """Return the vector of a sequence, not normalised; None when it was stopped or aborted.

        Its shape is (dimensions,), or (tokens, dimensions) where nothing is pooled.

        Args:
            tokens: 1 to `n_ctx` of them.
            pooling: what is taken of them.
            stop: asked every 64 tokens.

        Raises:
            DecodeError: llama.cpp failed.
        """
        kept: list[npt.NDArray[np.float32]] = []
        total = np.zeros(self.dimensions, np.float64)

        def take(count: int) -> None:
            rows = [self._embedding(index) for index in range(count)]
            if pooling == "mean":
                total[:] += np.sum(rows, axis=0, dtype=np.float64)
            elif pooling == "none":
                kept.extend(row.copy() for row in rows)
            elif pooling == "last" or not kept:
                kept[:] = [rows[-1 if pooling == "last" else 0].copy()]

        if not self._read(tokens, take, stop):
            return None
        if pooling == "mean":
            return (total / len(tokens)).astype(np.float32)
        return np.stack(kept) if pooling == "none" else kept[0]

    def rank(self, tokens: Sequence[int], *, stop: Callable[[], bool] = lambda: False) -> float | None:
        """Return how well a document answers a question, as the model scores the sequence of both.

        None when it was stopped or aborted. Only of an embedder that `ranks`.

        Args:
            tokens: 1 to `n_ctx` of them.
            stop: asked every 64 tokens.

        Raises:
            DecodeError: llama.cpp failed.
        """
        if not self._read(tokens, lambda _count: None, stop):
            return None
        pointer = llama_cpp.llama_get_embeddings_seq(self._handle, 0)
        if not pointer:
            raise DecodeError("llama.cpp gives no scores for this model")
        return float(pointer[0])

    def _read(self, tokens: Sequence[int], take: Callable[[int], None], stop: Callable[[], bool]) -> bool:
        """Decode a sequence, calling `take` with how many tokens each decode had; False when it was stopped."""
        llama_cpp.llama_memory_clear(self._memory, True)
        for start in range(0, len(tokens), self.batch):
            if stop():
                return False
            part = tokens[start : start + self.batch]
            self._batch.clear()
            self._batch.add(part, position=start, sequence=0, logits=len(part))
            result = llama_cpp.llama_decode(self._handle, self._batch.handle)
            if result == ABORTED:
                library.expect_errors(expected=False)
                return False
            if result != 0:
                raise DecodeError(f"llama.cpp failed to read a text ({result}): {library.last_error() or 'unknown'}")
            take(len(part))
        return True

    def _embedding(self, index: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_embeddings_ith(self._handle, index)
        if not pointer:
            raise DecodeError("llama.cpp gives no embeddings for this model")
        return np.ctypeslib.as_array(pointer, shape=(self.dimensions,))


def dimensions(model: Model) -> int:
    """Return how many components the vectors of a model have."""
    return int(llama_cpp.llama_model_n_embd_out(model.handle))


def own_pooling(model: Model) -> Pooling:
    """Return what the file of a model says is to be taken of a text; the mean where it says nothing."""
    return _OWN_POOLING.get(model.own_fact("pooling_type") or "", "mean")
