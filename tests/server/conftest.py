"""Fixtures shared by the server's tests: the real embedded model, its engine, and a real HTTP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from home_llm.chat import Chat
from home_llm.engine import Engine, EngineOptions
from home_llm.llama import Model
from home_llm.models import embedded_model
from served import Served


@pytest.fixture(scope="session", name="data_dir")
def data_dir_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data folder for the session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session", name="model_path")
def model_path_fixture(data_dir: Path) -> Path:
    """Find the embedded model."""
    return embedded_model(data_dir)


@pytest.fixture(scope="session", name="model")
def model_fixture(model_path: Path) -> Iterator[Model]:
    """Load the embedded model."""
    model = Model(model_path)
    yield model
    model.close()


@pytest.fixture(scope="session", name="engine")
def engine_fixture(model: Model) -> Iterator[Engine]:
    """Run an engine with a context of 2048 tokens."""
    engine = Engine(model, EngineOptions(n_ctx=2048))
    yield engine
    engine.close()


@pytest.fixture(scope="session", name="chat")
def chat_fixture(engine: Engine) -> Chat:
    """Open the chat room over that engine."""
    return Chat(engine)


@pytest.fixture(scope="session", name="served")
def served_fixture(data_dir: Path) -> Iterator[Served]:
    """Serve the embedded model without keys."""
    with Served(data_dir) as served:
        served.wait_until("ok")
        yield served
