"""The two servers: started, restarted, asked and stopped by the bench."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.client import BenchError, Reply, Stream, ask, look, status, stream
from benchmarks.machine import peak_memory_mb

ROOT = Path(__file__).parents[1]
KEY = "bench"
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01


class Server:
    """A server that runs as a process of its own.

    Args:
        name: whose it is.
        command: what starts it, but for the port.
        log: file for what it prints.
        key: what requests authenticate with.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, key: str = "") -> None:
        self.name = name
        self.command = tuple(command)
        self.port = 0
        self._log = log
        self._key = key
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process; 0 while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> float:
        """Start it; return the seconds until it was ready to answer.

        Raises:
            BenchError: it ended, or did not get ready.
        """
        self.stop()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*self.command, "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while time.perf_counter() - started < _START_SECONDS:
            if self._process.poll() is not None:
                raise BenchError(f"it ended with {self._process.returncode}: {self._last_line()}")
            code, body = status(self.port, "/health")
            if code == 200 and body.get("status") == "ok":
                return time.perf_counter() - started
            if body.get("status") == "error" and code == 200:
                raise BenchError(str(body.get("message")))
            time.sleep(_POLL_SECONDS)
        raise BenchError(f"it was not ready within {_START_SECONDS:.0f} s: {self._last_line()}")

    def stop(self) -> None:
        """Ask it to end, as a service manager does, and end it where it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def ensure(self) -> None:
        """Start it unless it runs.

        Raises:
            BenchError: it does not start.
        """
        if not self.pid:
            self.start()

    def ask(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send a request; see `client.ask`."""
        return ask(self.port, path, body, self._key)

    def stream(self, path: str, body: Mapping[str, Any]) -> Stream:
        """Send a request; see `client.stream`."""
        return stream(self.port, path, body, self._key)

    def look(self, path: str) -> float:
        """Send a GET request; see `client.look`."""
        return look(self.port, path, self._key)

    def get(self, path: str) -> Mapping[str, Any]:
        """Return the body of a GET request; empty where there is none."""
        return status(self.port, path)[1]

    def peak_memory_mb(self) -> float:
        """Return the most memory it has held.

        Raises:
            BenchError: it does not run.
        """
        try:
            return peak_memory_mb(self.pid)
        except OSError as error:
            raise BenchError(f"its memory cannot be read: {error}") from error

    def _last_line(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][-200:] if lines else "it printed nothing"


def our_server(model: Path, context_size: int, threads: int, folder: Path) -> Server:
    """Return Home LLM's server; `threads` 0 lets it choose."""
    command = [
        str(ROOT / ".venv" / "bin" / "home-llm"),
        "serve",
        *("--model", str(model)),
        *("--context-size", str(context_size)),
        *("--threads", str(threads)),
        *("--data-dir", str(folder / "data")),
        *("--api-key", KEY),
    ]
    return Server("Home LLM", command, folder / "home-llm.log", KEY)


def peer_server(
    model: Path, context_size: int, threads: int, folder: Path, flags: Sequence[str] = (), template: str = ""
) -> Server:
    """Return llama-server.

    Args:
        model: the weights.
        context_size: tokens of context.
        threads: how many to compute with.
        folder: where its log goes.
        flags: what else to start it with.
        template: a chat template in place of the model's own.
    """
    command = [
        str(ROOT / "script" / "peer"),
        "llama-server",
        *("-m", str(model)),
        *("-c", str(context_size)),
        *("-t", str(threads)),
        *("--host", "127.0.0.1"),
        "--jinja",
        *flags,
        *(("--chat-template", template) if template else ()),
    ]
    return Server("llama-server", command, folder / "llama-server.log")


def our_version() -> str:
    """Return what we run."""
    return f"Home LLM {version('home-llm')} on llama-cpp-python {version('llama-cpp-python')}"


def peer_version() -> str:
    """Return llama-server's version and where it is from, after getting it where it is not there yet.

    Raises:
        BenchError: it cannot be had.
    """
    command = [str(ROOT / "script" / "peer"), "llama-server", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    text = result.stdout + result.stderr
    found = re.search(r"version: (.+)", text)
    if result.returncode or not found:
        raise BenchError(text.strip().splitlines()[-1] if text.strip() else "script/peer failed")
    origin = "from the PATH" if shutil.which("llama-server") else "of Debian forky"
    return f"llama-server {found[1]}, {origin}"
