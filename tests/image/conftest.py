"""What the tests of the real image share: the Supervisor's network, a Supervisor on it, and containers of the app.

They run where podman can: as root, with the image that `script/image build` made. `script/test image` sees to both.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app_container import HOST, IMAGE, SUPERVISOR, AppContainer, Network, podman
from home_llm.llama import Model
from home_llm.models import embedded_model
from hub import LocalHub
from supervisor_server import LocalSupervisor
from tiny_models import write_tiny_model

Start = Callable[..., AppContainer]


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[Network]:
    """Make the Supervisor's network."""
    podman("image", "exists", IMAGE)
    with Network() as made:
        yield made


@pytest.fixture(name="supervisor")
def supervisor_fixture() -> Iterator[LocalSupervisor]:
    """Run a Supervisor where apps look for it."""
    with LocalSupervisor(host=SUPERVISOR, port=80) as server:
        yield server


@pytest.fixture(name="hub")
def hub_fixture() -> Iterator[LocalHub]:
    """Run a hub that containers can reach."""
    with LocalHub(host=HOST) as server:
        yield server


@pytest.fixture(name="start")
def start_fixture(tmp_path: Path) -> Iterator[Start]:
    """Start containers of the app on one data folder, and remove them at the end."""
    with ExitStack() as stack:

        def start(*flags: str, options: dict[str, Any] | None = None, **more: Any) -> AppContainer:
            return stack.enter_context(AppContainer(tmp_path / "data", *flags, options=options or {}, **more))

        yield start


@pytest.fixture(scope="session", name="tiny_model")
def tiny_model_fixture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Write a tiny model of random weights, of 1.4 MB."""
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = Model(embedded_model(folder), vocabulary_only=True)
    try:
        return write_tiny_model(folder / "tiny.gguf", "full", vocabulary).read_bytes()
    finally:
        vocabulary.close()
