"""text-generation-webui's first API, `/api/v1/*`, which it had until November 2023, and some clients still speak.

Source: extensions/api of text-generation-webui at 4aabff37^. Its streams went over a WebSocket, which is not here.
"""

from typing import Annotated, Any, Literal

import flask
from pydantic import AliasChoices, Field

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.openai import model_name
from home_llm.api.openapi import documented
from home_llm.api.replies import collect
from home_llm.api.schemas import webui as schemas
from home_llm.api.webui_request import GenerationOptions
from home_llm.chat import ChatRequest, CompletionRequest, Message
from home_llm.llama import ModelLoadError
from home_llm.models import ModelError
from home_llm.runtime import Runtime, UnknownModelError

_TAG = "text-generation-webui"

# Its defaults, which are not those of its later API.
_TEMPERATURE, _TOP_P, _REPETITION, _LENGTH, _TRUNCATION = 0.5, 1.0, 1.1, 200, 2048

# What stands in the place of words that nobody has said before a greeting.
_BEGIN = "<|BEGIN-VISIBLE-CHAT|>"

_ONCE = {"prompt": "Once upon a time", "max_new_tokens": 5}
_HELLO = {"user_input": "Good morning", "history": {"internal": [], "visible": []}, "max_new_tokens": 5}
_PROMPT = {"prompt": "hello there"}
_INFO = {"action": "info"}


class _Fields(GenerationOptions):
    """How to answer."""

    max_new_tokens: Annotated[int, Field(ge=1)] = Field(
        _LENGTH, validation_alias=AliasChoices("max_new_tokens", "max_length")
    )
    temperature: Annotated[float, Field(ge=0, le=100)] | None = _TEMPERATURE
    top_p: Annotated[float, Field(ge=0, le=1)] | None = _TOP_P
    repetition_penalty: Annotated[float, Field(gt=0)] | None = Field(
        _REPETITION, validation_alias=AliasChoices("repetition_penalty", "rep_pen")
    )
    truncation_length: Annotated[int, Field(ge=0)] | None = Field(
        _TRUNCATION, validation_alias=AliasChoices("truncation_length", "max_context_length")
    )
    stop: str | list[str] | None = Field(None, validation_alias=AliasChoices("stopping_strings", "stop"))


class GenerateBody(_Fields):
    """A text to continue."""

    prompt: str

    def request(self) -> CompletionRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a list in a string cannot be read, or there are too many stop strings.
        """
        request = CompletionRequest(
            prompt=self.prompt,
            sampling=self.sampling(),
            limits=self.limits(self.max_new_tokens),
            constraint=self.grammar_constraint(),
            add_bos=self.add_bos_token is not False,
        )
        return self.applied(request)


Exchange = Annotated[list[str], Field(min_length=2, max_length=2)]
"""What was said, and what was answered; nothing was said before a greeting."""


class _History(Lenient):
    internal: list[Exchange] = Field(default_factory=list)
    visible: list[Exchange] = Field(default_factory=list)


class ChatBody(_Fields):
    """A conversation: what was said before, and what is said now."""

    user_input: str
    history: _History = _History()
    regenerate: bool = False
    continue_: bool = Field(False, validation_alias=AliasChoices("_continue", "continue_"))

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a list in a string cannot be read, or there are too many stop strings.
        """
        messages: list[Message] = []
        for said, answered in self.earlier:
            messages += [Message("user", said)] if said and said != _BEGIN else []
            messages.append(Message("assistant", answered))
        if not self.continuing:
            again = self.regenerate and self.history.internal
            messages.append(Message("user", self.history.internal[-1][0] if again else self.user_input))
        request = ChatRequest(
            messages=tuple(messages),
            sampling=self.sampling(),
            limits=self.limits(self.max_new_tokens),
            constraint=self.grammar_constraint(),
            continuing="rest" if self.continuing else None,
        )
        return self.applied(request)

    @property
    def continuing(self) -> bool:
        """Whether the last answer is gone on with."""
        return self.continue_ and bool(self.history.internal) and bool(self.history.internal[-1][1])

    @property
    def earlier(self) -> list[Exchange]:
        """What stays of the history: all but an answer that is to be given again."""
        return self.history.internal[:-1] if self.regenerate else self.history.internal

    def with_answer(self, text: str) -> dict[str, Any]:
        """Return the history with the answer at its end, as the model has it and as people see it."""
        result = {}
        for name, kept in (("internal", self.history.internal), ("visible", self.history.visible)):
            if self.continuing and kept:
                result[name] = [*kept[:-1], [kept[-1][0], kept[-1][1] + text]]
            elif self.regenerate and kept:
                result[name] = [*kept[:-1], [kept[-1][0], text]]
            else:
                result[name] = [*kept, [self.user_input, text]]
        return result


