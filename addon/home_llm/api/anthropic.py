"""Anthropic's dialect: `/v1/messages`.

Its SDK reads the list of models from `/v1/models` too: see `model_page`.
"""

from collections.abc import Sequence
from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.anthropic_answers import FRAMING, MessageWriter
from home_llm.api.anthropic_request import CountBody, MessagesBody
from home_llm.api.body import read
from home_llm.api.openapi import documented
from home_llm.api.replies import collect, stream
from home_llm.api.schemas.anthropic import COUNT, EVENT, MESSAGE
from home_llm.runtime import Runtime

_TAG = "Anthropic"
_HELLO = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 20}


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/v1/messages`."""
    routes = flask.Blueprint("anthropic", __name__, url_prefix="/v1/messages")

    @routes.post("")
    @documented(
        "Answer a conversation",
        tag=_TAG,
        body=MessagesBody,
        example=_HELLO,
        streams=True,
        answer=MESSAGE,
        event=EVENT,
    )
    def messages() -> flask.typing.ResponseReturnValue:
        body = read(MessagesBody)
        request = body.request()
        with admission.enter() as place:
            reply = runtime.chat().prepare(request)
            writer = MessageWriter(runtime.status.model or "none", prompt_tokens=reply.prompt_tokens)
            if body.stream:
                return place.keep_until_closed(stream(reply, writer, FRAMING))
            return writer.whole(*collect(reply))

    @routes.post("/count_tokens")
    @documented("Count the tokens of a prompt", tag=_TAG, body=CountBody, example=_HELLO, answer=COUNT)
    def count_tokens() -> flask.typing.ResponseReturnValue:
        request = read(CountBody).request()
        with admission.enter():
            return {"input_tokens": runtime.chat().count(request)}

    return routes


def model_page(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return OpenAI's list of models with what Anthropic's clients read beside it."""
    data = [model_entry(model) for model in models]
    names = [model["id"] for model in models]
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def model_entry(model: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's entry of a model with what Anthropic's clients read beside it."""
    return {**model, "type": "model", "display_name": model["id"], "created_at": "1970-01-01T00:00:00Z"}
