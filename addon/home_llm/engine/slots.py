"""What slots held, in files of a given name: llama-server's way to keep what was read of a prompt.

A slot is no more than a number here that requests may give. Which tokens its last request left is noted under it; where
these are, in cells or parked, and who else has use of them, is the cache's business.
"""

import struct
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from home_llm.engine.cache import PrefixCache
from home_llm.engine.persistence import read_prefix, write_prefix

_NOTHING = "it holds nothing; send a request with its number as id_slot first"


class SlotError(ValueError):
    """What is wanted of a slot cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class SlotFile:
    """A file with what a slot held.

    Attributes:
        tokens: how many.
        size: bytes of the file.
    """

    tokens: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """Something to be done in the engine's thread, between two decodes.

    Attributes:
        work: what.
        done: ends with what it returned or raised.
    """

    work: Callable[[], Any]
    done: "Future[Any]" = field(default_factory=Future)

    def run(self) -> None:
        """Do it."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            self.done.set_result(self.work())
        except Exception as error:  # noqa: BLE001 - whatever broke is the answer to who wanted it
            self.done.set_exception(error)


class Slots:
    """Knows what each slot held last; for the engine's thread.

    Args:
        cache: the prefix cache.
        fingerprint: of weights, llama.cpp and everything else that a state depends on.
    """

    def __init__(self, cache: PrefixCache, fingerprint: str) -> None:
        self._cache = cache
        self._fingerprint = fingerprint
        self._held: dict[int, list[int]] = {}

    def note(self, slot: int, tokens: list[int]) -> None:
        """Note what a request has left that had this slot."""
        self._held[slot] = list(tokens)

    def save(self, slot: int, path: Path) -> SlotFile:
        """Write what a slot held to a file, in one piece or not at all.

        Raises:
            SlotError: it holds nothing any more, or every sequence is busy.
            OSError: the file cannot be written.
        """
        tokens = self._held.get(slot, [])
        if not tokens:
            raise SlotError(_NOTHING)
        sequence = self._cache.acquire(tuple(tokens), reuse=len(tokens))
        if sequence is None:
            raise SlotError("every sequence is in use; try again soon")
        try:
            if not sequence.tokens:
                raise SlotError(_NOTHING)
            partial = path.with_name(f".{path.name}.part")
            states = self._cache.states(sequence)
            size = write_prefix(partial, self._fingerprint, sequence.tokens, states)
            partial.replace(path)
            return SlotFile(len(sequence.tokens), size)
        finally:
            self._cache.release(sequence)

    def restore(self, slot: int, path: Path) -> SlotFile:
        """Read a file back into the cache.

        Raises:
            SlotError: it is not there, damaged or of another model, or there is no room for it.
        """
        try:
            prefix = read_prefix(path, self._fingerprint)
        except FileNotFoundError:
            raise SlotError(f"there is no file {path.name}") from None
        except (OSError, ValueError) as error:
            raise SlotError(f"{path.name} cannot be used: {error}") from error
        except (KeyError, TypeError, struct.error) as error:
            raise SlotError(f"{path.name} cannot be used: it is damaged") from error
        # In memory: the file is somebody's, and may change.
        states = [state for each in prefix.states if (state := each.load(remove=False)) is not None]
        if not self._cache.adopt(prefix.tokens, states):
            raise SlotError(f"{path.name} cannot be used: it is damaged, or there is no room for it")
        self._held[slot] = list(prefix.tokens)
        return SlotFile(len(prefix.tokens), path.stat().st_size)

    def erase(self, slot: int) -> int:
        """Forget what a slot held, but for what others have gone on with; return how many tokens it was."""
        tokens = self._held.pop(slot, [])
        self._cache.forget(tokens)
        return len(tokens)
