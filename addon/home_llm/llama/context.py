"""A context: the KV cache of a model, shared by several sequences, and decoding over it."""

import ctypes
from collections.abc import Sequence
from typing import Any, Literal

import llama_cpp
import numpy as np
import numpy.typing as npt

from home_llm.llama import library
from home_llm.llama.model import Model, ModelLoadError
from home_llm.llama.untouched import untouched_cache_given_back

# llama_decode's return values (llama.h).
_DECODED = 0
_NO_KV_SLOT = 1
ABORTED = 2

# llama.cpp asks its abort callback before every node of the graph, hundreds of times a token, from its own threads. A
# Python function there would take the interpreter's lock each time. `strlen` is a C function that is 0 (false) for an
# empty string and 1 (true) for a string of one character, so it reads a flag in memory that Python writes.
read_flag = ctypes.cast(ctypes.CDLL(None).strlen, llama_cpp.ggml_abort_callback)

CacheType = Literal["f32", "f16", "q8_0/f16", "q8_0", "q4_0"]
# Of the keys and of the values.
_CACHE_TYPES: dict[CacheType, tuple[int, int]] = {
    "f32": (llama_cpp.GGML_TYPE_F32, llama_cpp.GGML_TYPE_F32),
    "f16": (llama_cpp.GGML_TYPE_F16, llama_cpp.GGML_TYPE_F16),
    "q8_0/f16": (llama_cpp.GGML_TYPE_Q8_0, llama_cpp.GGML_TYPE_F16),
    "q8_0": (llama_cpp.GGML_TYPE_Q8_0, llama_cpp.GGML_TYPE_Q8_0),
    "q4_0": (llama_cpp.GGML_TYPE_Q4_0, llama_cpp.GGML_TYPE_Q4_0),
}

# llama.cpp's flash attention for the CPU takes the tokens of a short command one by one; without it, attention is a
# product of matrices, which after a prompt of 5,000 tokens takes half the time (ADR 0012). Values in a quantized cache
# can only be read by flash attention.
_NEED_FLASH_ATTENTION = ("q8_0", "q4_0")

# What attention without flash attention may take for the scores of a batch, each a float for every head and cell.
_SCORES_BYTES = 64 << 20
_LEAST_PIECE = 32
# Of a model whose first layer has no attention, as hybrids have.
_USUAL_HEADS = 32

# The state of a sequence as llama.cpp writes it: bytes, about as many as its part of the KV cache.
State = npt.NDArray[np.uint8]


class DecodeError(Exception):
    """llama.cpp could not decode a batch."""


class DecodeAbortedError(DecodeError):
    """The batch was aborted by `Context.abort`; the KV cache may hold a part of it."""


class CacheFullError(DecodeError):
    """The KV cache has no cells left for the batch; nothing of it was decoded."""


