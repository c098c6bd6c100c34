"""A server that runs here: started, watched, started again, and always ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import aiohttp
import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from custom_components.home_llm import client as client_module
from custom_components.home_llm import local_process, local_server
from custom_components.home_llm.client import HomeLlmClient
from custom_components.home_llm.client_errors import LocalServerError
from custom_components.home_llm.local_process import LocalOptions, LocalProcess
from custom_components.home_llm.local_server import LocalServer
from tests.integration.programs import until, write_nonsense, write_program, write_server

SECONDS = 10


@pytest.fixture(name="program")
def program_fixture(socket_enabled: None, tmp_path: Path) -> Path:
    """Put a server in the place of home-llm."""
    return write_server(tmp_path / "bin")


@pytest.fixture(name="options")
def options_fixture(program: Path, tmp_path: Path) -> LocalOptions:
    """Return options for it."""
    return LocalOptions(
        command=str(program),
        model="owner/name:Q4_1",
        context_size=2048,
        threads=0,
        hub_token="hf_secret",
        data_dir=tmp_path / "data",
    )


@pytest.fixture(name="quick", autouse=True)
def quick_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what would be waited for."""
    monkeypatch.setattr(local_server, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(local_server, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(local_server, "WAITING_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(local_process, "STOP_SECONDS", 1.0)


class Changes:
    """Counts how often a change was told."""

    count = 0

    def __call__(self) -> None:
        """Count."""
        self.count += 1


@pytest.fixture(name="changes")
def changes_fixture() -> Changes:
    """Count changes."""
    return Changes()


@pytest.fixture(name="client")
async def client_fixture(hass: HomeAssistant) -> HomeLlmClient:
    """Return a client that points nowhere yet."""
    return HomeLlmClient(async_get_clientsession(hass), "http://127.0.0.1:9")


@pytest.fixture(name="server")
async def server_fixture(
    hass: HomeAssistant, options: LocalOptions, client: HomeLlmClient, changes: Changes
) -> AsyncGenerator[LocalServer]:
    """Return a server that is stopped after the test."""
    server = LocalServer(async_get_clientsession(hass), options, client, changes)
    yield server
    await server.async_stop()


def starts(program: Path) -> list[str]:
    """Return how the server has been started so far."""
    path = program.with_name("started")
    return path.read_text().splitlines() if path.exists() else []


def is_running(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(options: LocalOptions) -> int:
    """Return the number of the running server."""
    return int((options.data_dir / "server.pid").read_text())


async def test_start_and_stop(
    server: LocalServer, program: Path, options: LocalOptions, client: HomeLlmClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The client reaches it with its key, which is on no command line and in no log; afterwards nothing is left."""
    caplog.set_level(logging.DEBUG)
    await server.async_start()
    assert (await client.async_models())[0].model_id == "m"
    pid = pid_of(options)
    (line,) = starts(program)
    assert f"--data-dir={options.data_dir} --model=owner/name:Q4_1 --context-size=2048" in line
    assert "--host=127.0.0.1" in line
    assert "threads" not in line
    assert "hf_secret" not in line
    await until(lambda: "my key is **REDACTED**" in caplog.text)
    await until(lambda: "loaded **REDACTED**" in caplog.text)
    forwarded = [record for record in caplog.records if record.name == "custom_components.home_llm.server"]
    assert {record.levelname for record in forwarded} == {"WARNING", "DEBUG"}
    await server.async_stop()
    assert not is_running(pid)
    assert not (options.data_dir / "server.pid").exists()
    await server.async_stop()
    assert len(starts(program)) == 1


async def test_a_server_that_dies_is_started_again(
    server: LocalServer,
    program: Path,
    client: HomeLlmClient,
    changes: Changes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told when it goes and when it is back, at a new address with a new key."""
    await server.async_start()
    url = client.url
    program.with_name("die").write_text(str(int(signal.SIGILL)))
    await until(lambda: "local_illegal_instruction" in caplog.text)
    assert changes.count >= 1
    program.with_name("die").unlink()
    await until(lambda: "runs again" in caplog.text)
    assert client.url != url
    assert (await client.async_models())[0].model_id == "m"


async def test_back_off(
    server: LocalServer, program: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that cannot be started is tried ever more seldom, up to the longest delay."""
    monkeypatch.setattr(local_server, "LONGEST_DELAY", 0.3)
    await server.async_start()
    program.with_name("refuse").write_text("no memory")
    program.with_name("die").write_text(str(int(signal.SIGKILL)))
    await until(lambda: caplog.text.count("cannot be started (local_refused: no memory)") == 3)
    delays = [
        record.args[2]
        for record in caplog.records
        if "cannot be started" in record.message and isinstance(record.args, tuple)
    ]
    assert delays == [0.2, 0.3, 0.3]
    program.with_name("refuse").unlink()
    program.with_name("die").unlink()
    await until(lambda: "runs again" in caplog.text)


async def test_the_delay_starts_anew_after_a_long_run(
    server: LocalServer, program: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that ran for long is started again at once."""
    monkeypatch.setattr(local_server, "STABLE_SECONDS", 0.0)
    await server.async_start()
    for _ in range(2):
        program.with_name("die").write_text(str(int(signal.SIGKILL)))
        await until(lambda: "SIGKILL" in caplog.text)
        program.with_name("die").unlink()
        await until(lambda: "runs again" in caplog.text)
        ended = [record for record in caplog.records if "is started again in" in record.message]
        assert isinstance(ended[-1].args, tuple)
        assert ended[-1].args[2] == 0.1
        caplog.clear()


async def test_a_server_that_is_stuck(
    server: LocalServer, program: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that does not answer three times in a row is ended and started again."""
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    await server.async_start()
    await asyncio.sleep(0.3)
    program.with_name("stuck").touch()
    await until(lambda: "local_hangs" in caplog.text)
    program.with_name("stuck").unlink()
    await until(lambda: "runs again" in caplog.text)
    assert len(starts(program)) >= 2


async def test_a_server_that_ignores_the_polite_signal(
    server: LocalServer, program: Path, options: LocalOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """It is killed."""
    program.with_name("stubborn").touch()
    await server.async_start()
    pid = pid_of(options)
    await server.async_stop()
    assert not is_running(pid)
    assert "is killed" in caplog.text


async def test_progress_is_told(server: LocalServer, program: Path, changes: Changes) -> None:
    """Each new state of the server is told, so that an agent is there as soon as its model is."""
    program.with_name("health").write_text('{"status": "downloading"}')
    await server.async_start()
    await until(lambda: changes.count == 1)
    program.with_name("health").write_text('{"status": "ok"}')
    await until(lambda: changes.count == 2)


async def test_stopping_while_it_waits_to_start_again(server: LocalServer, program: Path) -> None:
    """Nothing is started after the end."""
    await server.async_start()
    program.with_name("refuse").write_text("x")
    program.with_name("die").write_text(str(int(signal.SIGKILL)))
    await until(lambda: len(starts(program)) == 2)
    await server.async_stop()
    count = len(starts(program))
    await asyncio.sleep(0.5)
    assert len(starts(program)) == count


async def test_a_first_start_that_fails(
    server: LocalServer, program: Path, options: LocalOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error with a reason, and nothing is left behind."""
    program.with_name("refuse").write_text("model must be text")
    with pytest.raises(LocalServerError, match="model must be text") as caught:
        await server.async_start()
    assert caught.value.key == "local_refused"
    program.with_name("refuse").unlink()
    program.with_name("sleep").touch()
    monkeypatch.setattr(local_process, "START_SECONDS", 0.5)
    with pytest.raises(LocalServerError) as caught:
        await server.async_start()
    assert caught.value.key == "local_timeout"
    assert not (options.data_dir / "server.pid").exists()


@pytest.mark.parametrize(
    ("script", "key"),
    [("kill -ILL $$", "local_illegal_instruction"), ("exit 0", "local_crashed"), (None, "local_missing")],
)
async def test_programs_that_break(
    hass: HomeAssistant, options: LocalOptions, program: Path, script: str | None, key: str
) -> None:
    """Each has its message."""
    write_program(program.parent, script or "").chmod(0o755 if script else 0o644)
    with pytest.raises(LocalServerError) as caught:
        await LocalProcess(async_get_clientsession(hass), options).async_start()
    assert caught.value.key == key


async def test_a_program_that_is_no_program(hass: HomeAssistant, options: LocalOptions, program: Path) -> None:
    """The system's words are kept."""
    write_nonsense(program.parent)
    with pytest.raises(LocalServerError) as caught:
        await LocalProcess(async_get_clientsession(hass), options).async_start()
    assert caught.value.key == "local_not_executable"


async def test_a_folder_that_cannot_be_made(hass: HomeAssistant, options: LocalOptions, tmp_path: Path) -> None:
    """The folder is named."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(LocalServerError, match="data") as caught:
        await LocalProcess(async_get_clientsession(hass), options).async_start()
    assert caught.value.key == "local_folder"


@pytest.fixture(name="sleepers")
def sleepers_fixture(options: LocalOptions) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run a process that looks like a server of the folder, and one that does not."""
    call = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [
        subprocess.Popen([*call, *arguments], start_new_session=True)
        for arguments in ([f"--data-dir={options.data_dir}"], [])
    ]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


async def test_what_a_killed_home_assistant_left_running(
    hass: HomeAssistant, server: LocalServer, options: LocalOptions, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    """The old server is ended before the new one starts; a process that only has its number is let live."""
    options.data_dir.mkdir()
    old, other = sleepers
    (options.data_dir / "server.pid").write_text(str(other.pid))
    await server.async_start()
    assert other.poll() is None
    await server.async_stop()
    (options.data_dir / "server.pid").write_text(str(old.pid))
    await server.async_start()
    assert await hass.async_add_executor_job(old.wait, SECONDS) == -signal.SIGKILL
    assert other.poll() is None


async def test_a_flood_without_line_ends(
    hass: HomeAssistant, options: LocalOptions, program: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A megabyte in one line neither stops the server nor fills the log."""
    write_program(program.parent, "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo 'home-llm: the end'; exit 2")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LocalServerError, match="the end"):
        await LocalProcess(async_get_clientsession(hass), options).async_start()
    assert max(len(record.message) for record in caplog.records) < 3000
