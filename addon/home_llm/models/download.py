"""Download the files of a model: continued where it stopped, checked, and never half there under its name."""

import errno
import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import ModelError, StoppedError
from .hub import Hub, Repository
from .memory import gigabytes
from .quants import Candidate, RemoteFile

_LOGGER = logging.getLogger(__name__)

SPARE_DISK: Final = 64 << 20  # bytes left free on the disk: a full data disk harms more than a missing model
_BLOCK: Final = 1 << 20
_LOG_SECONDS: Final = 10.0
_LOG_PERCENT: Final = 10
_REPORT_SECONDS: Final = 0.2
_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Progress:
    """How far a download is: the file on its way, bytes done and to do over all files, bytes a second.

    `sha256` is that of the file as the hub announces it, in hex; "" where it does not.
    """

    file: str
    done: int
    total: int
    rate: float
    sha256: str = ""

    @property
    def percent(self) -> float:
        """Share done, 0 to 100, one decimal."""
        return round(100 * self.done / self.total, 1) if self.total else 100.0


class Meter:
    """Counts bytes, reports a few times a second, and logs every 10 percent or 10 seconds."""

    def __init__(self, total: int, report: Callable[[Progress], None]) -> None:
        """Start counting towards `total` bytes."""
        self.done = 0
        self._total = total
        self._report = report
        self._started = time.monotonic()
        self._received = 0
        self._reported = 0.0
        self._logged = self._started
        self._logged_percent = 0

    def have(self, count: int) -> None:
        """Count bytes that were there already (negative: bytes that are given up)."""
        self.done += count

    def add(self, file: RemoteFile, count: int) -> None:
        """Count bytes received."""
        self.done += count
        self._received += count
        self.show(file, final=self.done >= self._total)

    def show(self, file: RemoteFile, *, final: bool = False) -> None:
        """Report and log where it is time to."""
        now = time.monotonic()
        rate = self._received / max(now - self._started, 1e-3)
        progress = Progress(file.name, self.done, self._total, rate, file.sha256)
        if final or now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._report(progress)
        percent = int(progress.percent)
        if percent >= self._logged_percent + _LOG_PERCENT or now - self._logged >= _LOG_SECONDS:
            self._logged = now
            self._logged_percent = percent - percent % _LOG_PERCENT
            _LOGGER.info(
                "Downloading %s: %d%% of %s, %s/s",
                file.name,
                percent,
                gigabytes(self._total),
                gigabytes(progress.rate),
            )


def download(
    hub: Hub,
    repository: Repository,
    candidate: Candidate,
    folder: Path,
    *,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
) -> list[str]:
    """Download every file of `candidate` into `folder`; return their SHA-256 in hex, in order.

    A file has its name only when it is whole and checked; until then it ends in `.part` and is continued by
    the next call. Raises ModelError, or StoppedError once `cancel` is set; both leave `.part` files behind,
    except for a file whose checksum is wrong, which is deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = candidate.size - sum(_bytes_in(folder, file) for file in candidate.files)
    check_space(folder, missing, candidate.name)
    meter = Meter(candidate.size, on_progress)
    try:
        return [_download_file(hub, repository, file, folder, meter, cancel) for file in candidate.files]
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise _no_space(folder, candidate.size - meter.done, candidate.name) from error
        raise ModelError(f"{candidate.name} could not be written to {folder}: {error}.") from error


def check_space(folder: Path, needed: int, name: str) -> None:
    """Raise ModelError where the disk under `folder` has no room for `needed` more bytes."""
    if needed > 0 and shutil.disk_usage(folder).free < needed + SPARE_DISK:
        raise _no_space(folder, needed, name)


def _no_space(folder: Path, needed: int, name: str) -> ModelError:
    return ModelError(
        f"The disk is too full for {name}: {gigabytes(needed)} are to come, and "
        f"{gigabytes(shutil.disk_usage(folder).free)} are free. Remove a model or free space, then start again."
    )


def _bytes_in(folder: Path, file: RemoteFile) -> int:
    return sum(path.stat().st_size for path in (folder / file.name, _part(folder, file)) if path.exists())


def _part(folder: Path, file: RemoteFile) -> Path:
    return folder / f"{file.name}.part"


def _download_file(
    hub: Hub, repository: Repository, file: RemoteFile, folder: Path, meter: Meter, cancel: threading.Event
) -> str:
    """Download one file and return its SHA-256."""
    target, part = folder / file.name, _part(folder, file)
    if target.exists():  # whole and checked by an earlier call
        meter.have(file.size)
        return file.sha256 or file_sha256(target, cancel)
    digest = _resume(part, file, meter, cancel)
    failures = 0
    while (done := part.stat().st_size) < file.size:
        try:
            digest = _receive(hub, repository, file, part, digest, meter, cancel)
        except ModelError as error:
            if error.status == 416:
                # Asking again would go round in a circle: what is there is not what was announced.
                part.unlink()
                raise ModelError(
                    f"{hub.url} has fewer bytes of {file.name} than it announced. What came was deleted; start "
                    "again to download it anew.",
                    status=416,
                ) from error
            failures = 1 if part.stat().st_size > done else failures + 1
            hub.wait_after(error, failures, cancel)
    _check(part, file, digest.hexdigest())
    part.replace(target)
    meter.show(file, final=True)
    return digest.hexdigest()


def _resume(part: Path, file: RemoteFile, meter: Meter, cancel: threading.Event) -> "hashlib._Hash":
    """Take up what an earlier call left: its digest, counted by the meter."""
    if not part.exists() or part.stat().st_size > file.size:
        part.write_bytes(b"")
    done = part.stat().st_size
    meter.have(done)
    if done:
        _LOGGER.info("Continuing %s at %s of %s", file.name, gigabytes(done), gigabytes(file.size))
    return _digest(part, cancel)


def _receive(
    hub: Hub,
    repository: Repository,
    file: RemoteFile,
    part: Path,
    digest: "hashlib._Hash",
    meter: Meter,
    cancel: threading.Event,
) -> "hashlib._Hash":
    """Append what the hub sends to `part` until it ends; return the digest of all of `part`."""
    with part.open("ab") as out:
        start = out.tell()
        with hub.open(repository, file, start=start, cancel=cancel) as body:
            if body.offset != start:  # the server ignores ranges and begins again
                meter.have(-start)
                out.truncate(0)
                digest = hashlib.sha256()
            for chunk in body:
                out.write(chunk)
                digest.update(chunk)
                meter.add(file, len(chunk))
                if out.tell() > file.size:
                    break
        if out.tell() < file.size:
            raise ModelError(f"{hub.url} ended {file.name} early.", retryable=True)
    return digest


def _check(part: Path, file: RemoteFile, sha256: str) -> None:
    """Raise ModelError and delete the file unless size and SHA-256 are those that the hub announced."""
    size = part.stat().st_size
    if size == file.size and file.sha256 in ("", sha256):
        return
    part.unlink()
    fault = f"has {size:,} bytes instead of {file.size:,}" if size != file.size else "has a wrong checksum"
    raise ModelError(
        f"{file.name} {fault} and was deleted: it was damaged on the way. Start again to download it anew.",
        retryable=True,
    )


def file_sha256(path: Path, cancel: threading.Event | None = None) -> str:
    """Return a file's SHA-256 in hex. Raises StoppedError once `cancel` is set, and OSError."""
    return _digest(path, cancel).hexdigest()


def _digest(path: Path, cancel: threading.Event | None) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if cancel is not None and cancel.is_set():
                raise StoppedError
            digest.update(block)
    return digest
