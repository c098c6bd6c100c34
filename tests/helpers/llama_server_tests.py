"""Runs llama.cpp's own server tests against Home LLM, or against llama-server itself, with the same substitute model.

The tests come from llama-cpp-python's source distribution and start what `LLAMA_SERVER_BIN_PATH` names, with
llama-server's flags. What stands in for it is in `tests/dialects/llama_cpp_server`.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llama_cpp_sources import llama_cpp_models, llama_cpp_server_tests

Peer = Literal["home-llm", "llama-server"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "dialects" / "llama_cpp_server"

_PYTHON = ROOT / ".venv" / "bin" / "python"
_VOCABULARY = "ggml-vocab-llama-spm.gguf"
_SHARDS = 2
_TEST_SECONDS = 60
_RUN_SECONDS = 1500
_START_SECONDS = 30

# Nothing listens there: what reaches for the network is told so at once.
_NOWHERE = "http://127.0.0.1:9"
_HERE = "127.0.0.1,localhost,::1,[::1]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test.

    Attributes:
        outcome: `passed`, `failed` or `skipped`.
        seconds: that it took.
        reason: the first line of what went wrong.
    """

    outcome: str
    seconds: float
    reason: str

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.outcome == "passed"


def run_server_tests(peer: Peer, *, only: Collection[str] | None = None) -> dict[str, Outcome]:
    """Run the tests, two at a time; return what became of each, by its id.

    Those that upstream calls slow download large models and are not run.

    Args:
        peer: what is tested.
        only: ids of the tests to run; all of them otherwise.
    """
    # llama-server's root sees no other folder of this machine.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="llama-server-tests-") as name:
        folder = Path(name)
        tests = _prepared(folder)
        environment = _environment(peer, folder)
        if only is not None:
            (folder / "only").write_text("\n".join(only), "utf-8")
            environment["ONLY"] = str(folder / "only")
        modules = sorted({each.partition("::")[0] for each in only}) if only is not None else ["unit"]
        with _nursery(folder) if peer == "home-llm" else contextlib.nullcontext():
            return _run(tests, modules, environment, folder)


def read_ids(name: str) -> list[str]:
    """Return the test ids of a list in the folder of these tests."""
    return (FOLDER / name).read_text("utf-8").splitlines()


def read_exceptions() -> dict[str, str]:
    """Return why tests need not pass that llama-server passes, by their ids, or by the names of whole modules.

    In the file a reason stands at the margin, and the ids below it are indented.
    """
    exceptions: dict[str, str] = {}
    reason = ""
    for line in (FOLDER / "exceptions.txt").read_text("utf-8").splitlines():
        if line.startswith(" "):
            exceptions[line.strip()] = reason
        elif line.strip():
            reason = line.strip()
    return exceptions


def _prepared(folder: Path) -> Path:
    """Lay out the tests and their model as the tests expect to find them; return the folder to run them in."""
    sources = folder / "llama.cpp"
    tests = sources / "tools" / "server" / "tests"
    shutil.copytree(llama_cpp_server_tests(), tests)
    shutil.copytree(llama_cpp_models() / "templates", sources / "models" / "templates")
    command = [_PYTHON, FOLDER / "substitute.py", llama_cpp_models() / _VOCABULARY, folder]
    subprocess.run(command, check=True, env=_python_environment(), capture_output=True, text=True)
    # Where upstream looks before it downloads.
    (tests / "tmp").mkdir()
    for path in folder.glob("*15M*.gguf"):
        path.replace(tests / "tmp" / path.name)
    return tests


def _environment(peer: Peer, folder: Path) -> dict[str, str]:
    launcher = FOLDER / ("llama-server" if peer == "home-llm" else "llama-server-reference")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HOME_LLM_"))}
    proxies = {name: _NOWHERE for word in ("http_proxy", "https_proxy") for name in (word, word.upper())}
    return inherited | {
        **proxies,
        "no_proxy": _HERE,
        "NO_PROXY": _HERE,
        "PYTHONPATH": str(FOLDER),
        "LLAMA_SERVER_BIN_PATH": str(launcher),
        "LLAMA_CACHE": str(folder / "cache"),
        "SUBSTITUTE": str(folder / "substitute.gguf"),
        "RANKER": str(folder / "ranker.gguf"),
        "NURSERY": str(folder / "nursery"),
        "PEER": str(ROOT / ".cache" / "peer"),
    }


def _python_environment() -> dict[str, str]:
    paths = (FOLDER, ROOT / "tests" / "helpers", ROOT / "addon")
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


@contextlib.contextmanager
def _nursery(folder: Path) -> Iterator[None]:
    """Run what starts the servers."""
    log = folder / "nursery.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_PYTHON, FOLDER / "nursery.py", folder / "nursery", folder],
            env=_python_environment() | {"SCRATCH": str(folder), "SUBSTITUTE": str(folder / "substitute.gguf")},
            stdout=output,
            stderr=output,
        )
        try:
            end = time.monotonic() + _START_SECONDS
            while not (folder / "nursery").exists():
                assert process.poll() is None, log.read_text("utf-8")
                assert time.monotonic() < end, log.read_text("utf-8")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def _run(tests: Path, modules: list[str], environment: dict[str, str], folder: Path) -> dict[str, Outcome]:
    shards = [_shard(number, tests, modules, environment, folder) for number in range(_SHARDS)]
    try:
        end = time.monotonic() + _RUN_SECONDS
        for process in shards:
            process.wait(timeout=max(end - time.monotonic(), 1))
    finally:
        for process in shards:
            # Interrupted, it still stops the server that it has started.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
    outcomes: dict[str, Outcome] = {}
    for number in range(_SHARDS):
        path = folder / f"outcomes-{number}.json"
        assert path.exists(), (folder / f"shard-{number}.log").read_text("utf-8", "replace")[-4000:]
        outcomes |= {name: Outcome(**fields) for name, fields in json.loads(path.read_text("utf-8")).items()}
    return outcomes


def _shard(
    number: int, tests: Path, modules: list[str], environment: dict[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    """Start a part of the tests, with a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pytest", "-p", "upstream_plugin", "-p", "no:cacheprovider"]
    command += [
        "-m",
        "not slow",
        f"--timeout={_TEST_SECONDS}",
        f"--basetemp={folder / f'tmp-{number}'}",
        "-q",
        *modules,
    ]
    with (folder / f"shard-{number}.log").open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=tests,
            env=environment
            | {"PORT": str(port), "SHARD": f"{number}/{_SHARDS}", "OUTCOMES": str(folder / f"outcomes-{number}.json")},
            stdout=output,
            stderr=output,
        )
