"""Start llama.cpp once per process: its back-ends, and its log lines in ours."""

import ctypes
import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp

_LOGGER = logging.getLogger("home_llm.llama")

# ggml's levels (ggml.h, enum ggml_log_level). Its INFO is a page of tensor facts per model, which is DEBUG here.
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.WARNING, 4: logging.ERROR}
_CONTINUATION = 5

# What llama.cpp warns of and nobody has to know. That the cache is full it says by its return value too, and the engine
# makes room. That the cache of a sliding window is as large as the other, how it is laid out, and that embeddings are
# not pooled by llama.cpp, is meant so. Nor do adapters lie in memory that is rearranged.
_EXPECTED = (
    "failed to find a memory slot",
    "available cells in kv cache",
    "failed to restore kv cache",
    "failed to prepare attention ubatches",
    "using full-size SWA cache",
    "padding V cache",
    "cannot use buft",
    "model default pooling_type",
)

# The last error line that llama.cpp printed: its functions only return NULL, the reason is in the log.
_last_error: list[str] = []


class _LogBridge:
    """Joins the pieces that llama.cpp prints into whole lines for Python's logging."""

    def __init__(self) -> None:
        self.expect_errors = False
        self.listeners: tuple[Callable[[str], None], ...] = ()
        self._line = ""
        self._level = logging.DEBUG

    def __call__(self, level: int, text: bytes, _user_data: Any) -> None:
        if level != _CONTINUATION:
            self._level = _LEVELS.get(level, logging.DEBUG)
        self._line += text.decode("utf-8", "replace")
        if not self._line.endswith("\n"):
            return
        line, self._line = self._line.strip(), ""
        if not line.strip("."):
            return
        if self._level >= logging.ERROR:
            _last_error[:] = [line]
        for listener in self.listeners:
            listener(line)
        expected = self.expect_errors or any(text in line for text in _EXPECTED)
        _LOGGER.log(logging.DEBUG if expected else self._level, "%s", line)


_bridge = _LogBridge()
# Kept for the life of the process: C holds only the address.
_log_callback = llama_cpp.llama_log_callback(_bridge)


@functools.cache
def start() -> None:
    """Initialise llama.cpp's back-ends; later calls do nothing."""
    llama_cpp.llama_log_set(_log_callback, None)
    _load_dynamic_backends()
    llama_cpp.llama_backend_init()


def last_error() -> str:
    """Return the newest error line of llama.cpp, or an empty string, and forget it."""
    return _last_error.pop() if _last_error else ""


def build_info() -> str:
    """Return the version of llama.cpp's bindings and the instruction sets that it uses on this machine."""
    features: bytes = llama_cpp.llama_print_system_info()
    return f"{llama_cpp.__version__} {features.decode('utf-8', 'replace').strip()}"


def expect_errors(*, expected: bool) -> None:
    """Keep llama.cpp's errors out of the log while a decode is being aborted, which it reports as a failure."""
    _bridge.expect_errors = expected


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Collect what llama.cpp prints from within the block, in this thread; one block at a time."""
    lines: list[str] = []
    here = threading.get_ident()

    def listen(line: str) -> None:
        if threading.get_ident() == here:
            lines.append(line)

    _bridge.listeners = (*_bridge.listeners, listen)
    try:
        yield lines
    finally:
        _bridge.listeners = tuple(one for one in _bridge.listeners if one is not listen)


def ggml() -> Any:
    """Return ggml's library with the list of back-ends: the very one that libllama links.

    That is `libggml.so.0`. The wheel holds copies of it, and opening another copy fills a list that nobody reads.
    """
    libraries = Path(llama_cpp.__file__).parent / "lib"
    return ctypes.CDLL(str(libraries / "libggml.so.0"))


def _load_dynamic_backends() -> None:
    """Load the back-ends of a `GGML_BACKEND_DL` build: the best variant for this processor, and all the others.

    Such a build links no CPU back-end, and nothing loads one by itself: a model then fails with "no backends are
    loaded". They lie in the wheel's top-level `bin` folder.
    """
    libraries = Path(llama_cpp.__file__).parent / "lib"
    variants = libraries.parent.parent / "bin"
    if (libraries / "libggml-cpu.so").exists() or not list(variants.glob("libggml-cpu-*.so")):
        return
    load_all = ggml().ggml_backend_load_all_from_path
    load_all.argtypes, load_all.restype = [ctypes.c_char_p], None
    load_all(str(variants).encode())
