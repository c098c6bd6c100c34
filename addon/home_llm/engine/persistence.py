"""Prefixes on disk: what took seconds to read once is there again a moment after a restart."""

import itertools
import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from home_llm.engine.cache import PrefixCache
from home_llm.engine.tokens import common_prefix
from home_llm.llama import State

_LOGGER = logging.getLogger(__name__)

# A file is the magic, the length of the header, the header as JSON, the tokens as 32-bit numbers, each state with its
# length and checksum before it, and a length of 0 at the end.
_MAGIC = b"HOMELLM-KV-3\n"
_LENGTH = struct.Struct("<QI")
_SUFFIX = ".kv"

# Shorter prompts are read again sooner than they are looked up.
_WORTH_SAVING = 256

# Prefixes are saved when the house has been quiet for this long, and not more often than that: cards wear out.
_QUIET_SECONDS = 2.0
_SAVE_SECONDS = 60.0
_SAVED_PREFIXES = 4

# A prefix is on disk when this share of it is: its end is the last command, which will not come again.
_COVERED = 0.9


@dataclass(frozen=True, slots=True)
class SavedPrefix:
    """A prefix as it was saved.

    Attributes:
        tokens: what the sequence held.
        states: llama.cpp's states of its blocks, still in the file.
        pinned: whether it is to be forgotten last.
    """

    tokens: list[int]
    states: list["FileState"]
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class FileState:
    """A state in a file, read when it is asked for.

    Attributes:
        path: the file.
        offset: where the state begins.
        length: its bytes.
        checksum: CRC-32 of it.
    """

    path: Path
    offset: int
    length: int
    checksum: int

    def load(self, *, remove: bool = True) -> State | None:
        """Return the state; None where the file is gone or damaged, which is then removed with a line in the log."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                state = np.fromfile(file, np.uint8, self.length)
        except OSError as error:
            _LOGGER.warning("The saved prefix %s cannot be read: %s", self.path.name, error)
            return None
        if state.nbytes == self.length and zlib.crc32(state.data) == self.checksum:
            return state
        if remove:
            _LOGGER.warning("The saved prefix %s cannot be used and is removed: it is damaged", self.path.name)
            self.path.unlink(missing_ok=True)
        return None


def write_prefix(
    path: Path,
    fingerprint: str,
    tokens: list[int],
    states: Iterable[State],
    *,
    pinned: bool = False,
    most: int | None = None,
) -> int:
    """Write a prefix to a file and return the bytes of it; what would be more than `most` is cut off, and counted.

    Args:
        path: the file.
        fingerprint: of weights, llama.cpp and everything else that a state depends on.
        tokens: what the sequence held.
        states: llama.cpp's states of its blocks.
        pinned: whether it is to be forgotten last.
        most: bytes that there may be; None is any number.

    Raises:
        OSError: it cannot be written.
    """
    raw = struct.pack(f"<{len(tokens)}i", *tokens)
    facts = {"fingerprint": fingerprint, "tokens": len(tokens), "checksum": zlib.crc32(raw), "pinned": pinned}
    header = json.dumps(facts).encode()
    with path.open("wb") as file:
        file.writelines((_MAGIC, struct.pack("<I", len(header)), header, raw))
        for state in states:
            if most is not None and file.tell() + state.nbytes > most:
                return most + 1
            file.write(_LENGTH.pack(state.nbytes, zlib.crc32(state.data)))
            file.write(state.data)
        file.write(_LENGTH.pack(0, 0))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def read_prefix(path: Path, fingerprint: str) -> SavedPrefix:
    """Read what a file holds, but for the states, and let the machine fetch those meanwhile.

    Raises:
        OSError: it cannot be read.
        ValueError, KeyError, struct.error: it is no such file, damaged, or of another model.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("it is not one of ours")
        (length,) = struct.unpack("<I", file.read(4))
        header = json.loads(file.read(length))
        if header["fingerprint"] != fingerprint:
            raise ValueError("it is of another model or another llama.cpp")
        raw = file.read(4 * header["tokens"])
        if zlib.crc32(raw) != header["checksum"]:
            raise ValueError("it is damaged")
        states = []
        while (found := _LENGTH.unpack(file.read(_LENGTH.size))) != (0, 0):
            states.append(FileState(path, file.tell(), *found))
            file.seek(found[0], os.SEEK_CUR)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    return SavedPrefix(list(struct.unpack(f"<{header['tokens']}i", raw)), states, header["pinned"])


