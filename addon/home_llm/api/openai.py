"""OpenAI's dialect: chat completions, completions, models."""

import dataclasses
from typing import Any

import flask

from home_llm.api import router
from home_llm.api.admission import Admission, Place
from home_llm.api.anthropic import model_entry, model_page
from home_llm.api.body import read
from home_llm.api.errors import ApiError, is_anthropic
from home_llm.api.llama_server_chat import going_on
from home_llm.api.openai_answers import input_tokens, timings_of, usage_of
from home_llm.api.openai_chat import ChatWriter
from home_llm.api.openai_completions import CompletionWriter
from home_llm.api.openai_request import StreamFields
from home_llm.api.openapi import documented
from home_llm.api.paths import wants_nested
from home_llm.api.replies import collect, stream
from home_llm.api.schemas import openai as schemas
from home_llm.api.several import Begin, Several, collect_all
from home_llm.api.webui_request import WebuiChatBody, WebuiCompletionBody
from home_llm.chat import Chat, ChatRequest, CompletionRequest, Reply
from home_llm.chat.seeds import with_seed
from home_llm.runtime import Runtime

_TAG = "OpenAI"
# Without `/v1` it is llama-server's route.
_NATIVE = "/chat/completions"
_HELLO = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 20}


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/v1`, and those that llama-server has without it too."""
    routes = flask.Blueprint("openai", __name__)

    @routes.post("/v1/chat/completions")
    @routes.post("/chat/completions")
    @documented(
        "Answer a conversation",
        tag=_TAG,
        body=WebuiChatBody,
        example=_HELLO,
        streams=True,
        answer=schemas.CHAT,
        event=schemas.CHAT_CHUNK,
    )
    def chat_completions() -> flask.typing.ResponseReturnValue:
        body = read(WebuiChatBody)
        if flask.request.path == _NATIVE:
            body = going_on(body)
        request = body.request()
        with admission.enter() as place:
            chat = runtime.chat()
            prompt = chat.render(request) if body.verbose else None
            several = Several([_chat_choices(chat, request)], body.choices)
            writer = ChatWriter(
                model_name(runtime),
                usage=body.wants_usage,
                logprobs=request.logprobs is not None,
                choices=body.choices,
                legacy=body.legacy,
                prompt=prompt,
                timings=body.telling.timings,
                nested=wants_nested(),
            )
            return _answer(body, several, writer, place)

    @routes.post("/v1/chat/completions/input_tokens")
    @routes.post("/chat/completions/input_tokens")
    @documented("Count the tokens of a conversation", tag="llama-server", body=WebuiChatBody, example=_HELLO)
    def count_tokens() -> flask.typing.ResponseReturnValue:
        request = read(WebuiChatBody).request()
        with admission.enter():
            return input_tokens(runtime.chat().count(request))

    @routes.post("/v1/internal/warm")
    @documented("Read a prompt into the cache", tag="Home LLM", body=WebuiChatBody, example=_HELLO, answer=schemas.WARM)
    def warm() -> flask.typing.ResponseReturnValue:
        request = read(WebuiChatBody).request()
        with admission.enter():
            _, finish = collect(runtime.chat().warm(request))
        return {
            "object": "warm",
            "model": model_name(runtime),
            "usage": usage_of(finish),
            "timings": timings_of(finish),
        }

    @routes.post("/v1/completions")
    @documented(
        "Continue a text",
        tag=_TAG,
        body=WebuiCompletionBody,
        example={"prompt": "The capital of France is", "max_tokens": 5},
        streams=True,
        answer=schemas.COMPLETION,
        event=schemas.COMPLETION_CHUNK,
    )
    def completions() -> flask.typing.ResponseReturnValue:
        body = read(WebuiCompletionBody)
        conversation = body.conversation()
        requests = body.requests() if conversation is None else ()
        with admission.enter() as place:
            chat = runtime.chat()
            if conversation is not None:
                requests = body.model_copy(update={"prompt": chat.render(conversation)}).requests()
            several = Several([completion_choices(chat, request) for request in requests], body.choices)
            writer = CompletionWriter(
                model_name(runtime),
                usage=body.wants_usage,
                before=[prompt_text(chat, request) if body.echo else "" for request in requests],
                after=body.suffix or "",
                choices=body.choices,
                logprobs=body.logprobs,
                timings=body.telling.timings,
            )
            return _answer(body, several, writer, place)

    @routes.get("/v1/models")
    @routes.get("/models")
    @documented("List the model that answers", tag=_TAG, answer=schemas.MODELS)
    def models() -> flask.typing.ResponseReturnValue:
        found = _models(runtime)
        return model_page(found) if is_anthropic() else {"object": "list", "data": found}

    @routes.get("/v1/models/<path:name>")
    @documented("Look at one model", tag=_TAG, answer=schemas.MODEL)
    def model(name: str) -> flask.typing.ResponseReturnValue:
        for entry in _models(runtime):
            if name in (entry["id"], *entry.get("aliases", ())):
                return model_entry(entry) if is_anthropic() else entry
        raise ApiError(404, f"There is no model {name!r}.", param="model")

    return routes


def _chat_choices(chat: Chat, request: ChatRequest) -> Begin:
    def begin(choice: int) -> Reply:
        return chat.prepare(dataclasses.replace(request, sampling=with_seed(request.sampling, chat.seed, choice)))

    return begin


def completion_choices(chat: Chat, request: CompletionRequest) -> Begin:
    """Return what queues the choices of one prompt."""

    def begin(choice: int) -> Reply:
        return chat.complete(dataclasses.replace(request, sampling=with_seed(request.sampling, chat.seed, choice)))

    return begin


def prompt_text(chat: Chat, request: CompletionRequest) -> str:
    """Return a prompt as text."""
    return request.prompt if isinstance(request.prompt, str) else chat.model.detokenize(request.prompt)


def _answer(
    body: StreamFields, several: Several, writer: ChatWriter | CompletionWriter, place: Place
) -> flask.typing.ResponseReturnValue:
    """Answer as the request wants it, streamed or in one piece."""
    if body.stream:
        return place.keep_until_closed(stream(several, writer))
    return writer.whole(collect_all(several))


def model_name(runtime: Runtime) -> str:
    """Return the name of the model as answers tell it."""
    return runtime.status.model or "none"


def _models(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the model that answers, or that is on its way, and where requests choose, the others.

    Clients take the first one.
    """
    entry = _model(runtime)
    if runtime.settings.router == "on":
        return router.entries(runtime, entry)
    return [] if entry is None else [entry]


def _model(runtime: Runtime) -> dict[str, Any] | None:
    """Return the entry of the model that answers, or that is on its way."""
    name = runtime.status.model
    if name is None:
        return None
    entry: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "home-llm"}
    if facts := runtime.model_facts():
        entry["meta"] = facts
    return {**entry, **runtime.labels}
