"""The server as people run it, as a process of its own: `home-llm serve`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 180
_STOP_SECONDS = 15
_NAME = "home-llm"


class ServerError(RuntimeError):
    """The server cannot be started."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: its address.
        pid: its process, or None where it was not started here.
        model: what it says it has loaded.
    """

    url: str
    pid: int | None = None
    model: str = ""

    def peak_memory(self) -> int | None:
        """Return the most bytes that its process has had in memory, where that can be told."""
        if self.pid is None:
            return None
        try:
            status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        except OSError:
            return None
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "")
        return int(line.split()[1]) * 1024 if line else None


def find_command(chosen: str | None = None) -> Path:
    """Return the program `home-llm`: as named, of this environment, of the repository, or of the PATH.

    Raises:
        ServerError: there is none.
    """
    repository = Path(__file__).parents[3] / ".venv" / "bin" / _NAME
    places = [Path(chosen)] if chosen else [Path(sys.prefix) / "bin" / _NAME, repository]
    if found := next((place for place in places if place.is_file()), None):
        return found
    on_path = None if chosen else shutil.which(_NAME)
    if on_path is None:
        raise ServerError(f"There is no {chosen or _NAME}. Name the program with --command, or run ./script/run once.")
    return Path(on_path)


@contextmanager
def serve(
    flags: Sequence[str], *, command: str | None = None, context_size: int = 8192, threads: int = 0
) -> Generator[Server]:
    """Serve a model on a free port of the loopback.

    Raises:
        ServerError: it ended, or is not ready in time; with the end of its log.
    """
    program = find_command(command)
    with tempfile.TemporaryDirectory(prefix="home-llm-lab-") as folder, _log(folder) as log:
        port = _free_port()
        line = [str(program), "serve", "--port", str(port), "--data-dir", folder, "--context-size", str(context_size)]
        line += ["--threads", str(threads), *flags]
        process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - no shell, flags of ours
        url = f"http://127.0.0.1:{port}"
        try:
            yield Server(url, process.pid, _wait(url, process, Path(folder) / "log"))
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def health(url: str) -> dict[str, object]:
    """Return what a server says of itself; `status` is `not listening` where there is none."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:  # noqa: S310 - http alone gets here
            found: dict[str, object] = json.load(response)
            return found
    except (OSError, ValueError):
        return {"status": "not listening"}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _START_SECONDS
    while (found := health(url))["status"] != "ok":
        if process.poll() is not None or found["status"] == "error" or time.monotonic() > end:
            last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-8:])
            raise ServerError(f"The server is not ready: {found.get('message') or found['status']}\n{last}")
        time.sleep(0.1)
    return str(found.get("model") or "")


@contextmanager
def _log(folder: str) -> Generator[int]:
    descriptor = os.open(Path(folder) / "log", os.O_WRONLY | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
