"""Fixtures shared by the server's tests: the real embedded model, its engine, and a real HTTP server."""

from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest

from home_llm.chat import Chat
from home_llm.engine import Engine, EngineOptions
from home_llm.llama import Model
from home_llm.models import embedded_model
from served import Served
from tiny_models import KINDS, write_tiny_model


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


@pytest.fixture(scope="session", name="exact_path")
def exact_path_fixture(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the embedded model's weights as 32-bit floats.

    llama.cpp adds in another order when a prompt is read in other pieces or beside other sequences. With quantized
    weights it also rounds what it multiplies them with to 8 bits, which makes whole tenths of a last digit, and greedy
    answers part at near ties. With floats they stay the same, so that answers can be compared token for token.
    """
    path = tmp_path_factory.mktemp("exact") / "f32.gguf"
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    parameters.allow_requantize = True
    assert llama_cpp.llama_model_quantize(str(model_path).encode(), str(path).encode(), parameters) == 0
    yield path
    path.unlink()


@pytest.fixture(scope="session", name="exact")
def exact_fixture(exact_path: Path) -> Iterator[Model]:
    """Load the embedded model's weights as 32-bit floats."""
    model = Model(exact_path)
    yield model
    model.close()


@pytest.fixture(scope="session", name="tiny_paths")
def tiny_paths_fixture(model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a tiny model of random weights for each kind of memory."""
    folder = tmp_path_factory.mktemp("tiny")
    return {kind: write_tiny_model(folder / f"{kind}.gguf", kind, model) for kind in KINDS}


@pytest.fixture(scope="session", name="tiny_models")
def tiny_models_fixture(tiny_paths: dict[str, Path]) -> Iterator[dict[str, Model]]:
    """Load the tiny models."""
    models = {kind: Model(path) for kind, path in tiny_paths.items()}
    yield models
    for model in models.values():
        model.close()


@pytest.fixture(scope="session", name="tiny")
def tiny_fixture(tiny_models: dict[str, Model]) -> Model:
    """Return the tiny Llama, whose memory can be cut anywhere."""
    return tiny_models["full"]


@pytest.fixture(scope="session", params=KINDS, name="any_kind")
def any_kind_fixture(request: pytest.FixtureRequest, tiny_models: dict[str, Model]) -> Model:
    """Return the tiny models one after the other."""
    return tiny_models[request.param]


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
