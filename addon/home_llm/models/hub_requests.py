"""What asks a Hugging Face hub, through huggingface_hub.

Listing goes through `HfApi`. Bytes are read on huggingface_hub's own HTTP session (its proxy, certificate and
offline handling, its errors), but not by `hf_hub_download`: since huggingface_hub 2 that deletes the partial
file whenever it ends early, so nothing could be continued after a restart; its chunks of 10 MiB and its
sleeps make stopping slow; and its Xet transfer cannot be stopped at all.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import httpx2
from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but not in __all__
    build_hf_headers,
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from .errors import ModelError, StoppedError
from .quants import RemoteFile

_POLL: Final = 0.1  # seconds until a cancel event is noticed
_PASSING: Final = {408, 425, 429}  # refusals that pass by themselves
_AHEAD: Final = 32  # chunks (64 KiB at most) that are read ahead of the disk


class HubRequests:
    """Asks the hub at `url`, each time once; `token` is sent where there is one.

    Args:
        url: without a slash at its end.
        token: "" for none; never one saved on the machine.
        timeout: seconds to wait for an answer or its next part.
    """

    def __init__(self, url: str, token: str, *, timeout: float) -> None:
        self.url = url
        self._token = token
        self._timeout = timeout
        self._api = HfApi(endpoint=url, token=token or False)

    def listing(self, name: str) -> tuple[str, tuple[RemoteFile, ...]]:
        """Return the newest revision of a model repository and its files.

        Raises:
            ModelError: it cannot be had.
        """
        try:
            info = self._api.model_info(name, files_metadata=True, timeout=self._timeout)
        except Exception as error:
            raise self.explained(error, name) from error
        files = tuple(
            RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "")
            for file in info.siblings or []
        )
        return info.sha or "main", files

    def body(
        self, repository: str, revision: str, path: str, *, start: int, end: int, cancel: threading.Event
    ) -> "Body":
        """Return the bytes of a file from `start` to before `end` (0: its end), to be entered."""
        url = hf_hub_url(repository, path, revision=revision, endpoint=self.url)
        headers = build_hf_headers(token=self._token or False)
        # Byte ranges count bytes as stored, so nothing may be compressed on the way.
        headers["Accept-Encoding"] = "identity"
        if start or end:
            headers["Range"] = f"bytes={start}-{end - 1 if end else ''}"
        return Body(
            url,
            headers,
            start=start,
            timeout=self._timeout,
            cancel=cancel,
            explain=lambda error: self.explained(error, repository, path),
        )

    def explained(self, error: Exception, repository: str, file: str = "") -> ModelError:
        """Turn what huggingface_hub raises into a ModelError."""
        if isinstance(error, ModelError):
            return error
        response = getattr(error, "response", None)
        status = response.status_code if isinstance(response, httpx2.Response) else None
        retry_after = _retry_after(response)
        token = "the Hugging Face token that is set" if self._token else "a Hugging Face token (hub_token)"
        refusal = self._refusal(error, repository, file, token)
        if refusal:
            return ModelError(refusal, status=status)
        if status in _PASSING or (status or 0) >= 500:
            fault = "asks for a pause: too many requests" if status == 429 else f"has a fault (HTTP {status})"
            return ModelError(
                f"{self.url} {fault}. Nothing is wrong here.",
                retryable=True,
                retry_after=retry_after,
                status=status,
            )
        if status is not None:
            what = f"{repository}/{file}" if file else repository
            return ModelError(
                f"{self.url} refuses {what} (HTTP {status}). See that {token} is valid and may read it.",
                status=status,
            )
        if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
            return ModelError(
                f"{self.url} cannot be reached ({_short(error)}). Check the network connection.", retryable=True
            )
        if isinstance(error, httpx2.TransportError):
            return ModelError(f"The connection to {self.url} broke off ({_short(error)}).", retryable=True)
        return ModelError(f"{self.url} does not answer like a Hugging Face hub ({_short(error)}). Check hub_url.")

    def _refusal(self, error: Exception, repository: str, file: str, token: str) -> str:
        """Word an answer that stays the same until somebody changes something; "" for any other."""
        match error:
            case HFValidationError():
                return f"{repository!r} is not the name of a repository: write owner/name."
            case OfflineModeIsEnabled():
                return f"{repository} is not downloaded yet, and HF_HUB_OFFLINE forbids downloads."
            case GatedRepoError():
                return (
                    f"{repository} is given only to those who accept its terms: open "
                    f"{self.url}/{repository}, accept them, and see that {token} belongs to that account."
                )
            case DisabledRepoError():
                return f"{repository} has been disabled on {self.url}. Choose another model."
            case RevisionNotFoundError() | RemoteEntryNotFoundError():
                return f"{repository} has no file {file!r} any more. Start again to list its files."
            case RepositoryNotFoundError():
                return (
                    f"{self.url} has no repository {repository}, or it is private. Check the spelling; for a "
                    f"private one see that {token} may read it."
                )
        return ""


class Body:
    """The bytes of a file as they arrive; a context manager, and an iterator once entered.

    Reading happens on a thread of its own, so that a set cancel event ends the iteration within a tenth of
    a second, however slow or dead the connection is. Nothing but the iterating thread sees the bytes.

    Attributes:
        offset: where in the file the first byte lies: `start`, or 0 where the server ignores ranges.
    """

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        *,
        start: int,
        timeout: float,
        cancel: threading.Event,
        explain: Callable[[Exception], ModelError],
    ) -> None:
        """Prepare the request; it is sent on entering."""
        self.offset = start
        self._request = (url, headers, start, timeout)
        self._cancel = cancel
        self._explain = explain
        self._done = threading.Event()
        self._items: queue.Queue[bytes | int | Exception | None] = queue.Queue(_AHEAD)

    def __enter__(self) -> Self:
        """Send the request and wait for the answer's head."""
        threading.Thread(target=self._read, name="hub-read", daemon=True).start()
        try:
            first = self._next()
        except BaseException:
            self._done.set()
            raise
        if isinstance(first, int):
            self.offset = first
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the reading thread go; it closes the connection when it next wakes."""
        self._done.set()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in chunks. Raises ModelError or StoppedError."""
        while (item := self._next()) is not None:
            if isinstance(item, bytes):
                yield item

    def _next(self) -> bytes | int | None:
        while True:
            if self._cancel.is_set():
                raise StoppedError
            try:
                item = self._items.get(timeout=_POLL)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise self._explain(item) from item
            return item

    def _put(self, item: bytes | int | Exception | None) -> bool:
        """Hand an item over; False once nobody wants it any more."""
        while not self._done.is_set():
            try:
                self._items.put(item, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False

    def _read(self) -> None:
        url, headers, start, timeout = self._request
        try:
            # The session follows the redirect to the storage host and drops the token on the way.
            with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
                hf_raise_for_status(response)
                if not self._put(start if response.status_code == 206 else 0):
                    return
                for chunk in response.iter_raw():
                    if not self._put(chunk):
                        return
            self._put(None)
        except Exception as error:  # noqa: BLE001 - carried to the thread that iterates, and raised there
            self._put(error)


def _retry_after(response: object) -> float | None:
    """Read how long the hub asks to wait: Retry-After in seconds or as a date, or its rate limit headers."""
    if not isinstance(response, httpx2.Response):
        return None
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    if value:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None
    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if response.status_code == 429 and limit else None


def _short(error: Exception) -> str:
    """Shorten an error of a library to one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