class PromptBody(Lenient):
    """A text."""

    prompt: str


class ModelBody(Lenient):
    """What to do with models."""

    action: Literal["info", "list", "load", "unload"] = "info"
    model_name: str | None = None


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("webui_legacy", __name__, url_prefix="/api/v1")

    @routes.post("/generate")
    @documented("Continue a text", tag=_TAG, body=GenerateBody, example=_ONCE, answer=schemas.RESULTS)
    def generate() -> flask.typing.ResponseReturnValue:
        request = read(GenerateBody).request()
        with admission.enter():
            answer, _ = collect(runtime.chat().complete(request))
        return {"results": [{"text": answer.text}]}

    @routes.post("/chat")
    @documented("Answer a conversation", tag=_TAG, body=ChatBody, example=_HELLO, answer=schemas.HISTORIES)
    def chat() -> flask.typing.ResponseReturnValue:
        body = read(ChatBody)
        with admission.enter():
            answer, _ = collect(runtime.chat().prepare(body.request()))
        return {"results": [{"history": body.with_answer(answer.text)}]}

    @routes.post("/token-count")
    @documented("Count the tokens of a text", tag=_TAG, body=PromptBody, example=_PROMPT, answer=schemas.COUNTS)
    def token_count() -> flask.typing.ResponseReturnValue:
        body = read(PromptBody)
        with admission.enter():
            return {"results": [{"tokens": len(runtime.chat().encode(body.prompt))}]}

    @routes.post("/stop-stream")
    @documented("Cancel every generation", tag=_TAG, answer=schemas.SUCCESS)
    def stop_stream() -> flask.typing.ResponseReturnValue:
        runtime.stop_generations()
        return {"results": "success"}

    @routes.get("/model")
    @documented("Tell which model is loaded", tag=_TAG, answer=schemas.RESULT)
    def which() -> flask.typing.ResponseReturnValue:
        return {"result": _loaded(runtime)}

    @routes.post("/model")
    @documented("List, load or free models", tag=_TAG, body=ModelBody, example=_INFO, answer=schemas.RESULT)
    def model() -> flask.typing.ResponseReturnValue:
        body = read(ModelBody)
        match body.action:
            case "list":
                return {"result": list(dict.fromkeys([*_current(runtime), *runtime.library.file_names()]))}
            case "load":
                _load(runtime, admission, body.model_name)
            case "unload":
                runtime.unload()
        return {"result": _loaded(runtime)}

    return routes


def _current(runtime: Runtime) -> list[str]:
    return [model_name(runtime)] if runtime.model_facts() else []


def _loaded(runtime: Runtime) -> str:
    return next(iter(_current(runtime)), "None")


def _load(runtime: Runtime, admission: Admission, name: str | None) -> None:
    if not name:
        raise ApiError(400, "model_name is missing.", param="model_name")
    try:
        with admission.enter():
            runtime.load(name)
    except UnknownModelError as error:
        raise ApiError(404, str(error), param="model_name") from error
    except (ModelError, ModelLoadError) as error:
        raise ApiError(500, f"Failed to load the model: {error}") from error