class Batch:
    """Tokens of several sequences for one decode.

    Args:
        capacity: most tokens.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.handle: Any = llama_cpp.llama_batch_init(capacity, 0, 1)

    def __len__(self) -> int:
        """Return how many tokens the batch holds."""
        return int(self.handle.n_tokens)

    def close(self) -> None:
        """Free the memory."""
        llama_cpp.llama_batch_free(self.handle)

    def clear(self) -> None:
        """Empty the batch."""
        self.handle.n_tokens = 0

    def add(self, tokens: Sequence[int], *, position: int, sequence: int, logits: int) -> int:
        """Append tokens of one sequence.

        Args:
            tokens: as many as there is room for.
            position: where the first of them stands in the sequence.
            sequence: which sequence.
            logits: for how many of them, from the end, logits are wanted.

        Returns:
            The index in the batch of the first token whose logits are wanted.
        """
        batch = self.handle
        start = batch.n_tokens
        wanted = len(tokens) - logits
        for offset, token in enumerate(tokens):
            index = start + offset
            batch.token[index] = token
            batch.pos[index] = position + offset
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = offset >= wanted
        batch.n_tokens = start + len(tokens)
        return int(start + wanted)


class Context:
    """A KV cache of `n_ctx` cells over a model, shared by up to `n_sequences` sequences.

    Only one thread may use it, except for `abort`.

    Args:
        model: the model; must outlive the context.
        n_ctx: cells of the KV cache, in tokens.
        n_batch: most tokens of one `decode`.
        n_sequences: sequences that may share the cache, numbered from 0.
        threads: threads for generation and prompt processing.
        cache_type: how keys and values are kept; `q8_0` takes half of `f16`'s memory, `q4_0` a quarter, and `q8_0/f16`
            is keys as `q8_0` and values as `f16`.
            `f32` is for comparing answers: with floats in the cache and in the weights, and without flash attention,
            an answer does not depend on what is decoded beside it.

    Raises:
        ModelLoadError: no memory for the cache.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_batch: int = 512,
        n_sequences: int = 1,
        threads: int,
        cache_type: CacheType = "f16",
    ) -> None:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = n_ctx
        # llama.cpp ends the process where a batch could not have a token of each sequence.
        least = n_sequences + 1
        parameters.n_batch = max(min(n_batch, n_ctx), least)
        flash = cache_type in _NEED_FLASH_ATTENTION
        parameters.n_ubatch = max(min(parameters.n_batch, 512 if flash else _piece(model, n_ctx)), least)
        parameters.n_seq_max = n_sequences + 1
        parameters.n_threads = threads
        parameters.n_threads_batch = threads
        # One pool of cells, so that sequences share a prefix instead of each having a fixed part.
        parameters.kv_unified = True
        # A cache of the window alone is hardly smaller: in one pool it needs a window for each sequence.
        parameters.swa_full = True
        parameters.type_k, parameters.type_v = _CACHE_TYPES[cache_type]
        parameters.flash_attn_type = (
            llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        parameters.no_perf = True
        library.last_error()
        with untouched_cache_given_back():
            self.handle: Any = llama_cpp.llama_init_from_model(model.handle, parameters)
        if not self.handle:
            raise ModelLoadError(
                f"llama.cpp cannot make a context of {n_ctx} tokens for {model.path.name}: "
                f"{library.last_error() or 'not enough memory'}. Choose a smaller context size."
            )
        self.n_ctx: int = llama_cpp.llama_n_ctx(self.handle)
        self.n_batch: int = llama_cpp.llama_n_batch(self.handle)
        self.n_sequences = n_sequences
        # One more, for a moment each: parts of sequences are saved and restored through it.
        self._scratch = n_sequences
        self.n_vocab = model.n_vocab
        self._window = 0 if model.is_recurrent else model.window
        self._memory: Any = llama_cpp.llama_get_memory(self.handle)
        self._abort_flag = ctypes.create_string_buffer(2)
        llama_cpp.llama_set_abort_callback(self.handle, read_flag, ctypes.cast(self._abort_flag, ctypes.c_void_p))

    @property
    def has_window(self) -> bool:
        """Whether some layers look back a number of tokens only."""
        return self._window > 0

    def close(self) -> None:
        """Free the cache."""
        if self.handle:
            llama_cpp.llama_free(self.handle)
            self.handle = None

    def abort(self, *, requested: bool) -> None:
        """Make the running and every later `decode` stop within one graph node, until called with False.

        May be called from any thread.
        """
        library.expect_errors(expected=requested)
        self._abort_flag[0] = b"\x01" if requested else b"\x00"

    def set_threads(self, generation: int, prompt: int) -> None:
        """Set the threads of the decodes that follow."""
        llama_cpp.llama_set_n_threads(self.handle, generation, prompt)

    def decode(self, batch: Batch) -> None:
        """Append a batch to its sequences.

        Raises:
            DecodeAbortedError: `abort` was called.
            CacheFullError: there are no cells left.
            DecodeError: llama.cpp failed.
        """
        result = llama_cpp.llama_decode(self.handle, batch.handle)
        if result == ABORTED:
            raise DecodeAbortedError("decoding was aborted")
        if result == _NO_KV_SLOT:
            raise CacheFullError(f"the context of {self.n_ctx} tokens is full")
        if result != _DECODED:
            raise DecodeError(f"llama.cpp failed to decode ({result}): {library.last_error() or 'unknown reason'}")

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """Return the logits of a token of the last batch as a writable view, shape (n_vocab,).

        It is llama.cpp's own memory: a sampler sees what is written here, and the next decode overwrites it.
        """
        pointer = llama_cpp.llama_get_logits_ith(self.handle, index)
        return np.ctypeslib.as_array(pointer, shape=(self.n_vocab,))

    def truncate(self, sequence: int, length: int) -> int:
        """Forget what a sequence holds from position `length` on; return the length that is left.

        A memory that cannot be cut there (recurrent, sliding window) is emptied, and 0 returned.
        """
        if llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1) and self.sees_back(sequence, length):
            return length
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return 0

    def sees_back(self, sequence: int, length: int) -> bool:
        """Return whether a sequence still holds all that the token at position `length` looks at.

        llama.cpp gives cells that have left a sliding window to others, and does not save them. What is left goes on
        where it ended, but not from before.
        """
        if self._window == 0 or length == 0:
            return True
        first = llama_cpp.llama_memory_seq_pos_min(self._memory, sequence)
        return bool(0 <= first <= max(length - self._window + 1, 0))

    def share(self, source: int, target: int, length: int) -> int:
        """Let an empty sequence share the first `length` tokens of another; return how many it has then.

        Cells are shared, not copied.
        """
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        return self.truncate(target, length)

    def save(self, sequence: int, start: int = 0, end: int | None = None) -> State:
        """Return the state of a sequence, or of a part of it.

        Args:
            sequence: which.
            start: the first token of the part.
            end: the token after the part; None is the end of the sequence. A memory that cannot be cut is saved whole.
        """
        part = sequence
        if end is not None:
            part = self._scratch
            llama_cpp.llama_memory_seq_cp(self._memory, sequence, part, start, end)
        size = llama_cpp.llama_state_seq_get_size(self.handle, part)
        state = np.empty(size, np.uint8)
        written = llama_cpp.llama_state_seq_get_data(self.handle, _address(state), size, part)
        if end is not None:
            llama_cpp.llama_memory_seq_rm(self._memory, part, -1, -1)
        return state[:written]

    def restore(self, sequence: int, state: State) -> bool:
        """Add a saved part to a sequence that ends where the part begins; return whether there were cells for it.

        What the sequence held before is kept, unless the memory cannot be cut: then it must be empty.
        """
        part = self._scratch
        if not llama_cpp.llama_state_seq_set_data(self.handle, _address(state), state.nbytes, part):
            llama_cpp.llama_memory_seq_rm(self._memory, part, -1, -1)
            return False
        llama_cpp.llama_memory_seq_cp(self._memory, part, sequence, -1, -1)
        llama_cpp.llama_memory_seq_rm(self._memory, part, -1, -1)
        return True


def state_size(model: Model) -> int:
    """Return the bytes that each sequence takes of a recurrent memory, however long it is; 0 where there is none.

    llama.cpp tells it of a sequence that holds something, so one token is decoded.

    Raises:
        ModelLoadError: no memory for a small context.
        DecodeError: llama.cpp failed.
    """
    if not model.is_recurrent:
        return 0
    context, batch = Context(model, n_ctx=256, n_batch=1, threads=1), Batch(1)
    try:
        batch.add([max(model.bos, 0)], position=0, sequence=0, logits=1)
        context.decode(batch)
        return int(llama_cpp.llama_state_seq_get_size(context.handle, 0))
    finally:
        batch.close()
        context.close()


def _piece(model: Model, n_ctx: int) -> int:
    """Return how many tokens to compute at once, so that their scores do not take all the memory."""
    return max(_SCORES_BYTES // (4 * (model.n_head or _USUAL_HEADS) * n_ctx) // 16 * 16, _LEAST_PIECE)


def _address(state: State) -> Any:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
