"""The Flask application: every dialect's routes, keys, errors."""

import flask

from home_llm import __version__
from home_llm.api import (
    anthropic,
    cors,
    embeddings,
    errors,
    llama_server,
    llama_server_completion,
    llama_server_infill,
    llama_server_slots,
    metrics,
    ollama,
    openai,
    openapi,
    predict,
    rerank,
    responses,
    router,
    webui,
    webui_legacy,
    webui_others,
)
from home_llm.api.admission import Admission
from home_llm.api.auth import Keys
from home_llm.api.openapi import documented
from home_llm.api.paths import with_other_paths
from home_llm.api.replies import ClientGoneError
from home_llm.api.schemas.openai import HEALTH, INDEX
from home_llm.runtime import Runtime

# A conversation with a picture or two fits; more is a mistake or an attack.
_MAX_BODY = 16 * 1024 * 1024


def create_app(runtime: Runtime, *, api_key: str, admin_key: str, places: int) -> flask.Flask:
    """Return the application.

    Args:
        runtime: what answers.
        api_key: key for the API; empty leaves it open.
        admin_key: key for loading and unloading; empty is the API key.
        places: most requests that generate or wait at once.
    """
    app = flask.Flask("home_llm", static_folder=None)
    app.wsgi_app = with_other_paths(app.wsgi_app)  # type: ignore[assignment,method-assign]
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    errors.register(app)
    Keys(api_key, admin_key).register(app)
    cors.register(app, from_anywhere=bool(api_key))
    admission = Admission(places)
    router.register(app, runtime, admission)
    app.register_blueprint(openai.create_blueprint(runtime, admission))
    app.register_blueprint(responses.create_blueprint(runtime, admission))
    app.register_blueprint(embeddings.create_blueprint(runtime, admission))
    app.register_blueprint(rerank.create_blueprint(runtime, admission))
    app.register_blueprint(anthropic.create_blueprint(runtime, admission))
    app.register_blueprint(ollama.create_blueprint(runtime, admission))
    app.register_blueprint(webui.create_blueprint(runtime, admission))
    app.register_blueprint(webui_legacy.create_blueprint(runtime, admission))
    app.register_blueprint(webui_others.create_blueprint())
    app.register_blueprint(llama_server.create_blueprint(runtime, admission))
    app.register_blueprint(llama_server_completion.create_blueprint(runtime, admission))
    app.register_blueprint(llama_server_infill.create_blueprint(runtime, admission))
    app.register_blueprint(llama_server_slots.create_blueprint(runtime, admission))
    app.register_blueprint(router.create_blueprint(runtime, admission))
    app.register_blueprint(metrics.create_blueprint(runtime))
    app.register_blueprint(predict.create_blueprint())
    app.register_blueprint(openapi.create_blueprint())

    @app.errorhandler(ClientGoneError)
    def gone(_error: ClientGoneError) -> flask.typing.ResponseReturnValue:
        # Nobody reads this; 499 is what proxies write in their logs for it.
        return "", 499

    @app.get("/")
    @documented("Look who is there", tag="Home LLM", streams="text/plain", answer=INDEX)
    def index() -> flask.typing.ResponseReturnValue:
        wanted = flask.request.headers.get("Accept", "")
        if "text/plain" in wanted or ("json" not in wanted and "html" not in wanted):
            # What clients of Ollama look for. A browser, and who asks for JSON, gets to know more.
            return "Ollama is running", {"Content-Type": "text/plain; charset=utf-8"}
        return {
            "name": "Home LLM",
            "version": __version__,
            "health": "/health",
            "models": "/v1/models",
            "docs": "/docs",
        }

    @app.get("/health")
    @app.get("/v1/health")
    @app.get("/healthz")
    @app.get("/readyz")
    @documented("Look what the server is doing", tag="Home LLM", answer=HEALTH)
    def health() -> flask.typing.ResponseReturnValue:
        return runtime.health()

    return app
