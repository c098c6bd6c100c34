"""A browser, and the real server as a process with the embedded model."""

from collections.abc import Iterator

import pytest

from browser import Browser
from server_process import ServerProcess, free_port

KEY = "kitchen-key"


@pytest.fixture(scope="session", name="browser")
def browser_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start a browser for the session."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session", name="ingress_port")
def ingress_port_fixture() -> int:
    """Choose a port for the status page."""
    return free_port()


@pytest.fixture(scope="session", name="key")
def key_fixture() -> str:
    """Return the API's key."""
    return KEY


@pytest.fixture(scope="session", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory, ingress_port: int) -> Iterator[ServerProcess]:
    """Serve the embedded model behind a key, with a status page."""
    flags = ("--api-key", KEY, "--admin-key", f"{KEY}-admin", "--context-size", "2048")
    folder = tmp_path_factory.mktemp("data")
    with ServerProcess(folder, *flags, "--ingress-port", str(ingress_port)) as server:
        yield server
