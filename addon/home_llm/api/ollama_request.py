"""Ollama's requests as requests for the chat room.

Sources: docs/api.md and api/types.go of ollama/ollama, and what Home Assistant's integration and home-llm send.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.api.openai_messages import Content, JsonSchema, ToolFields, call, text_of, tools
from home_llm.api.openai_request import bound
from home_llm.api.pairing import paired
from home_llm.api.sampling import SamplingFields
from home_llm.chat import ChatRequest, CompletionRequest, Limits, Message, ToolCall
from home_llm.engine import Constraint, ConstraintKind

# As much as there is: the context limits it.
_ALL = 2**31 - 1

_DURATION = re.compile(r"(?P<sign>[+-]?)(?P<parts>(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)")
_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(value: Any) -> Any:
    """Return seconds for Go's way to write a duration."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("it must be seconds, or a duration such as 5m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(match["parts"]))
    return -seconds if match["sign"] == "-" else seconds


def _format(value: Any) -> Any:
    """Return the schema that a format stands for, None where it is free."""
    if value == "json":
        return {"type": "object"}
    if value in (None, ""):
        return None
    if not isinstance(value, dict):
        raise ValueError("it must be json, or a JSON schema")  # noqa: TRY004 - pydantic makes an answer of this one
    return value


KeepAlive = Annotated[float, pydantic.BeforeValidator(_duration)] | None
Format = Annotated[JsonSchema | None, pydantic.BeforeValidator(_format)]
Think = bool | Literal["low", "medium", "high"] | None


class Options(SamplingFields):
    """`options`: Ollama's names are llama.cpp's. Those without a meaning here are ignored."""

    # Ollama's defaults, where they differ.
    temperature: Annotated[float, Field(ge=0, le=100)] | None = 0.8
    top_k: Annotated[int, Field(ge=0, le=_ALL)] | None = 40
    top_p: Annotated[float, Field(ge=0, le=1)] | None = 0.9
    num_predict: int | None = None
    num_ctx: int | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Leave out what is null, so that it has its default."""
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value

    def until(self) -> Limits:
        """Return when to stop; what is not above 0 is no limit of the answer's length."""
        given = self.num_predict
        return self.limits(given if given is not None and given > 0 else None)


class ModelBody(Lenient):
    """A body that names a model; `name` is what older clients call it."""

    model: str | None = Field(None, validation_alias=pydantic.AliasChoices("model", "name"))

    @property
    def wanted(self) -> str:
        """The name of the model.

        Raises:
            ApiError: there is none.
        """
        if not self.model:
            raise ApiError(400, "model is required", param="model")
        return self.model


class _Generating(ModelBody):
    """What chats and completions share."""

    stream: bool | None = None
    format: Format = None
    options: Options | None = None
    keep_alive: KeepAlive = None
    think: Think = None

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream, as it is unless the request says no."""
        return self.stream is not False

    @property
    def unloads(self) -> bool:
        """Whether the model is to leave the memory after the answer."""
        return self.keep_alive == 0

    @property
    def settings(self) -> Options:
        """The options, or those of a request without any."""
        return self.options or Options.model_validate({})

    def _constraint(self) -> Constraint | None:
        return bound(ConstraintKind.JSON_SCHEMA, self.format)

    def _template_arguments(self) -> dict[str, Any]:
        if self.think is None:
            return {}
        effort = {"reasoning_effort": self.think} if isinstance(self.think, str) else {}
        return {"enable_thinking": bool(self.think), **effort}


class _Function(Lenient):
    name: str
    arguments: dict[str, Any] | str | None = None


class _ToolCall(Lenient):
    id: str | None = None
    function: _Function


class _Message(Lenient):
    role: Literal["system", "user", "assistant", "tool"]
    content: Content = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_name: str | None = Field(None, validation_alias=pydantic.AliasChoices("tool_name", "name"))
    tool_call_id: str | None = None


class ChatBody(_Generating):
    """Body of `POST /api/chat`."""

    messages: list[_Message] | None = None
    tools: list[ToolFields] | None = None
    truncate: bool | None = None

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a message or tool cannot be used.
        """
        messages = _messages(self.messages or ())
        continues = bool(messages) and messages[-1].role == "assistant" and not messages[-1].tool_calls
        options = self.settings
        return ChatRequest(
            messages=messages,
            tools=tools([tool.function for tool in self.tools or ()], "tools[{}].function.name"),
            sampling=options.sampling(),
            limits=options.until(),
            constraint=self._constraint(),
            template_arguments=self._template_arguments(),
            continuing="rest" if continues else None,
            truncation=None if self.truncate is False else _ALL,
        )


