"""Models by their names, as llama-server's router has them: loaded, freed, listed with their states, and chosen.

Requests choose only where the setting `router` is on. Otherwise whatever name they have reaches the model that is
there: clients send names of models that are on no machine of the house.
"""

import json
from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.ollama_models import Models
from home_llm.api.openapi import documented
from home_llm.api.schemas import llama_server as schemas
from home_llm.runtime import NotReadyError, Runtime, State

_TAG = "llama-server"
# Where `model` is Ollama's, or what is to be done is said of it.
_OTHERS = ("/api/", "/v1/internal/model/", "/models/", "/v1/internal/lora/")


class ModelBody(Lenient):
    """Body of `POST /models/load` and of `/models/unload`."""

    model: str


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("router", __name__)
    models = Models(runtime)

    @routes.post("/models/load")
    @documented(
        "Load a model of this machine", tag=_TAG, body=ModelBody, example={"model": "embedded"}, answer=schemas.DONE
    )
    def load() -> flask.typing.ResponseReturnValue:
        name = read(ModelBody).model
        with admission.enter():
            models.load(name)
        return {"success": True}

    @routes.post("/models/unload")
    @documented(
        "Free a model until it is wanted again",
        tag=_TAG,
        body=ModelBody,
        example={"model": "embedded"},
        answer=schemas.DONE,
    )
    def unload() -> flask.typing.ResponseReturnValue:
        name = read(ModelBody).model
        if not runtime.answers_with(models.find(name)) or runtime.status.state is State.UNLOADED:
            raise ApiError(400, f"The model {name!r} is not loaded.", param="model")
        if not runtime.rest():
            raise NotReadyError(f"{name} answers others. Free it later.", 10)
        return {"success": True}

    return routes


def register(app: flask.Flask, runtime: Runtime, admission: Admission) -> None:
    """Have the requests of an application choose the model, where the setting says so."""
    if runtime.settings.router == "off":
        return
    models = Models(runtime)

    @app.before_request
    def choose() -> None:
        if flask.request.method == "POST" and not flask.request.path.startswith(_OTHERS):
            name = _wanted(flask.request.get_data(cache=True))
            if name:
                with admission.enter():
                    models.load(name)


def entries(runtime: Runtime, running: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the entries of the list of models with their states, the one that answers or is on its way first.

    Args:
        runtime: what is loaded.
        running: the entry of the one that answers or is on its way.
    """
    state = runtime.status.state
    value = "loaded" if state is State.OK else "loading" if state in (State.LOADING, State.DOWNLOADING) else "unloaded"
    found = [] if running is None else [{**running, "status": {"value": value}}]
    known = set() if running is None else {running["id"]}
    for model in runtime.library.models():
        name = model.name if model.tag == "latest" else model.tagged
        if name not in known and not runtime.answers_with(model):
            entry = {"id": name, "object": "model", "created": 0, "owned_by": "home-llm"}
            found.append({**entry, "status": {"value": "unloaded"}})
    return found


def _wanted(raw: bytes) -> str:
    """Return the model that a body names; what is wrong with the body is said by its route."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    name = body.get("model") if isinstance(body, dict) else None
    return name if isinstance(name, str) else ""
