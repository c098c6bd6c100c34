"""text-generation-webui's internal routes, `/v1/internal/*`.

Source: modules/api/script.py and typing.py of oobabooga/text-generation-webui 4.7.3.
"""

from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.llama import AdapterError, ModelLoadError
from home_llm.models import ModelError
from home_llm.runtime import Runtime, UnknownModelError


class _Text(Lenient):
    text: str


class _Tokens(Lenient):
    tokens: list[int]


class _Arguments(Lenient):
    ctx_size: int | None = None
    n_ctx: int | None = None


class _Adapters(Lenient):
    lora_names: list[str]


class _Load(Lenient):
    model_name: str
    args: _Arguments | None = None


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/v1/internal`."""
    routes = flask.Blueprint("webui", __name__, url_prefix="/v1/internal")

    @routes.get("/health")
    def health() -> flask.typing.ResponseReturnValue:
        return {"status": "ok"}

    @routes.post("/encode")
    def encode() -> flask.typing.ResponseReturnValue:
        body = read(_Text)
        with admission.enter():
            tokens = runtime.chat().encode(body.text)
        return {"tokens": tokens, "length": len(tokens)}

    @routes.post("/decode")
    def decode() -> flask.typing.ResponseReturnValue:
        body = read(_Tokens)
        with admission.enter():
            return {"text": runtime.chat().decode(body.tokens)}

    @routes.post("/token-count")
    def token_count() -> flask.typing.ResponseReturnValue:
        body = read(_Text)
        with admission.enter():
            return {"length": len(runtime.chat().encode(body.text))}

    @routes.post("/stop-generation")
    def stop_generation() -> flask.typing.ResponseReturnValue:
        runtime.stop_generations()
        return flask.jsonify("OK")

    @routes.get("/model/info")
    def model_info() -> flask.typing.ResponseReturnValue:
        facts = runtime.model_facts()
        name = runtime.status.model if facts else "None"
        applied = [adapter.file.name for adapter in runtime.adapters() if adapter.scale] if facts else []
        return {"model_name": name, "lora_names": applied, "loader": "llama.cpp"}

    @routes.get("/model/list")
    def model_list() -> flask.typing.ResponseReturnValue:
        return {"model_names": runtime.model_names()}

    @routes.post("/model/load")
    def model_load() -> flask.typing.ResponseReturnValue:
        body = read(_Load)
        arguments = body.args or _Arguments()
        context_size: Any = arguments.ctx_size if arguments.ctx_size is not None else arguments.n_ctx
        try:
            with admission.enter():
                runtime.load(body.model_name, context_size=context_size)
        except UnknownModelError as error:
            raise ApiError(404, str(error), param="model_name") from error
        except ValueError as error:
            raise ApiError(400, f"{error}.", param="args") from error
        except (ModelError, ModelLoadError) as error:
            raise ApiError(500, f"Failed to load the model: {error}") from error
        return flask.jsonify("OK")

    @routes.post("/model/unload")
    def model_unload() -> flask.typing.ResponseReturnValue:
        runtime.unload()
        return flask.jsonify("OK")

    _add_adapter_routes(routes, runtime, admission)
    return routes


def _add_adapter_routes(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add the routes under `/v1/internal/lora`."""

    @routes.get("/lora/list")
    def lora_list() -> flask.typing.ResponseReturnValue:
        return {"lora_names": runtime.adapter_names()}

    @routes.post("/lora/load")
    def lora_load() -> flask.typing.ResponseReturnValue:
        return use_adapters(read(_Adapters).lora_names)

    @routes.post("/lora/unload")
    def lora_unload() -> flask.typing.ResponseReturnValue:
        return use_adapters([])

    def use_adapters(names: list[str]) -> flask.typing.ResponseReturnValue:
        try:
            with admission.enter():
                runtime.use_adapters(names)
        except (ModelError, AdapterError) as error:
            raise ApiError(400, str(error), param="lora_names") from error
        return flask.jsonify("OK")