class PrefixStore:
    """A folder of saved prefixes of one model under one kind of context.

    Args:
        folder: where; made when something is saved.
        fingerprint: of weights, llama.cpp and everything else that a state depends on.
        budget: most bytes of all files.
    """

    def __init__(self, folder: Path, fingerprint: str, budget: int) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._budget = budget
        # The tokens on disk, by file: to know what need not be saved again.
        self._saved: dict[Path, list[int]] = {}

    def load(self) -> Iterator[SavedPrefix]:
        """Yield what was saved, the newest last; what is broken or of another model is removed."""
        for path in reversed(self._files()):
            try:
                prefix = read_prefix(path, self._fingerprint)
            except (OSError, ValueError, KeyError, struct.error) as error:
                reason = "it is damaged" if isinstance(error, KeyError | struct.error) else error
                _LOGGER.warning("The saved prefix %s cannot be used and is removed: %s", path.name, reason)
                self._remove(path)
                continue
            self._saved[path] = prefix.tokens
            yield prefix

    def holds(self, tokens: list[int], *, whole: bool = False) -> bool:
        """Return whether nearly all of a prefix is on disk, or exactly this one where only a whole one is of use."""
        there = [saved for path, saved in self._saved.items() if path.exists()]
        if whole:
            return tokens in there
        return any(common_prefix(saved, tokens) >= _COVERED * len(tokens) for saved in there)

    def save(self, tokens: list[int], states: Iterable[State], *, pinned: bool = False) -> None:
        """Save a prefix, in one piece or not at all, and remove the oldest ones over the budget."""
        name = zlib.crc32(struct.pack(f"<{len(tokens)}i", *tokens))
        path = self._folder / f"{name:08x}{_SUFFIX}"
        partial = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            size = write_prefix(partial, self._fingerprint, tokens, states, pinned=pinned, most=self._budget)
            if size > self._budget:
                partial.unlink()
                _LOGGER.info("A prefix of %d tokens is not saved: it takes %d MB", len(tokens), size >> 20)
                return
            self._make_room(size, keep=partial)
            partial.replace(path)
        except OSError as error:
            _LOGGER.warning("A prefix cannot be saved in %s: %s", self._folder, error)
            return
        self._saved[path] = tokens
        _LOGGER.info("Saved a prefix of %d tokens (%.1f MB)", len(tokens), size / 1e6)

    def _files(self) -> list[Path]:
        """Return the saved files, the newest first."""
        try:
            files = [path for path in self._folder.iterdir() if path.suffix in (_SUFFIX, ".part")]
            return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)
        except OSError:
            return []

    def _make_room(self, size: int, keep: Path) -> None:
        files = [path for path in self._files() if path != keep]
        used = sum(path.stat().st_size for path in files)
        while files and used + size > self._budget:
            oldest = files.pop()
            used -= oldest.stat().st_size
            self._remove(oldest)

    def _remove(self, path: Path) -> None:
        self._saved.pop(path, None)
        path.unlink(missing_ok=True)


class PrefixKeeper:
    """Brings a cache's prefixes to disk and back; for the engine's thread.

    Args:
        store: the files.
        cache: the prefix cache.
    """

    def __init__(self, store: PrefixStore, cache: PrefixCache) -> None:
        self._store = store
        self._cache = cache
        self._due: float | None = None
        self._saved = -_SAVE_SECONDS

    def touch(self) -> None:
        """Note that a request has ended, which may have left something new."""
        self._due = max(time.monotonic() + _QUIET_SECONDS, self._saved + _SAVE_SECONDS)

    def seconds_until_due(self) -> float | None:
        """Return after how many seconds of quiet to save; None when there is nothing new."""
        return None if self._due is None else max(self._due - time.monotonic(), 0.0)

    def restore(self) -> None:
        """Let the cache know what was saved; it is read when it is asked for."""
        count = 0
        for prefix in self._store.load():
            if self._cache.adopt(prefix.tokens, prefix.states, pinned=prefix.pinned):
                count += len(prefix.tokens)
        if count:
            _LOGGER.info("%d tokens of prefixes are known from before", count)

    def save(self) -> None:
        """Save the prefixes used last that are not on disk yet."""
        self._due = None
        self._saved = time.monotonic()
        for prefix in itertools.islice(self._cache.prefixes(), _SAVED_PREFIXES):
            if len(prefix.tokens) >= _WORTH_SAVING and not self._store.holds(
                prefix.tokens, whole=not self._cache.cuts_anywhere
            ):
                self._store.save(prefix.tokens, prefix.states, pinned=prefix.pinned)
