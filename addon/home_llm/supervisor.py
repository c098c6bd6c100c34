"""What this server tells the Home Assistant Supervisor: where it is, and the key that opens it."""

import fcntl
import http.client
import json
import logging
import os
import re
import secrets
import socket
import stat
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_LOGGER = logging.getLogger(__name__)

SERVICE = "home_llm"
"""The integration that Home Assistant starts for our message; config.yaml lists it under `discovery`."""

DEFAULT_SUPERVISOR_URL = "http://supervisor"
KEY_FILE = "api_key"

_KEY_BYTES = 32
_WHOLE_KEY = re.compile(r"[A-Za-z0-9_-]{43,}")
# A proxy from the environment must see neither the token nor the key: both stay on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SupervisorError(Exception):
    """Say why the Supervisor did not take a message, and whether it may take it later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        """Keep the reason as a clause that reads on after "because" in a log line."""
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the parts that start beside us; every field is in seconds."""

    server: float = 120.0
    supervisor: float = 1800.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    request: float = 10.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What Home Assistant needs to reach this server.

    `started_at` differs at every start, because the Supervisor does not pass an identical message on:
    after a reboot of the host a not yet configured app would stay invisible.
    """

    host: str
    port: int
    api_key: str = field(repr=False)
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


def ensure_api_key(data_dir: Path) -> str:
    """Return the key kept in the data folder, made at the first call.

    The file is mode 0600 and appears whole or not at all. One that does not hold a whole key, as a power
    cut can leave it, is replaced. Of two processes that start together, both get the same key.

    Raises:
        OSError: The data folder cannot be written.

    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _alone_in(data_dir):
        path = data_dir / KEY_FILE
        key = _read_key(path)
        if key is None:
            if path.exists():
                _LOGGER.warning("%s does not hold a whole key; a new one is made, give it to your clients", path)
            key = secrets.token_urlsafe(_KEY_BYTES)
            _write_privately(path, key + "\n")
        return key


def announce(
    announcement: Announcement, *, token: str, url: str = DEFAULT_SUPERVISOR_URL, timeout: float = 10.0
) -> str:
    """Give the Supervisor one discovery message and return the identifier it keeps it under.

    Raises:
        SupervisorError: It could not be reached, or did not accept the message.

    """
    body = json.dumps({"service": SERVICE, "config": asdict(announcement)}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme is fixed or set by whoever runs us
        f"{url.rstrip('/')}/discovery",
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with _OPENER.open(request, timeout=timeout) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error.code, error.read()) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise SupervisorError(f"it does not answer at {url} ({reason})", retryable=True) from error
    except ValueError as error:
        raise SupervisorError("its answer is not JSON", retryable=True) from error
    data = answer.get("data") if isinstance(answer, dict) else None
    uuid = data.get("uuid") if isinstance(data, dict) else None
    if not isinstance(uuid, str):
        raise SupervisorError("its answer names no message", retryable=True)
    return uuid


def discover(
    *,
    data_dir: Path,
    port: int,
    api_key: str = "",
    environment: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> int:
    """Announce the server on this machine to Home Assistant, and return the exit status, which is always 0.

    An app that cannot be discovered still serves, so nothing here may stop the container. The token comes
    from SUPERVISOR_TOKEN, the address from SUPERVISOR_URL where that is set. An empty `api_key` stands for
    the one kept in the data folder. Every outcome is one line in the log.
    """
    environment = os.environ if environment is None else environment
    patience = patience or Patience()
    token = environment.get("SUPERVISOR_TOKEN", "")
    if not token:
        _LOGGER.info("Not announced to Home Assistant: this is not running under its Supervisor")
        return 0
    if not _wait_for_server(port, patience):
        _LOGGER.warning(
            "Not announced to Home Assistant: the server did not answer on port %d within %.0f seconds; "
            "its own log lines say why. Restart the app to try again",
            port,
            patience.server,
        )
        return 0
    try:
        key = api_key or ensure_api_key(data_dir)
    except OSError as error:
        _LOGGER.warning("Not announced to Home Assistant: no API key can be kept in %s (%s)", data_dir, error)
        return 0
    announcement = Announcement(host=socket.gethostname(), port=port, api_key=key)
    url = environment.get("SUPERVISOR_URL") or DEFAULT_SUPERVISOR_URL
    try:
        uuid = _announce_patiently(announcement, token, url, patience)
    except SupervisorError as error:
        _LOGGER.warning("Not announced to Home Assistant: the Supervisor was asked, but %s", error)
        return 0
    _LOGGER.info("Announced to Home Assistant as %s:%d (message %s)", announcement.host, port, uuid)
    return 0


def _announce_patiently(announcement: Announcement, token: str, url: str, patience: Patience) -> str:
    """Announce, again and again with growing pauses while the Supervisor may still come.

    Raises:
        SupervisorError: It refused for good, or patience is at its end.

    """
    give_up = time.monotonic() + patience.supervisor
    pause = patience.first_pause
    told = False
    while True:
        try:
            return announce(announcement, token=token, url=url, timeout=patience.request)
        except SupervisorError as error:
            if not error.retryable or time.monotonic() + pause > give_up:
                raise
            if not told:
                _LOGGER.info("Waiting for the Supervisor: %s", error)
                told = True
        time.sleep(pause)
        pause = min(pause * 2, patience.longest_pause)


def _wait_for_server(port: int, patience: Patience) -> bool:
    """Return whether our own port answers with health, which it does before any model is loaded."""
    give_up = time.monotonic() + patience.server
    pause = min(0.1, patience.first_pause)
    while True:
        with (
            suppress(OSError, http.client.HTTPException),
            _OPENER.open(f"http://127.0.0.1:{port}/health", timeout=patience.request) as response,
        ):
            return bool(response.status == 200)
        if time.monotonic() + pause > give_up:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _refusal(status: int, body: bytes) -> SupervisorError:
    """Turn an error answer of the Supervisor into a reason in words."""
    if status == 401:
        return SupervisorError("it does not know our token (401)", retryable=False)
    detail = _message_of(body)
    if status == 403:
        return SupervisorError(f"it does not let this app announce {SERVICE} (403{detail})", retryable=False)
    # 408 and 429 ask for another try; the Supervisor answers 5xx while it starts or updates itself.
    retryable = status in (408, 429) or status >= 500
    return SupervisorError(f"it answered {status}{detail}", retryable=retryable)


def _message_of(body: bytes) -> str:
    """Return the `message` of a Supervisor error as a suffix, or nothing where there is none."""
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    return f": {message}" if isinstance(message, str) else ""


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, which a process that dies gives up by itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write_privately(path: Path, text: str) -> None:
    """Write a file of mode 0600 that appears whole or, after a power cut, not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _read_key(path: Path) -> str | None:
    """Return the key in a file if it is whole, and close the file to other users."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if _WHOLE_KEY.fullmatch(text) is None:
        return None
    if stat.S_IMODE(path.stat().st_mode) != 0o600:
        path.chmod(0o600)
    return text
