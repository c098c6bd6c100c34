"""The home-llm program on this machine: where it is, whether it runs, and which quants it finds on the hub.

Free of Home Assistant.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .client_errors import LocalServerError

PROGRAM = "home-llm"
# The package is not on PyPI, so that the manifest cannot ask for it.
INSTALL = 'pip install "home-llm @ git+https://github.com/home-llm/home-llm#subdirectory=addon"'

# The first start reads hundreds of megabytes of libraries, on a Raspberry Pi from an SD card.
PROBE_SECONDS = 60.0
# The program itself tries again for half a minute when the hub is busy.
HUB_SECONDS = 50.0
MAX_MESSAGE_LENGTH = 300

_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|_KEY$|CREDENTIAL", re.IGNORECASE)
_KEPT = frozenset({"HOME_LLM_HUB_URL", "HOME_LLM_CACHE_TYPE"})
_LIBRARY = re.compile(r"shared (?:librar|object)|^ImportError|^ModuleNotFoundError|No module named", re.IGNORECASE)
_QUANT = re.compile(r"^ {4}(\S+)\s+(\d\S* \S+)$")


@dataclass(frozen=True, slots=True)
class Output:
    """What a finished program left behind."""

    status: int
    stdout: str
    stderr: str


def find_command(configured: str | None) -> Path | None:
    """Return the program: the configured file or virtual environment, else Home Assistant's own or that of the PATH.

    Blocks for a moment: it looks at files.
    """
    if configured:
        path = Path(configured).expanduser()
        candidates = [path / "bin" / PROGRAM, path / PROGRAM] if path.is_dir() else [path]
    else:
        found = shutil.which(PROGRAM)
        candidates = [Path(sys.executable).with_name(PROGRAM), *([Path(found)] if found else [])]
    return next((path for path in candidates if path.is_file() and os.access(path, os.X_OK)), None)


def child_environment(**values: str | None) -> dict[str, str]:
    """Return the environment of a child: what it needs of ours, nothing secret, and the values that are not None.

    Home Assistant's environment has the Supervisor's token, and may have settings meant for another home-llm.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not _SECRET_NAME.search(name) and (not name.startswith("HOME_LLM_") or name in _KEPT)
    }
    return environment | {name: value for name, value in values.items() if value is not None}


def exit_error(status: int, lines: Sequence[str]) -> LocalServerError:
    """Return what the end of a child means.

    Args:
        status: its exit status, negative for a signal.
        lines: the last that it wrote.
    """
    number = -status if status < 0 else status - 128 if 128 < status < 160 else 0
    if number == signal.SIGILL:
        return LocalServerError("local_illegal_instruction")
    written = [line.strip() for line in lines if line.strip()]
    last = written[-1][:MAX_MESSAGE_LENGTH] if written else ""
    if number:
        with suppress(ValueError):
            return LocalServerError("local_crashed", signal.Signals(number).name)
        return LocalServerError("local_crashed", f"signal {number}")
    if missing := next((line for line in reversed(written) if _LIBRARY.search(line)), None):
        return LocalServerError("local_library", missing[:MAX_MESSAGE_LENGTH])
    if said := next((line for line in reversed(written) if line.startswith(f"{PROGRAM}: ")), None):
        return LocalServerError("local_refused", said.removeprefix(f"{PROGRAM}: ")[:MAX_MESSAGE_LENGTH])
    return LocalServerError("local_crashed", f"{status}: {last}" if last else str(status))


async def async_probe(command: Path) -> str:
    """Return the version of the program; this loads llama.cpp's library.

    Raises:
        LocalServerError: it does not run here.
    """
    output = await _run([str(command), "--version"], child_environment(), PROBE_SECONDS)
    name, _, version = output.stdout.strip().partition(" ")
    if output.status or name != PROGRAM or not version:
        if not output.status:
            raise LocalServerError("local_not_home_llm", str(command))
        raise exit_error(output.status, output.stderr.splitlines())
    return version


async def async_catalogue(command: Path) -> dict[str, str]:
    """Return the models that the program knows by name, with what each is good for; empty where it does not tell."""
    try:
        output = await _ask_models(command, ["list"], None)
    except LocalServerError:
        return {}
    _, _, listed = output.stdout.partition("In the catalogue")
    found = (re.match(r"^ {2}(\S+)\s+\S+\s+(.+)$", line) for line in listed.splitlines())
    return {match[1]: match[2] for match in found if match}


async def async_quants(command: Path, model: str, hub_token: str | None) -> dict[str, str]:
    """Return the quants of a model on the hub with their sizes, the smallest first.

    Raises:
        LocalServerError: the hub does not have it, or cannot be asked.
    """
    output = await _ask_models(command, ["info", model], hub_token)
    _, _, listed = output.stdout.partition("quants:")
    return {match[1]: match[2] for line in listed.splitlines() if (match := _QUANT.match(line))}


async def _ask_models(command: Path, arguments: Sequence[str], hub_token: str | None) -> Output:
    """Run `home-llm models`, beside whatever is stored."""
    environment = child_environment(HOME_LLM_HUB_TOKEN=hub_token)
    loop = asyncio.get_running_loop()
    folder = await loop.run_in_executor(None, tempfile.mkdtemp)
    try:
        call = [str(command), "models", "--data-dir", folder, "--", *arguments]
        output = await _run(call, environment, HUB_SECONDS)
    finally:
        await loop.run_in_executor(None, lambda: shutil.rmtree(folder, ignore_errors=True))
    if output.status:
        raise exit_error(output.status, output.stderr.splitlines())
    return output


async def _run(call: Sequence[str], environment: Mapping[str, str], seconds: float) -> Output:
    """Run a program to its end.

    Raises:
        LocalServerError: it cannot be run, or takes too long.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *call,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as err:
        raise LocalServerError("local_not_executable", err.strerror or str(err)) from err
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate()
    except TimeoutError as err:
        raise LocalServerError("local_timeout") from err
    finally:
        if process.returncode is None:
            kill_group(process.pid, signal.SIGKILL)
            await process.wait()
    return Output(process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def kill_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child and to whatever it has started; its session is its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
