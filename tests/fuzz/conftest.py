"""The real server as a process, with a tiny model that answers at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from home_llm.llama import Model
from home_llm.models import embedded_model
from hub import LocalHub
from server_process import ServerProcess
from tiny_models import write_tiny_model


@pytest.fixture(scope="session", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve a tiny model of random weights; downloads ask a hub that has nothing."""
    folder = tmp_path_factory.mktemp("fuzz")
    vocabulary = Model(embedded_model(folder / "data"))
    model = write_tiny_model(folder / "tiny.gguf", "full", vocabulary)
    vocabulary.close()
    flags: tuple[str | Path, ...] = ("--model", model, "--context-size", "1024", "--log-level", "warning")
    # Where there is no folder for slots, saving them is a status of the 500s.
    flags += ("--slot-folder", folder / "slots")
    with LocalHub() as hub, ServerProcess(folder / "data", *flags, "--hub-url", hub.url) as server:
        yield server


@pytest.fixture(scope="session", name="model")
def model_fixture(server: ServerProcess) -> str:
    """Return the model's name as Ollama's clients write it."""
    name: str = server.get("/api/tags").json["models"][0]["model"]
    return name
