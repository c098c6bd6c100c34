"""A Hugging Face hub: which files a repository has, and their bytes; asked again where it may answer later."""

import functools
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from .errors import ModelError, StoppedError
from .quants import RemoteFile

if TYPE_CHECKING:
    from .hub_requests import Body, HubRequests

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

DEFAULT_URL: Final = "https://huggingface.co"
_POLL: Final = 0.1  # seconds until a cancel event is noticed


@dataclass(frozen=True)
class Repository:
    """What a repository holds at one revision (a commit hash)."""

    name: str
    revision: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True)
class Backoff:
    """How often to try again what may succeed later, and the seconds to wait in between."""

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0

    def seconds(self, failures: int, error: ModelError) -> float | None:
        """Return how long to wait after so many failures in a row; None to give up."""
        if not error.retryable or failures >= self.attempts:
            return None
        asked = error.retry_after or 0.0
        if asked > self.longest:
            return None
        return max(asked, min(self.longest, self.first * 2.0 ** (failures - 1)))


class Hub:
    """A hub at `url`; `token` is sent where there is one, and never a token saved on the machine."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str = "",
        *,
        timeout: float = 15.0,
        backoff: Backoff | None = None,
    ) -> None:
        """Keep the address and the token; nothing is sent yet."""
        self.url = url.rstrip("/")
        self.backoff = backoff or Backoff()
        self._token = token
        self._timeout = timeout

    @functools.cached_property
    def _requests(self) -> "HubRequests":
        # What it stands on takes a quarter of a second and 16 MB, and a server whose model is here asks no hub.
        from .hub_requests import HubRequests  # noqa: PLC0415 - see above

        return HubRequests(self.url, self._token, timeout=self._timeout)

    def repository(self, name: str, cancel: threading.Event, *, patient: bool = True) -> Repository:
        """List the files of the model repository `name` (`owner/name`) at its newest revision.

        Without `patient` it is asked once only. Raises ModelError, or StoppedError once `cancel` is set.
        """

        def ask() -> Repository:
            revision, files = self._requests.listing(name)
            return Repository(name, revision, files)

        if not patient:
            return interruptible(ask, cancel)
        return self.patiently(lambda: interruptible(ask, cancel), cancel)

    def head(self, repository: Repository, file: RemoteFile, size: int, cancel: threading.Event) -> bytes:
        """Return the first `size` bytes of a file. Raises ModelError or StoppedError."""
        collected = bytearray()
        with self.open(repository, file, start=0, end=min(size, file.size), cancel=cancel) as body:
            for chunk in body:
                collected += chunk
                if len(collected) >= size:
                    break
        return bytes(collected[:size])

    def open(
        self, repository: Repository, file: RemoteFile, *, start: int, cancel: threading.Event, end: int = 0
    ) -> "Body":
        """Open a file for reading from byte `start` to before `end` (0: its end)."""
        place = (repository.name, repository.revision, file.path)
        return self._requests.body(*place, start=start, end=end, cancel=cancel)

    def patiently(self, work: Callable[[], _T], cancel: threading.Event) -> _T:
        """Do `work`, again and again while its ModelError is worth another attempt."""
        failures = 0
        while True:
            try:
                return work()
            except ModelError as error:
                failures += 1
                self.wait_after(error, failures, cancel)

    def wait_after(self, error: ModelError, failures: int, cancel: threading.Event) -> None:
        """Wait before the next attempt, or raise `error` where there is to be none."""
        seconds = self.backoff.seconds(failures, error)
        if seconds is None:
            raise error
        _LOGGER.warning("%s Trying again in %.0f s", error, seconds)
        if cancel.wait(seconds):
            raise StoppedError


def interruptible(work: Callable[[], _T], cancel: threading.Event) -> _T:
    """Do `work` on another thread and return its result, or raise StoppedError as soon as `cancel` is set."""
    results: queue.SimpleQueue[tuple[_T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except Exception as error:  # noqa: BLE001 - raised on the waiting thread
            results.put((None, error))

    threading.Thread(target=run, name="hub-ask", daemon=True).start()
    while not cancel.is_set():
        try:
            result, error = results.get(timeout=_POLL)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error there is a result
    raise StoppedError
