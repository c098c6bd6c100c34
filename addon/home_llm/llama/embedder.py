"""Vectors of texts: a context that gives what the model makes of each token, before it guesses the next one."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from home_llm.llama import library
from home_llm.llama.context import ABORTED, Batch, DecodeError, read_flag
from home_llm.llama.model import Model, ModelLoadError

# Tokens of one decode. llama.cpp keeps the logits of all of them too, which nobody reads and which are as many as the
# vocabulary for each; larger batches are no faster.
_BATCH = 64


class Embedder:
    """Makes one vector of a sequence of tokens: the mean of what the model's last layer says of each.

    The mean is taken here and not by llama.cpp, which needs the whole sequence in one decode for it.

    For one thread at a time, except for `abort`.

    Args:
        model: the model; must outlive the embedder.
        n_ctx: most tokens of a sequence.
        threads: threads to compute with.

    Raises:
        ModelLoadError: no memory for the context.
    """

    def __init__(self, model: Model, *, n_ctx: int, threads: int) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = n_ctx
        parameters.n_batch = parameters.n_ubatch = min(_BATCH, n_ctx)
        parameters.n_seq_max = 1
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.embeddings = True
        parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        parameters.no_perf = True
        library.last_error()
        self._handle: Any = llama_cpp.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            reason = library.last_error() or "not enough memory"
            raise ModelLoadError(f"llama.cpp cannot make a context for embeddings: {reason}.")
        self.n_ctx: int = llama_cpp.llama_n_ctx(self._handle)
        self.dimensions = dimensions(model)
        self._batch = Batch(int(llama_cpp.llama_n_batch(self._handle)))
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
        self, tokens: Sequence[int], *, stop: Callable[[], bool] = lambda: False
    ) -> npt.NDArray[np.float32] | None:
        """Return the vector of a sequence, shape (dimensions,), not normalised; None when it was stopped or aborted.

        Args:
            tokens: 1 to `n_ctx` of them.
            stop: asked every 64 tokens.

        Raises:
            DecodeError: llama.cpp failed.
        """
        llama_cpp.llama_memory_clear(self._memory, True)
        total = np.zeros(self.dimensions, np.float64)
        for start in range(0, len(tokens), self._batch.capacity):
            if stop():
                return None
            part = tokens[start : start + self._batch.capacity]
            self._batch.clear()
            self._batch.add(part, position=start, sequence=0, logits=len(part))
            result = llama_cpp.llama_decode(self._handle, self._batch.handle)
            if result == ABORTED:
                library.expect_errors(expected=False)
                return None
            if result != 0:
                raise DecodeError(f"llama.cpp failed to read a text ({result}): {library.last_error() or 'unknown'}")
            for index in range(len(part)):
                total += self._embedding(index)
        return (total / len(tokens)).astype(np.float32)

    def _embedding(self, index: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_embeddings_ith(self._handle, index)
        if not pointer:
            raise DecodeError("llama.cpp gives no embeddings for this model")
        return np.ctypeslib.as_array(pointer, shape=(self.dimensions,))


def dimensions(model: Model) -> int:
    """Return how many components the vectors of a model have."""
    return int(llama_cpp.llama_model_n_embd_out(model.handle))
