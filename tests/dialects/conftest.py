"""One real server for clients that nobody changed, and a table of what they could do with it.

Every test is a check of one client, which the mark `client(name, version)` tells; the table has a row for each of them.
A check tells more than its name where it sets the property `told`. Clients that want other packages than pytest's
environment has, or another language, are programs: `run_program`.

CLIENTS_TABLE is a file that a run reads the rows of earlier runs from, in other environments, and adds its own to: the
last run prints all of them.
"""

import itertools
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".venv" / "bin" / "home-llm"
CLIENTS = ROOT / ".cache" / "clients"
START_SECONDS = 60

KEY = "the-key-of-the-house"

# Home Assistant has environments of its own.
collect_ignore = [] if find_spec("homeassistant") else ["home_assistant"]

# Addresses and keys of the person who runs this are not for this server, and nothing here looks beyond this machine.
for _name in list(os.environ):
    if _name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_", "LITELLM_", "LANGCHAIN_", "LANGSMITH_", "HOME_LLM_")):
        del os.environ[_name]
os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    key: str = KEY

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what a route answers; without a body it is asked with GET."""
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", raw, {"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def token(self, text: str) -> int:
        """Return the number of the one token that a text is."""
        (token,) = self.ask("/tokenize", {"content": text})["tokens"]
        return int(token)

    def is_free(self) -> bool:
        """Tell whether no request has a place."""
        return not any(slot["is_processing"] for slot in self.ask("/slots"))

    def wait_until_free(self, seconds: float = 5) -> None:
        """Wait until no request has a place; fail when one keeps it."""
        end = time.monotonic() + seconds
        while not self.is_free():
            assert time.monotonic() < end, "a request keeps its place although its client has gone"
            time.sleep(0.05)


@pytest.fixture(scope="session", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the embedded model's base with a key, as the command does: other people's tools are JSON."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}")
    command = [SERVER, "serve", "--model", "smollm2-135m", "--port", str(port)]
    environment = {**os.environ, "HOME_LLM_API_KEY": KEY, "HOME_LLM_CONTEXT_SIZE": "2048"}
    process = subprocess.Popen(
        [*command, "--data-dir", tmp_path_factory.mktemp("data"), "--log-level", "warning"], env=environment
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not _is_up(server):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0


@pytest.fixture(name="model")
def model_fixture(server: Server) -> str:
    """Return the model's name."""
    name: str = server.ask("/v1/models")["data"][0]["id"]
    return name


def _is_up(server: Server) -> bool:
    try:
        return bool(server.ask("/health")["status"] == "ok")
    except OSError:
        return False


def client(distribution: str, folder: str, name: str | None = None) -> pytest.MarkDecorator:
    """Return the mark of checks of a client that is installed into a folder of its own."""
    (found,) = distributions(name=distribution, path=[str(CLIENTS / folder)])
    return pytest.mark.client(name or distribution, found.version)


def run_python(program: Path, folder: str, server: Server) -> dict[str, str | None]:
    """Run a client's checks with what is installed in its folder."""
    path = os.pathsep.join([str(CLIENTS / folder), str(ROOT / "tests" / "helpers")])
    return run_program([sys.executable, program], server, PYTHONPATH=path)


def run_program(command: Sequence[str | Path], server: Server, **environment: str) -> dict[str, str | None]:
    """Run a client's checks; return what went wrong in each, None where nothing did.

    Args:
        command: a program that takes the server's address and key, and prints one line of JSON for each check:
            `{"check": "models", "error": null}`.
        server: the server.
        environment: variables for it.
    """
    ran = subprocess.run(
        [*command, server.url, server.key],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return {line["check"]: line["error"] for line in lines}


Rows = dict[tuple[str, str], dict[str, bool]]
"""For each client, by its name and version, whether each of its checks passed."""

ROWS = pytest.StashKey[Rows]()


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark, and begin the table."""
    config.addinivalue_line("markers", "client(name, version): the client that a test is a check of")
    config.stash[ROWS] = {}


def _with_earlier(rows: Rows) -> Rows:
    """Return the rows of earlier runs and of this one, and keep them for the next."""
    if not (name := os.environ.get("CLIENTS_TABLE")):
        return rows
    path = Path(name)
    earlier = json.loads(path.read_text("utf-8") or "[]") if path.exists() else []
    together = {(client, version): checks for client, version, checks in earlier} | rows
    path.write_text(json.dumps([[*key, checks] for key, checks in together.items()]), "utf-8")
    return together


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Write down beside each check whose it is, so that the report tells."""
    for item in items:
        mark = item.get_closest_marker("client")
        assert mark is not None, f"{item.nodeid} does not say which client it is a check of"
        name, version = mark.args
        item.user_properties.append(("check", [name, version, _check_name(item)]))


def _check_name(item: pytest.Item) -> str:
    """Return a check's name: that of its program's, or of the test."""
    assert isinstance(item, pytest.Function)
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    name: str = parameters.get("check") or item.originalname.removeprefix("test_")
    return name.replace("_", " ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add a check to the table."""
    report: pytest.TestReport = yield
    properties = dict(report.user_properties)
    name, version, check = properties["check"]
    check = properties.get("told", check)
    if report.failed or report.when == "call":
        checks = item.config.stash[ROWS].setdefault((name, version), {})
        # A check with several cases passes when all of them do.
        checks[check] = report.passed and checks.get(check, True)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table: client, version, what passed, what failed."""
    terminalreporter.section("Clients and what they could do")
    for line in table(_with_earlier(config.stash[ROWS]), terminalreporter._tw.fullwidth):
        terminalreporter.write_line(line)


def table(rows: dict[tuple[str, str], dict[str, bool]], width: int) -> list[str]:
    """Return the table's lines, which are not longer than the terminal is wide."""
    heads = ("client", "version", "passed", "failed")
    widths = [max(len(name) for name in (heads[index], *(key[index] for key in rows))) + 2 for index in range(2)]
    widths += [max(width - sum(widths) - 18, 30), 18]
    lines = [heads]
    for key, checks in rows.items():
        told = [[name for name, passed in checks.items() if passed is wanted] for wanted in (True, False)]
        texts = (f"{len(names)}: {', '.join(names)}" if names else "none" for names in told)
        passed, failed = (textwrap.wrap(text, space - 2) for text, space in zip(texts, widths[2:], strict=True))
        lines += itertools.zip_longest(key[:1], key[1:], passed, failed, fillvalue="")
    return ["".join(f"{cell:<{space}}" for cell, space in zip(line, widths, strict=True)).rstrip() for line in lines]
