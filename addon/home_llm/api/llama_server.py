"""llama-server's own routes about the server, the model and its tokens.

Source: tools/server/README.md of llama.cpp.
"""

from typing import Annotated, Any

import flask
import pydantic

from home_llm import __version__
from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read, read_list
from home_llm.api.errors import ApiError
from home_llm.api.llama_server_chat import going_on
from home_llm.api.llama_server_completion import settings_of
from home_llm.api.llama_server_request import CompletionBody
from home_llm.api.openai_request import ChatBody
from home_llm.api.openapi import documented
from home_llm.api.schemas import llama_server as schemas
from home_llm.chat.seeds import with_seed
from home_llm.llama import Model, build_info
from home_llm.runtime import NotReadyError, Runtime, State

_TAG = "llama-server"
_HELLO = {"messages": [{"role": "user", "content": "Good morning"}]}


class ScaleFields(Lenient):
    """The scale of one adapter."""

    id: int
    scale: Annotated[float, pydantic.Field(allow_inf_nan=False)]


class TokenizeBody(Lenient):
    """Body of `POST /tokenize`."""

    content: str | list[str | int]
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False


class DetokenizeBody(Lenient):
    """Body of `POST /detokenize`."""

    tokens: list[int]


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("llama_server", __name__)
    _add_looks(routes, runtime, admission)
    _add_tokens(routes, runtime, admission)

    @routes.get("/lora-adapters")
    @documented("List the adapters", tag=_TAG, answer=schemas.ADAPTERS)
    def adapters() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(
            [
                {
                    "id": number,
                    "path": str(adapter.file.path),
                    "scale": adapter.scale,
                    "task_name": adapter.file.task_name,
                    "prompt_prefix": adapter.file.prompt_prefix,
                }
                for number, adapter in enumerate(runtime.adapters.loaded())
            ]
        )

    @routes.post("/lora-adapters")
    @documented(
        "Give the adapters other scales", tag=_TAG, body=ScaleFields, many=True, example=[], answer=schemas.DONE
    )
    def scale_adapters() -> flask.typing.ResponseReturnValue:
        scales = {entry.id: entry.scale for entry in read_list(ScaleFields)}
        with admission.enter():
            runtime.adapters.scale(scales)
        return {"success": True}

    return routes


def _add_looks(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add what only looks, and wakes nobody."""

    @routes.get("/props")
    @documented("Look at the model and its defaults", tag=_TAG, answer=schemas.PROPS)
    def props() -> flask.typing.ResponseReturnValue:
        chat = runtime.present()
        asleep = chat is None and runtime.is_asleep
        if chat is None and not asleep:
            raise NotReadyError(runtime.status.message, 5 if runtime.status.state is State.LOADING else 30)
        facts: dict[str, Any] = {}
        if chat is not None:
            model = chat.model
            body = CompletionBody.model_validate({"prompt": ""})
            facts = {
                "default_generation_settings": {
                    "id": 0,
                    "n_ctx": chat.engine.n_ctx,
                    "speculative": False,
                    "is_processing": False,
                    "params": settings_of(
                        with_seed(body.sampling(), chat.seed), body.limits(None), stream=False, n_probs=0
                    ),
                },
                "model_path": str(model.path),
                "chat_template": chat.template,
                "bos_token": _token(model, model.bos),
                "eos_token": _token(model, model.eos),
            }
        return {
            **facts,
            "total_slots": slot_count(),
            "places": admission.places,
            "model_alias": runtime.status.model,
            "modalities": {"vision": False, "audio": False},
            "build_info": f"home-llm {__version__} ({build_info().partition(' ')[0]})",
            "is_sleeping": asleep,
        }

    @routes.get("/slots")
    @documented(
        "Look at the places for requests",
        tag=_TAG,
        query={"fail_on_no_slot": "With any value: status 503 when every place is taken."},
        answer=schemas.SLOTS,
    )
    def slots() -> flask.typing.ResponseReturnValue:
        if runtime.settings.slots == "off":
            raise ApiError(501, "What runs is not told: the setting slots is off.")
        chat, taken, count = runtime.present(), admission.taken, slot_count()
        if taken >= count and "fail_on_no_slot" in flask.request.args:
            raise ApiError(503, "Every place is taken. Try again soon.", retry_after=2)
        n_ctx = 0 if chat is None else chat.engine.n_ctx
        return flask.jsonify(
            [
                {"id": number, "n_ctx": n_ctx, "speculative": False, "is_processing": number < taken}
                for number in range(count)
            ]
        )

    def slot_count() -> int:
        """Return how many requests can run at once."""
        chat = runtime.present()
        return min(admission.places, runtime.settings.parallel if chat is None else chat.engine.n_parallel)


def _add_tokens(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add what turns text into tokens and back."""

    @routes.post("/tokenize")
    @documented(
        "Turn text into tokens",
        tag=_TAG,
        body=TokenizeBody,
        example={"content": "hello there"},
        answer=schemas.TOKENS,
    )
    def tokenize() -> flask.typing.ResponseReturnValue:
        body = read(TokenizeBody)
        with admission.enter():
            model = runtime.chat().model
            parts = [body.content] if isinstance(body.content, str) else body.content
            tokens: list[int] = []
            for number, part in enumerate(parts):
                if isinstance(part, int):
                    tokens.append(part)
                else:
                    special = body.add_special and number == 0
                    tokens += model.tokenize(part, add_special=special, parse_special=body.parse_special)
            if wrong := model.invalid_tokens(tokens):
                raise ApiError(400, f"content holds tokens that the model does not have: {wrong[:5]}.", param="content")
            if body.with_pieces:
                return {"tokens": [{"id": token, "piece": _piece(model, token)} for token in tokens]}
        return {"tokens": tokens}

    @routes.post("/detokenize")
    @documented(
        "Turn tokens into text",
        tag=_TAG,
        body=DetokenizeBody,
        example={"tokens": [28120, 665]},
        answer=schemas.CONTENT,
    )
    def detokenize() -> flask.typing.ResponseReturnValue:
        body = read(DetokenizeBody)
        with admission.enter():
            return {"content": runtime.chat().decode(body.tokens)}

    @routes.post("/apply-template")
    @documented("Read a conversation as the model does", tag=_TAG, body=ChatBody, example=_HELLO, answer=schemas.PROMPT)
    def apply_template() -> flask.typing.ResponseReturnValue:
        request = going_on(read(ChatBody)).request()
        with admission.enter():
            return {"prompt": runtime.chat().render(request)}


def _piece(model: Model, token: int) -> str | list[int]:
    """Return the text of a token, or its bytes where it is a part of a character."""
    piece = model.piece(token, special=True)
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return list(piece)


def _token(model: Model, token: int) -> str:
    return "" if token < 0 else model.piece(token, special=True).decode("utf-8", "replace")
