"""One run of the home-llm server as a child process on the loopback."""

import asyncio
import logging
import os
import re
import secrets
import signal
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .client import Health, HomeLlmClient
from .client_errors import HomeLlmError, LocalServerError
from .const import LOGGER
from .local_command import INSTALL, child_environment, exit_error, find_command, kill_group

SERVER_LOGGER = LOGGER.getChild("server")

START_SECONDS = 120.0
STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_MAX_LINE = 2000
_MAX_UNFINISHED = 65536
_PID_FILE = "server.pid"
_LEVEL = re.compile(r"^\d{4}-\d\d-\d\d \S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What to run.

    Attributes:
        command: the program or its virtual environment; none is to look for it.
        model: a repository or a name of the catalogue, also with `:QUANT`, or the path of a file.
        context_size: tokens; 0 lets the server choose.
        threads: at most; 0 lets the server choose.
        hub_token: for gated repositories.
        data_dir: where models and what the server keeps are stored.
    """

    command: str | None
    model: str
    context_size: int
    threads: int
    hub_token: str | None
    data_dir: Path

    def arguments(self, port: int) -> list[str]:
        """Return the arguments of the program, none of which is secret."""
        numbers = {"context-size": self.context_size, "threads": self.threads}
        return [
            "serve",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--data-dir={self.data_dir}",
            f"--model={self.model}",
            *(f"--{name}={value}" for name, value in numbers.items() if value),
        ]


class LocalProcess:
    """A server that runs until it is stopped, or ends by itself.

    The port and the key are made for each run; the key is in the child's environment only.
    """

    def __init__(self, session: aiohttp.ClientSession, options: LocalOptions) -> None:
        """Prepare; nothing runs yet."""
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=20)
        self.api_key = secrets.token_urlsafe(32)
        self.url = ""
        self._client = HomeLlmClient(session, "http://127.0.0.1", self.api_key)

    async def async_start(self) -> None:
        """Start the server, and wait until it answers on its port.

        Raises:
            LocalServerError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        command, port = await loop.run_in_executor(None, self._prepare)
        self.url = f"http://127.0.0.1:{port}"
        self._client.async_move(self.url, self.api_key)
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(command),
                *self._options.arguments(port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=child_environment(HOME_LLM_API_KEY=self.api_key, HOME_LLM_HUB_TOKEN=self._options.hub_token),
                cwd=self._options.data_dir,
                start_new_session=True,
            )
        except OSError as err:
            raise LocalServerError("local_not_executable", err.strerror or str(err)) from err
        self._reader = asyncio.create_task(self._forward_log(self._process), name="home_llm log")
        try:
            await loop.run_in_executor(None, self._pid_file.write_text, str(self._process.pid))
            await self._wait_until_it_answers()
        except OSError as err:
            await self.async_stop()
            raise LocalServerError("local_folder", f"{self._pid_file}: {err.strerror}") from err
        except BaseException:
            await self.async_stop()
            raise

    async def async_health(self) -> Health:
        """Return what the server says about itself.

        Raises:
            HomeLlmError: it does not answer.
        """
        health = await self._client.async_health()
        if health is None:
            raise LocalServerError("local_not_home_llm", self.url)
        return health

    async def async_wait(self) -> LocalServerError:
        """Wait until the server ends by itself; return why."""
        assert self._process is not None  # noqa: S101 - started
        status = await self._process.wait()
        await self._close_log()
        return exit_error(status, list(self._lines))

    async def async_stop(self) -> None:
        """End the server: politely, and after ten seconds by force."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            kill_group(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                LOGGER.warning("The local server did not end in time and is killed")
            finally:
                if process.returncode is None:
                    kill_group(process.pid, signal.SIGKILL)
                    await process.wait()
        await self._close_log()
        self._process = None
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._pid_file.unlink(missing_ok=True))

    @property
    def _pid_file(self) -> Path:
        return self._options.data_dir / _PID_FILE

    def _prepare(self) -> tuple[Path, int]:
        """Find the program and a free port, and end what an earlier Home Assistant left running."""
        command = find_command(self._options.command)
        if command is None:
            raise LocalServerError("local_missing", INSTALL)
        try:
            self._options.data_dir.mkdir(parents=True, exist_ok=True)
            _end_leftover(self._pid_file, self._options.data_dir)
        except OSError as err:
            raise LocalServerError("local_folder", f"{self._options.data_dir}: {err.strerror}") from err
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        return command, port

    async def _wait_until_it_answers(self) -> None:
        """Return once the server answers.

        Raises:
            LocalServerError: it ended before, or took too long.
        """
        ended = asyncio.create_task(self.async_wait())
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    if ended.done():
                        raise ended.result()
                    with suppress(HomeLlmError):
                        await self.async_health()
                        # Only the right one knows the key.
                        await self._client.async_models()
                        return
                    await asyncio.wait({ended}, timeout=_LOOK_SECONDS)
        except TimeoutError as err:
            raise LocalServerError("local_timeout") from err
        finally:
            ended.cancel()
            await asyncio.wait({ended})

    async def _forward_log(self, process: asyncio.subprocess.Process) -> None:
        """Pass what the server writes on to Home Assistant's log, without what is secret."""
        assert process.stdout is not None  # noqa: S101 - it was asked for
        rest = b""
        while data := await process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._log(line)
            if len(rest) > _MAX_UNFINISHED:
                self._log(rest)
                rest = b""
        self._log(rest)

    def _log(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        for secret in (self.api_key, self._options.hub_token):
            if secret:
                text = text.replace(secret, "**REDACTED**")
        if text := text[:_MAX_LINE]:
            self._lines.append(text)
            level = _LEVEL.match(text)
            # What is not one of its own lines comes from llama.cpp, which tells much.
            SERVER_LOGGER.log(logging.getLevelNamesMapping()[level[1]] if level else logging.DEBUG, "%s", text)

    async def _close_log(self) -> None:
        """Read the last lines; a grandchild that keeps the pipe open is not waited for."""
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=1)
            self._reader.cancel()
            await asyncio.wait({self._reader})


def _end_leftover(pid_file: Path, data_dir: Path) -> None:
    """End the server of a Home Assistant that was killed before it could do that itself."""
    try:
        pid = int(pid_file.read_text())
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    # The number may belong to somebody else by now.
    if f"--data-dir={data_dir}".encode() in command_line.split(b"\0"):
        LOGGER.warning("Ending a local server that was left running")
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
