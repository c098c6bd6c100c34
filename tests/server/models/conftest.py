"""Fixtures: a local hub, a client of it that retries without waiting, and an empty store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from home_llm.models import Backoff, Hub, Store
from hub import LocalHub


@pytest.fixture(name="hub")
def hub_fixture() -> Iterator[LocalHub]:
    """Run a local hub."""
    with LocalHub() as hub:
        yield hub


@pytest.fixture(name="client")
def client_fixture(hub: LocalHub) -> Hub:
    """Make a client of the local hub that tries four times, almost at once."""
    return Hub(hub.url, timeout=5, backoff=Backoff(attempts=4, first=0.01, longest=1.0))


@pytest.fixture(name="store")
def store_fixture(tmp_path: Path) -> Store:
    """Make an empty store."""
    return Store(tmp_path / "data")


@pytest.fixture(name="cancel")
def cancel_fixture() -> threading.Event:
    """Make an event that is not set."""
    return threading.Event()
