"""The real server as a process of its own, as people run it: `home-llm serve`."""

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from http_client import Client

COMMAND = Path(__file__).parents[2] / ".venv" / "bin" / "home-llm"
_START_SECONDS = 60
_STOP_SECONDS = 15


class ServerProcess(Client):
    """A server on a free port; a context manager.

    Args:
        data_dir: its data folder.
        flags: further flags of `home-llm serve`.
        until: the states of `/health` that it has started with.
    """

    def __init__(self, data_dir: Path, *flags: str | Path, until: tuple[str, ...] = ("ok",)) -> None:
        super().__init__(free_port())
        self.data_dir = data_dir
        self._flags = flags
        self._until = until
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api_key(self) -> str:
        """The key that it made for itself, as it does where it listens on more than the loopback."""
        return (self.data_dir / "api_key").read_text().strip()

    @property
    def pid(self) -> int:
        """The process, while it is there."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        """Start it, and wait until its model can answer, or for the states that were named."""
        # The last flag counts: the model is the embedded base, where the flags name no other.
        place = ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        command: list[str | Path] = [COMMAND, "serve", *place, "--model", "smollm2-135m", *self._flags]
        self._process = subprocess.Popen(command)
        try:
            end = time.monotonic() + _START_SECONDS
            while (status := self.status()) not in self._until:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < end, status
                time.sleep(0.1)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to end, as a service manager does; it must end well."""
        assert self._process is not None
        self._process.terminate()
        try:
            code = self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        assert code == 0, f"the server ended with {code}"

    def status(self) -> str:
        """Return what its health route says."""
        try:
            status: str = self.get("/health").json["status"]
        except OSError:
            return "not listening"
        return status

    def run(self, *arguments: str | Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run another command of `home-llm` beside it, and return how that ended."""
        return subprocess.run(
            [COMMAND, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
