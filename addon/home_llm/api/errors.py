"""Errors as HTTP answers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flask
from werkzeug.exceptions import HTTPException

from home_llm.chat import PromptTooLongError, RequestError
from home_llm.engine import EngineClosedError
from home_llm.runtime import AdapterRequestError, NotReadyError

_LOGGER = logging.getLogger(__name__)

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    501: "not_supported_error",
    503: "unavailable_error",
}

_ANTHROPIC_CODES = {413: "request_too_large"}
_ANTHROPIC_TYPES = {
    "exceed_context_size_error": "invalid_request_error",
    "server_error": "api_error",
    "unavailable_error": "overloaded_error",
}


class ApiError(Exception):
    """An error with its HTTP status.

    Attributes:
        status: the HTTP status.
        param: the field at fault.
        details: what programs read beside the message.
        headers: HTTP headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.details = details
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def error_body(status: int, message: str, param: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return an error as OpenAI and llama-server write it: an object under `error`."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": status, **extra}}


def failure_body(error: Exception) -> dict[str, Any]:
    """Return the body for something that broke in the middle of a stream."""
    if not isinstance(error, EngineClosedError):
        _LOGGER.error("A generation failed", exc_info=error)
    return error_body(500, f"The generation failed: {error}")


def register(app: flask.Flask) -> None:
    """Make every error of the app an answer in the dialect's shape."""

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> flask.typing.ResponseReturnValue:
        extra = {} if error.details is None else {"details": error.details}
        return _shape(error_body(error.status, str(error), error.param, **extra)), error.status, error.headers

    @app.errorhandler(PromptTooLongError)
    def too_long(error: PromptTooLongError) -> flask.typing.ResponseReturnValue:
        body = error_body(400, str(error), error.param, n_prompt_tokens=error.n_prompt_tokens, n_ctx=error.n_ctx)
        body["error"]["type"] = "exceed_context_size_error"
        body["error"]["code"] = "context_length_exceeded"
        return _shape(body), 400

    @app.errorhandler(RequestError)
    def request_error(error: RequestError) -> flask.typing.ResponseReturnValue:
        return _shape(error_body(400, str(error), error.param)), 400

    @app.errorhandler(AdapterRequestError)
    def adapter_request(error: AdapterRequestError) -> flask.typing.ResponseReturnValue:
        return _shape(error_body(400, str(error))), 400

    @app.errorhandler(NotReadyError)
    def not_ready(error: NotReadyError) -> flask.typing.ResponseReturnValue:
        return _shape(error_body(503, str(error))), 503, {"Retry-After": str(error.retry_after)}

    @app.errorhandler(EngineClosedError)
    def closed(error: EngineClosedError) -> flask.typing.ResponseReturnValue:
        return _shape(error_body(503, str(error))), 503, {"Retry-After": "5"}

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> flask.typing.ResponseReturnValue:
        status = error.code or 500
        message = error.description or error.name
        if status == 404:
            message = f"There is nothing at {flask.request.method} {flask.request.path}."
        elif status == 405:
            message = f"{flask.request.path} does not take {flask.request.method}."
        elif status == 413:
            message = "The body is too large: 16 MiB are the most."
        headers = {"Allow": ", ".join(methods)} if (methods := getattr(error, "valid_methods", None)) else {}
        return _shape(error_body(status, message)), status, headers

    @app.errorhandler(Exception)
    def crash(error: Exception) -> flask.typing.ResponseReturnValue:
        _LOGGER.error("%s %s failed", flask.request.method, flask.request.path, exc_info=error)
        return _shape(error_body(500, f"The server failed: {error}")), 500


def ollama_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error as Ollama writes it: a text under `error`."""
    return {"error": body["error"]["message"]}


def anthropic_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error as Anthropic writes it."""
    error = body["error"]
    kind = _ANTHROPIC_CODES.get(error["code"]) or _ANTHROPIC_TYPES.get(error["type"], error["type"])
    extra = {"details": error["details"]} if "details" in error else {}
    return {"type": "error", "error": {"type": kind, "message": error["message"], **extra}}


def is_anthropic() -> bool:
    """Return whether the client of the current request is one of Anthropic's, also on routes that are OpenAI's."""
    return "Anthropic-Version" in flask.request.headers


def _webui_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error with text-generation-webui's `detail` too; its clients look for that."""
    return {"detail": body["error"]["message"], **body}


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How a dialect writes errors.

    Attributes:
        name: its schema in the OpenAPI document.
        write: makes it of OpenAI's.
    """

    name: str
    write: Callable[[dict[str, Any]], dict[str, Any]]


# By the beginning of the path. What is on none of these is OpenAI's or llama-server's, which are the same.
_SHAPES = (
    ("/v1/internal/", ErrorShape("WebuiError", _webui_body)),
    ("/v1/messages", ErrorShape("AnthropicError", anthropic_body)),
    ("/api/", ErrorShape("OllamaError", ollama_body)),
)
_OPENAI = ErrorShape("Error", lambda body: body)


def error_shape(path: str) -> ErrorShape:
    """Return how errors of a path are written."""
    return next((shape for beginning, shape in _SHAPES if path.startswith(beginning)), _OPENAI)


def _shape(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error in the shape of the dialect that the request speaks."""
    return anthropic_body(body) if is_anthropic() else error_shape(flask.request.path).write(body)
