"""The OpenAPI document of all routes, and a page to read and try them.

A route says beside itself what it takes, with `documented`. Routes that do not are in the document too, with what the
application knows of them, and are named under `x-undocumented`.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import flask
import pydantic
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from home_llm import __version__
from home_llm.api.auth import Key, needed_key
from home_llm.api.docs_page import docs_page
from home_llm.api.errors import error_shape
from home_llm.api.schemas import errors as error_schemas
from home_llm.api.schemas.openai import DOCUMENT
from home_llm.api.schemas.parts import Schema

View = TypeVar("View", bound=Callable[..., Any])

_OPERATION = "openapi_operation"
_REFERENCE = "#/components/schemas/{model}"
_JSON = "application/json"
_EVENTS = "text/event-stream"

# Flask's converters, as in `/v1/models/<path:name>`.
_VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

_ERRORS = {
    "Error": error_schemas.OPENAI,
    "WebuiError": error_schemas.WEBUI,
    "OllamaError": error_schemas.OLLAMA,
    "AnthropicError": error_schemas.ANTHROPIC,
}

_TAGS = {
    "OpenAI": "What most clients speak, with and without /v1.",
    "Home LLM": "What this server adds: its state, this document, and reading a prompt before somebody speaks.",
    "Ollama": "For clients of Ollama.",
    "Anthropic": "For clients of Anthropic's Messages API.",
    "llama-server": "For clients of llama.cpp's own server.",
    "text-generation-webui": "For clients of text-generation-webui, new and old.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route says of itself.

    Attributes:
        summary: what it does, in a few words.
        tag: the dialect that it belongs to.
        body: what its body must be.
        many: whether the body is a list of those.
        example: a body that it answers.
        query: what may stand after the `?`: a description by name.
        media: of what type its answer is; the second one, where there is one, is that of a stream.
        answer: what its answer is, where that is JSON.
        event: what each event or line of a stream is.
    """

    summary: str
    tag: str
    body: type[pydantic.BaseModel] | None = None
    many: bool = False
    example: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    media: tuple[str, ...] = (_JSON,)
    answer: Schema | None = None
    event: Schema | None = None


def documented(
    summary: str,
    *,
    tag: str,
    body: type[pydantic.BaseModel] | None = None,
    streams: bool | str = False,
    media: str = _JSON,
    **more: Any,
) -> Callable[[View], View]:
    """Say what a route does; stands between the route and its function.

    Args:
        summary: what it does, in a few words.
        tag: the dialect that it belongs to.
        body: what its body must be.
        streams: whether the answer may be a stream of server-sent events, or else the other type that it may have.
        media: of what type the answer is otherwise.
        more: further attributes of `Operation`.
    """
    stream = (streams if isinstance(streams, str) else _EVENTS,) if streams else ()
    operation = Operation(summary, tag, body, media=(media, *stream), **more)

    def mark(view: View) -> View:
        setattr(view, _OPERATION, operation)
        return view

    return mark


def create_blueprint() -> flask.Blueprint:
    """Return the routes `/openapi.json` and `/docs`."""
    routes = flask.Blueprint("openapi", __name__)
    page = docs_page()

    @routes.get("/openapi.json")
    @documented("Read this document", tag="Home LLM", answer=DOCUMENT)
    def openapi() -> flask.typing.ResponseReturnValue:
        return document(flask.current_app)

    @routes.get("/docs")
    @documented("Read and try the routes in a browser", tag="Home LLM", media="text/html")
    def docs() -> flask.typing.ResponseReturnValue:
        return page.text, {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": page.policy}

    return routes


def document(app: flask.Flask) -> dict[str, Any]:
    """Return the OpenAPI document of every route of an application."""
    routes = sorted(_routes(app), key=lambda route: (route[0].rule, route[1]))
    bodies = {operation.body for _, _, operation in routes if operation is not None and operation.body is not None}
    named, schemas = models_json_schema(
        [(body, "validation") for body in sorted(bodies, key=lambda body: (body.__module__, body.__name__))],
        ref_template=_REFERENCE,
    )
    references: dict[Any, Any] = {model: reference for (model, _), reference in named.items()}
    paths: dict[str, dict[str, Any]] = {}
    undocumented: list[str] = []
    for rule, method, operation in routes:
        path = _VARIABLE.sub(r"{\1}", rule.rule)
        if operation is None:
            undocumented.append(f"{method} {path}")
            operation = _guess(app, rule)  # noqa: PLW2901 - what is not said is guessed
        paths.setdefault(path, {})[method.lower()] = _written(rule, method, operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Home LLM",
            "version": __version__,
            "description": "A llama.cpp server for the house. Fields that are not listed are ignored.",
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), **_ERRORS},
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer"},
                "admin_key": {"type": "http", "scheme": "bearer", "description": "The admin key, where there is one."},
            },
        },
        "x-undocumented": undocumented,
    }


def _routes(app: flask.Flask) -> Iterator[tuple[Rule, str, Operation | None]]:
    for rule in app.url_map.iter_rules():
        operation = getattr(app.view_functions[rule.endpoint], _OPERATION, None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield rule, method, operation


def _guess(app: flask.Flask, rule: Rule) -> Operation:
    text = inspect.getdoc(app.view_functions[rule.endpoint])
    return Operation(text.splitlines()[0].rstrip(".") if text else rule.endpoint, rule.endpoint.partition(".")[0])


def _written(rule: Rule, method: str, operation: Operation, references: Mapping[Any, Any]) -> dict[str, Any]:
    """Return an operation as the document writes it."""
    words = re.findall(r"\w+", _VARIABLE.sub(r"\1", rule.rule))
    result: dict[str, Any] = {
        "operationId": "_".join((method.lower(), *words)) or method.lower(),
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _security(rule.rule, method),
        "responses": {
            "200": {"description": "The answer.", "content": _content(operation)},
            "default": {
                "description": "An error.",
                "content": {_JSON: {"schema": {"$ref": _REFERENCE.format(model=error_shape(rule.rule).name)}}},
            },
        },
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(rule.arguments)
    ] + [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in operation.query.items()
    ]
    if parameters:
        result["parameters"] = parameters
    if operation.body is not None:
        schema = references[operation.body]
        content: dict[str, Any] = {"schema": {"type": "array", "items": schema} if operation.many else schema}
        if operation.example is not None:
            content["example"] = operation.example
        result["requestBody"] = {"required": True, "content": {_JSON: content}}
    elif method in {"POST", "PUT", "PATCH"}:
        result["requestBody"] = {"required": False, "content": {_JSON: {"schema": {}}}}
    return result


def _content(operation: Operation) -> dict[str, dict[str, Any]]:
    """Return what an answer may be, by its type."""
    whole, *streams = operation.media
    content: dict[str, dict[str, Any]] = {whole: {"schema": operation.answer or {}}}
    for media in streams:
        # This version of OpenAPI has no word for what the parts of a stream are.
        content[media] = {"schema": {}, **({} if operation.event is None else {"x-event-schema": operation.event})}
    return content


def _security(path: str, method: str) -> list[dict[str, list[str]]]:
    match needed_key(path, method):
        case Key.NONE:
            return []
        case Key.API:
            return [{"api_key": []}, {"admin_key": []}]
        case Key.ADMIN:
            return [{"admin_key": []}]