class GenerateBody(_Generating):
    """Body of `POST /api/generate`."""

    prompt: str | None = None
    system: str | None = None
    suffix: str | None = None
    template: str | None = None
    raw: bool | None = None
    images: list[Any] | None = None
    context: list[int] | None = None
    truncate: bool | None = None

    def request(self) -> ChatRequest | CompletionRequest:
        """Return the request for the chat room: a conversation of one message, or a text to continue as it stands.

        Raises:
            ApiError: it asks for what this server cannot do.
        """
        _no_images("images", self.images)
        if self.suffix:
            raise ApiError(400, f'"{self.wanted}" does not support insert', param="suffix")
        if self.template:
            raise ApiError(
                400, "template is not supported: send raw with the whole prompt in its place.", param="template"
            )
        options = self.settings
        truncation = None if self.truncate is False else _ALL
        if self.raw:
            if self.system or self.context:
                raise ApiError(400, "raw mode does not support template, system, or context", param="raw")
            return CompletionRequest(
                prompt=self.prompt or "",
                sampling=options.sampling(),
                limits=options.until(),
                constraint=self._constraint(),
                truncation=truncation,
            )
        if self.context:
            raise ApiError(
                400, "context is not supported: send the conversation to /api/chat in its place.", param="context"
            )
        system = (Message("system", self.system),) if self.system else ()
        return ChatRequest(
            messages=(*system, Message("user", self.prompt or "")),
            sampling=options.sampling(),
            limits=options.until(),
            constraint=self._constraint(),
            template_arguments=self._template_arguments(),
            truncation=truncation,
        )


class ShowBody(ModelBody):
    """Body of `POST /api/show`."""

    verbose: bool | None = None


class PullBody(ModelBody):
    """Body of `POST /api/pull`."""

    stream: bool | None = None


class EmbedBody(ModelBody):
    """Body of `POST /api/embed`."""

    input: str | list[str] = Field(default_factory=list)
    dimensions: Annotated[int, Field(ge=1)] | None = None
    truncate: bool | None = None
    keep_alive: KeepAlive = None


class EmbeddingsBody(ModelBody):
    """Body of `POST /api/embeddings`, the older route."""

    prompt: str = ""
    keep_alive: KeepAlive = None


def _messages(given: Sequence[_Message]) -> tuple[Message, ...]:
    return paired([_message(f"messages[{index}]", message) for index, message in enumerate(given)])


def _message(where: str, message: _Message) -> Message:
    _no_images(f"{where}.images", message.images)
    content = text_of(f"{where}.content", message.content) or ""
    if message.role == "tool":
        return Message("tool", content, tool_call_id=message.tool_call_id, name=message.tool_name)
    calls = tuple(_call(f"{where}.tool_calls[{index}]", each) for index, each in enumerate(message.tool_calls or ()))
    return Message(message.role, content, tool_calls=calls, reasoning=message.thinking)


def _call(where: str, given: _ToolCall) -> ToolCall:
    # Without an id it gets one that is the same every time.
    return call(f"{where}.function", given.function.name, given.function.arguments, given.id or "")


def _no_images(where: str, images: Sequence[Any] | None) -> None:
    if images:
        raise ApiError(400, f"{where} holds pictures; this model reads text only.", param=where)
