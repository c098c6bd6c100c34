"""Give back the memory of a KV cache that nothing has been written into yet.

llama.cpp fills a new KV cache with zeros, so that all of it takes memory before a token is in it. A page of zeros that
the kernel is given back reads as zeros all the same, and takes memory again when something is written (ADR 0019).
"""

import ctypes
import logging
import mmap
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from home_llm.llama import library

_LOGGER = logging.getLogger(__name__)

# Smaller ones are not worth the look.
_LEAST = 4 << 20
# What is compared, and given back, at once.
_BLOCK = 1 << 20
# `llama_kv_cache: CPU KV buffer size = 135.00 MiB`. What holds it for other devices has another name than CPU.
_CREATED = re.compile(r"\bCPU (?:KV|RS) buffer size = +(\d+\.\d\d) MiB")
# What the log's two decimals leave open, in bytes.
_ROUNDING = (1 << 20) // 200 + 1

# llama.cpp asks for memory that is aligned to 64 bytes. For a piece so large the GNU C library makes a mapping of its
# own: 48 bytes, then 16 with its size and a bit that stands for "mapped", then the memory.
# Pieces below 32 MB may come from memory that it has already, and are not found.
_LEAD = 48
_HEADER = 16
_IS_MAPPED = 2

_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *$", re.MULTILINE)

# Contexts are made one at a time, so that none is taken for another.
_lock = threading.Lock()

Span = tuple[int, int]
_T = TypeVar("_T")


@contextmanager
def untouched_cache_given_back() -> Iterator[None]:
    """Give back what a context that is made within the block has of untouched KV cache in the machine's own memory.

    Nothing but this thread may use the context yet. Where the system is not Linux with the GNU C library, or does not
    let a process look at its own memory, nothing is given back.
    """
    if not _supported():
        yield
        return
    with _lock, library.overheard() as lines:
        before = _logged(_mappings)
        yield
        sizes = [round(float(size) * (1 << 20)) for line in lines for size in _CREATED.findall(line)]
        sizes = [size for size in sizes if size >= _LEAST]
        if sizes and before is not None:
            _logged(lambda: _give_back(sizes, before))


def _logged(work: Callable[[], _T]) -> _T | None:
    """Do what the system may refuse, and return None and tell the log where it does."""
    try:
        return work()
    except OSError as error:
        _LOGGER.debug("Untouched KV cache is not given back: %s", error)
        return None


def _give_back(sizes: list[int], before: list[Span]) -> None:
    """Give back the zeros of buffers of these sizes that have come since those mappings were there."""
    begun = time.perf_counter()
    found = list(_buffers(_without(_mappings(), before), sizes))
    given = sum(_give_back_zeros(*buffer) for buffer in found)
    milliseconds = 1000 * (time.perf_counter() - begun)
    _LOGGER.debug(
        "Gave back %d MB of untouched KV cache in %.1f ms; %d of %d buffers were found",
        *(given >> 20, milliseconds, len(found), len(sizes)),
    )


def _supported() -> bool:
    return sys.platform == "linux" and sys.maxsize > 1 << 32 and "CS_GNU_LIBC_VERSION" in os.confstr_names


def _mappings() -> list[Span]:
    """Return where this process has memory of its own, from the lowest address on."""
    text = Path("/proc/self/maps").read_text("ascii", "replace")
    return [(int(start, 16), int(end, 16)) for start, end in _MAPPING.findall(text)]


def _without(spans: list[Span], others: list[Span]) -> Iterator[Span]:
    """Yield the parts of spans that are in none of the others; neighbouring mappings are listed as one."""
    for start, end in spans:
        position = start
        for other_start, other_end in others:
            if position < other_end and other_start < end:
                if position < other_start:
                    yield position, other_start
                position = max(position, other_end)
        if position < end:
            yield position, end


def _buffers(spans: Iterator[Span], sizes: list[int]) -> Iterator[Span]:
    """Yield where buffers of these sizes begin and end, each size at most once."""
    sizes = list(sizes)
    for start, end in spans:
        position = start
        while sizes and position + min(sizes) <= end:
            lead, length = _chunk(position)
            size = next((size for size in sizes if lead == _LEAD and _fits(length - _HEADER, size)), None)
            if size is not None and position + lead + length <= end:
                sizes.remove(size)
                yield position + lead + _HEADER, position + lead + length
            position += lead + length or mmap.PAGESIZE


def _chunk(position: int) -> tuple[int, int]:
    """Return the lead and the length of what malloc has mapped at an address; zeros where it is nothing of malloc's."""
    # Where both stand there, the second one counts: the first is what was there before it was aligned.
    for lead in (_LEAD, 0):
        words = _read(position + lead, _HEADER)
        before, length = int.from_bytes(words[:8], sys.byteorder), int.from_bytes(words[8:], sys.byteorder)
        if before == lead and length & 7 == _IS_MAPPED and (lead + length - _IS_MAPPED) % mmap.PAGESIZE == 0:
            return lead, length - _IS_MAPPED
    return 0, 0


def _fits(length: int, size: int) -> bool:
    """Return whether so much memory was mapped for a buffer of that size, which the log has rounded."""
    return -_ROUNDING <= length - size <= _ROUNDING + 2 * mmap.PAGESIZE


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _read(address: int, length: int) -> bytes:
    """Return bytes of this process through the kernel: what is not there any more is an error and no crash.

    Raises:
        OSError: it is not there, or the kernel does not let processes read so.
    """
    buffer = ctypes.create_string_buffer(length)
    here, there = _IoVector(ctypes.addressof(buffer), length), _IoVector(address, length)
    read = ctypes.CDLL(None, use_errno=True).process_vm_readv
    vectors = ctypes.POINTER(_IoVector)
    read.argtypes = [ctypes.c_int, vectors, ctypes.c_ulong, vectors, ctypes.c_ulong, ctypes.c_ulong]
    read.restype = ctypes.c_ssize_t
    if read(os.getpid(), here, 1, there, 1, 0) != length:
        raise _error("process_vm_readv")
    return buffer.raw


def _give_back_zeros(start: int, end: int) -> int:
    """Give back what is nothing but zeros between two addresses; return how many bytes that was."""
    start, end = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
    zeros = bytes(_BLOCK)
    library_c = ctypes.CDLL(None, use_errno=True)
    compare, advise = library_c.memcmp, library_c.madvise
    compare.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    given = 0
    for block in range(start, end, _BLOCK):
        length = min(_BLOCK, end - block)
        if compare(block, zeros, length) == 0:
            if advise(block, length, mmap.MADV_DONTNEED) != 0:
                raise _error("madvise")
            given += length
    return given


def _error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
