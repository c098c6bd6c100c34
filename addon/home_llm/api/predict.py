"""Several requests in one, in the envelope of Google's prediction service, as llama-server reads it.

Each names its route in `@requestFormat`: by its path, or by the words of the path written together, such as
`chatCompletions`.
"""

import io
import json
import re
from typing import Annotated, Any

import flask
from pydantic import Field

from home_llm.api.body import Lenient, read
from home_llm.api.errors import error_body
from home_llm.api.openapi import documented
from home_llm.api.schemas import llama_server as schemas

_PATH = "/predict"
_FORMAT = "@requestFormat"
_MOST = 128
_HELLO = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 20}


class PredictBody(Lenient):
    """Body of `POST /predict`."""

    instances: Annotated[list[dict[str, Any]], Field(max_length=_MOST)]


def create_blueprint() -> flask.Blueprint:
    """Return the route."""
    routes = flask.Blueprint("predict", __name__)

    @routes.post(_PATH)
    @documented(
        "Answer several requests, one after the other",
        tag="llama-server",
        body=PredictBody,
        example={"instances": [{_FORMAT: "chatCompletions", **_HELLO}]},
        answer=schemas.PREDICTIONS,
    )
    def predict() -> flask.typing.ResponseReturnValue:
        body = read(PredictBody)
        paths = _paths(flask.current_app)
        return {"predictions": [_prediction(instance, paths) for instance in body.instances]}

    return routes


def _paths(app: flask.Flask) -> dict[str, str]:
    """Return the paths that can be asked, by themselves and by their words; of the same words, that under `/v1`."""
    found = sorted(rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ()))
    found = [path for path in found if "<" not in path and path != _PATH]
    words: dict[str, str] = {}
    for path in sorted(found, key=lambda path: not path.startswith("/v1/")):
        words.setdefault(_joined(path), path)
    return words | {path: path for path in found}


def _joined(path: str) -> str:
    """Return the words of a path written together: `chatCompletions` for `/v1/chat/completions`."""
    first, *rest = re.split(r"[/_-]", path.removeprefix("/v1").removeprefix("/"))
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _prediction(instance: dict[str, Any], paths: dict[str, str]) -> Any:
    """Return the answer to one request, or what is wrong with it."""
    wanted = instance.get(_FORMAT)
    path = paths.get(wanted) if isinstance(wanted, str) else None
    if path is None:
        return error_body(400, f"{_FORMAT} must name a route, such as chatCompletions, and not {wanted!r}.", _FORMAT)
    # There is no stream inside of another answer.
    fields = {name: value for name, value in instance.items() if name not in {_FORMAT, "stream"}}
    raw = json.dumps({**fields, "stream": False}).encode()
    app: flask.Flask = flask.current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - Flask's way
    environ = {name: value for name, value in flask.request.environ.items() if not name.startswith("werkzeug.request")}
    environ |= {"PATH_INFO": path, "wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
    # Keys, places and errors are looked after there as for any other request.
    with app.request_context(environ):
        answer = app.full_dispatch_request()
        try:
            return json.loads(answer.get_data())
        except ValueError:
            return answer.get_data(as_text=True)
        finally:
            answer.close()
