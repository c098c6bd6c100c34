"""Memory of a KV cache that nothing has been written into is given back, and reads as before."""

import ctypes
import logging
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest

from home_llm.llama import Batch, Context, Model, untouched
from memory_use import resident_bytes

MEGABYTE = 1 << 20
# What the KV cache of the embedded model takes for so many tokens: 30 layers, 192 numbers of 2 bytes, keys and values.
TOKENS = 8192
CACHE = TOKENS * 30 * 2 * 192 * 2


@pytest.fixture(name="context")
def context_fixture(model: Model) -> Iterator[Context]:
    """Make a context of 8,192 tokens."""
    made = Context(model, n_ctx=TOKENS, threads=1)
    yield made
    made.close()


def write_zeros(context: Context) -> None:
    """Have llama.cpp write zeros into the whole cache."""
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context.handle), True)


def logits_after(context: Context, tokens: list[int]) -> npt.NDArray[np.float32]:
    """Return the logits after some tokens."""
    batch = Batch(len(tokens))
    try:
        batch.add(tokens, position=0, sequence=0, logits=1)
        context.decode(batch)
        return context.logits(len(tokens) - 1).copy()
    finally:
        batch.close()


@contextmanager
def allocated(size: int) -> Iterator[int]:
    """Allocate memory as llama.cpp does and yield its address."""
    libc = ctypes.CDLL(None)
    address = ctypes.c_void_p()
    assert libc.posix_memalign(ctypes.byref(address), 64, ctypes.c_size_t(size)) == 0
    assert address.value is not None
    ctypes.memset(address.value, 0, size)
    try:
        yield address.value
    finally:
        libc.free(address)


def test_new_cache_takes_no_memory(model: Model) -> None:
    """A new context takes less than a fifth of its cache, and all of it once everything is written."""
    before = resident_bytes()
    context = Context(model, n_ctx=TOKENS, threads=1)
    try:
        assert resident_bytes() - before < CACHE / 5
        write_zeros(context)
        assert resident_bytes() - before > CACHE
    finally:
        context.close()


def test_answers_are_the_same(model: Model, context: Context) -> None:
    """Decoding gives the very same logits as in a cache of zeros that were written."""
    written = Context(model, n_ctx=TOKENS, threads=1)
    try:
        write_zeros(written)
        tokens = list(range(1000, 1040))
        assert np.array_equal(logits_after(context, tokens), logits_after(written, tokens))
    finally:
        written.close()


def test_contexts_of_several_threads(model: Model) -> None:
    """Contexts that are made while others decode answer like one that is alone."""
    tokens = list(range(2000, 2020))
    answers: list[npt.NDArray[np.float32]] = []

    def make_and_decode() -> None:
        for _ in range(3):
            context = Context(model, n_ctx=2048, threads=1)
            answers.append(logits_after(context, tokens))
            context.close()

    threads = [threading.Thread(target=make_and_decode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 9
    assert all(np.array_equal(answers[0], answer) for answer in answers)


def test_the_log_tells_what_was_given_back(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """The log says how many megabytes were given back, and that the buffer was found."""
    with caplog.at_level(logging.DEBUG, "home_llm.llama.untouched"):
        Context(model, n_ctx=2048, threads=1).close()
    assert "Gave back 45 MB of untouched KV cache" in caplog.text
    assert "1 of 1 buffers were found" in caplog.text


def test_system_that_refuses(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """Where the process cannot look at its memory, the context is made and works, and the log says why it is larger."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = resident_bytes()
    with caplog.at_level(logging.DEBUG, "home_llm.llama.untouched"):
        # No file can be opened any more.
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            context = Context(model, n_ctx=TOKENS, threads=1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    try:
        assert resident_bytes() - before > CACHE
        assert np.isfinite(logits_after(context, [1000, 1001])).all()
    finally:
        context.close()
    assert "Untouched KV cache is not given back: [Errno 24]" in caplog.text


def test_only_zeros_are_given_back() -> None:
    """What holds anything but zeros stays as it is, and the rest is given back and reads as zeros."""
    with allocated(16 * MEGABYTE) as address:
        ctypes.memset(address + 5 * MEGABYTE, 7, 100)
        before = resident_bytes()
        given = untouched._give_back_zeros(address, address + 16 * MEGABYTE)
        assert 13 * MEGABYTE < given < 16 * MEGABYTE
        assert before - resident_bytes() > 13 * MEGABYTE
        memory = ctypes.string_at(address, 16 * MEGABYTE)
    assert memory[5 * MEGABYTE :][:100] == b"\x07" * 100
    assert memory.count(0) == 16 * MEGABYTE - 100


def test_only_the_buffer_is_found() -> None:
    """A buffer is found by its size among memory that came meanwhile; others and earlier ones are left alone."""
    size = 40 * MEGABYTE  # malloc never takes so much from memory that it has
    with allocated(size):
        before = untouched._mappings()
        with allocated(size + 70_000) as other, allocated(size) as meant:
            new = list(untouched._without(untouched._mappings(), before))
            assert all(any(start <= address < end for start, end in new) for address in (other, meant))
            found = list(untouched._buffers(iter(new), [size]))
            assert [start for start, _ in found] == [meant]
            assert found[0][1] >= meant + size
            assert not list(untouched._buffers(iter(new), [size + MEGABYTE]))


def test_parts_of_mappings() -> None:
    """What is new is what was in no mapping before, also where neighbours have become one."""
    new = untouched._without([(0, 10), (20, 50), (60, 70)], [(0, 10), (30, 40), (45, 50)])
    assert list(new) == [(20, 30), (40, 45), (60, 70)]


def test_memory_that_is_not_there() -> None:
    """Reading where nothing is mapped is an error that names the call, and no crash."""
    with pytest.raises(OSError, match="process_vm_readv: Bad address"):
        untouched._read(4096, 16)
