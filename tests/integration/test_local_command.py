"""Finding and probing the program, as it is and in the ways that it can be broken."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from custom_components.home_llm.client_errors import LocalServerError
from custom_components.home_llm.local_command import (
    async_catalogue,
    async_probe,
    async_quants,
    child_environment,
    exit_error,
    find_command,
)
from tests.integration.programs import write_program


@pytest.fixture(name="own_folder")
def own_folder_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let Home Assistant's own Python live in a folder of the test, with nothing on the PATH."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return folder


def test_finding_it(own_folder: Path, tmp_path: Path) -> None:
    """It is looked for beside Home Assistant's Python, then on the PATH; never where it is not executable."""
    assert find_command(None) is None
    on_path = write_program(tmp_path / "path", "")
    assert find_command(None) == on_path
    own = write_program(own_folder, "")
    assert find_command(None) == own
    own.chmod(0o644)
    assert find_command(None) == on_path


def test_a_place_that_was_entered(own_folder: Path, tmp_path: Path) -> None:
    """A file, a virtual environment, or its bin folder; what is entered is not replaced by something else."""
    write_program(own_folder, "")
    program = write_program(tmp_path / "venv" / "bin", "")
    for place in (program, tmp_path / "venv", tmp_path / "venv" / "bin"):
        assert find_command(str(place)) == program
    assert find_command(str(tmp_path)) is None
    assert find_command(str(tmp_path / "missing")) is None


def test_the_environment_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing secret of Home Assistant's, no settings meant for another server, and what is given."""
    monkeypatch.setenv("SUPERVISOR_TOKEN", "secret")
    monkeypatch.setenv("HOME_LLM_HOST", "0.0.0.0")
    monkeypatch.setenv("HOME_LLM_HUB_URL", "http://mirror")
    monkeypatch.setenv("LANG", "C")
    environment = child_environment(HOME_LLM_API_KEY="key", HOME_LLM_HUB_TOKEN=None)
    assert "secret" not in environment.values()
    assert "HOME_LLM_HOST" not in environment
    assert "HOME_LLM_HUB_TOKEN" not in environment
    assert environment["HOME_LLM_HUB_URL"] == "http://mirror"
    assert environment["HOME_LLM_API_KEY"] == "key"
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("script", "key", "message"),
    [
        ("kill -ILL $$", "local_illegal_instruction", ""),
        ("exit 132", "local_illegal_instruction", ""),
        ("kill -SEGV $$", "local_crashed", "SIGSEGV"),
        ("exit 137", "local_crashed", "SIGKILL"),
        ("echo 'x: error while loading shared libraries: libgomp.so.1' >&2; exit 127", "local_library", "libgomp"),
        ("echo 'Error loading shared library libstdc++.so.6' >&2; exit 127", "local_library", "libstdc"),
        ("echo \"ModuleNotFoundError: No module named 'home_llm'\" >&2; exit 1", "local_library", "home_llm"),
        ("echo 'home-llm: port must be a number' >&2; exit 2", "local_refused", "port must be"),
        ("echo oops >&2; exit 3", "local_crashed", "3: oops"),
        ("exit 3", "local_crashed", "3"),
        ("echo python 3.14", "local_not_home_llm", "home-llm"),
        ("exit 0", "local_not_home_llm", "home-llm"),
    ],
)
async def test_a_program_that_does_not_run(
    socket_enabled: None, tmp_path: Path, script: str, key: str, message: str
) -> None:
    """Each way to fail has its own message, and none takes Home Assistant with it."""
    with pytest.raises(LocalServerError) as caught:
        await async_probe(write_program(tmp_path, script))
    assert caught.value.key == key
    assert message in str(caught.value)


async def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    """What the system cannot start is said in its words."""
    path = tmp_path / "home-llm"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    with pytest.raises(LocalServerError) as caught:
        await async_probe(path)
    assert caught.value.key == "local_not_executable"
    assert "Exec format" in str(caught.value)


async def test_a_program_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended with everything that it has started."""
    monkeypatch.setattr("custom_components.home_llm.local_command.PROBE_SECONDS", 0.3)
    path = write_program(tmp_path, f"echo $$ > {tmp_path}/pid; sleep 60; true")
    with pytest.raises(LocalServerError) as caught:
        await async_probe(path)
    assert caught.value.key == "local_timeout"
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_program_that_works(tmp_path: Path) -> None:
    """The version is read, and models with their quants."""
    path = write_program(
        tmp_path,
        'case "$1" in --version) echo home-llm 1.2.3;; models) shift 4\n'
        'case "$1" in list) printf "On this machine:\\n  embedded   comes\\n\\nIn the catalogue (x):\\n'
        '  a-b   apache-2.0   For a Pi.\\n";;\n'
        '*) printf "Title\\n  licence: x\\n  quants:\\n    Q4_0     1.2 GB\\n    Q8_0     2.1 GB\\n";; esac;; esac',
    )
    assert await async_probe(path) == "1.2.3"
    assert await async_catalogue(path) == {"a-b": "For a Pi."}
    assert await async_quants(path, "a/b", None) == {"Q4_0": "1.2 GB", "Q8_0": "2.1 GB"}


async def test_a_program_without_a_catalogue(tmp_path: Path) -> None:
    """A list that cannot be had is no reason to stop."""
    assert await async_catalogue(write_program(tmp_path, "exit 1")) == {}


def test_the_end_of_a_server() -> None:
    """The last line that explains something counts, and an unknown signal is named by its number."""
    assert exit_error(1, ["ImportError: libllama.so: cannot open shared object file", "x"]).key == "local_library"
    assert str(exit_error(-63, [])) == "signal 63"
    assert str(exit_error(0, [])) == "0"
