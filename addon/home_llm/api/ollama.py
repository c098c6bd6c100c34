"""Ollama's dialect, `/api/*`.

Sources: docs/api.md, api/types.go and server/routes.go of ollama/ollama, and what its Python client is strict about.
"""

import time
from collections.abc import Callable

import flask

from home_llm.api import ollama_embed, ollama_pull
from home_llm.api.admission import Admission
from home_llm.api.body import read
from home_llm.api.ollama_answers import LINES, TAG, ChatWriter, GenerateWriter, stream_lines
from home_llm.api.ollama_models import Models, listed, running, shown
from home_llm.api.ollama_request import ChatBody, GenerateBody, ShowBody
from home_llm.api.openapi import documented
from home_llm.api.replies import collect
from home_llm.api.schemas import ollama as schemas
from home_llm.chat import Chat, CompletionRequest, Reply
from home_llm.models import EMBEDDED_ID
from home_llm.runtime import Runtime

VERSION = "0.12.0"
"""The version of Ollama whose API is spoken: some clients ask whether a server is new enough."""

_MODEL = {"model": EMBEDDED_ID}
_OPTIONS = {"num_predict": 20}
_CHAT = {**_MODEL, "messages": [{"role": "user", "content": "Good morning"}], "options": _OPTIONS}
_PROMPT = {**_MODEL, "prompt": "Good morning", "options": _OPTIONS}


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/api`."""
    routes = flask.Blueprint("ollama", __name__, url_prefix="/api")
    models = Models(runtime)

    @routes.get("/version")
    @documented("Tell the version of Ollama's API", tag=TAG, answer=schemas.VERSION)
    def version() -> flask.typing.ResponseReturnValue:
        return {"version": VERSION}

    @routes.get("/tags")
    @documented("List the models on this machine", tag=TAG, answer=schemas.MODELS)
    def tags() -> flask.typing.ResponseReturnValue:
        return {"models": [listed(model) for model in runtime.library.models()]}

    @routes.get("/ps")
    @documented("List the model that is in the memory", tag=TAG, answer=schemas.RUNNING)
    def processes() -> flask.typing.ResponseReturnValue:
        loaded = runtime.model_facts()
        found = [model for model in runtime.library.models() if loaded and runtime.answers_with(model)]
        return {"models": [running(model, runtime) for model in found]}

    @routes.post("/show")
    @documented("Tell about a model", tag=TAG, body=ShowBody, example=_MODEL, answer=schemas.MODEL)
    def show() -> flask.typing.ResponseReturnValue:
        return shown(models.find(read(ShowBody).wanted))

    @routes.post("/chat")
    @documented(
        "Answer a conversation",
        tag=TAG,
        body=ChatBody,
        example=_CHAT,
        streams=LINES,
        answer=schemas.CHAT,
        event=schemas.CHAT_LINE,
    )
    def chat() -> flask.typing.ResponseReturnValue:
        started = time.perf_counter_ns()
        body = read(ChatBody)
        request = body.request()
        return answer(body, ChatWriter, lambda room: room.prepare(request), started, empty=not body.messages)

    @routes.post("/generate")
    @documented(
        "Answer one message",
        tag=TAG,
        body=GenerateBody,
        example=_PROMPT,
        streams=LINES,
        answer=schemas.GENERATE,
        event=schemas.GENERATE_LINE,
    )
    def generate() -> flask.typing.ResponseReturnValue:
        started = time.perf_counter_ns()
        body = read(GenerateBody)
        request = body.request()

        def begin(room: Chat) -> Reply:
            return room.complete(request) if isinstance(request, CompletionRequest) else room.prepare(request)

        return answer(body, GenerateWriter, begin, started, empty=not body.prompt)

    def answer(
        body: ChatBody | GenerateBody,
        writing: type[ChatWriter] | type[GenerateWriter],
        begin: Callable[[Chat], Reply],
        started: int,
        *,
        empty: bool,
    ) -> flask.typing.ResponseReturnValue:
        """Answer as the request wants it, and free the model where it says so; an empty one only loads or frees it."""
        with admission.enter() as place:
            if empty and body.unloads:
                models.unload(body.wanted)
                return writing(body.wanted, started=started, loaded=started).nothing("unload")
            room = models.load(body.wanted, body.settings)
            writer = writing(body.wanted, started=started, loaded=time.perf_counter_ns())
            if empty:
                return writer.nothing("load")
            reply = begin(room)
            response = stream_lines(reply, writer) if body.streams else flask.jsonify(writer.whole(*collect(reply)))
            if body.unloads:
                response.call_on_close(runtime.rest)
            return place.keep_until_closed(response)

    ollama_pull.add_routes(routes, runtime, admission)
    ollama_embed.add_routes(routes, runtime, admission, models)
    return routes
