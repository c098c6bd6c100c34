"""OpenAI requests as chat requests.

Sources: OpenAI's API reference, and what text-generation-webui and llama-server take beside it.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.api.sampling import SamplingFields
from home_llm.chat import ChatRequest, CompletionRequest, Message, NamedTool, Tool, ToolCall, ToolChoice
from home_llm.engine import Constraint, ConstraintKind

_MaxTokens = Annotated[int, Field(ge=-1)] | None

# Deeper than any schema that means something, and less than what the constraint compiler's JSON reader takes.
_MOST_NESTED = 96


def _flat_enough(value: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [value]
    for _ in range(_MOST_NESTED):
        level = [
            part
            for outer in level
            for part in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(part, dict | list)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested deeper than {_MOST_NESTED} levels")


_Schema = Annotated[dict[str, Any], pydantic.AfterValidator(_flat_enough)]


class _Function(Lenient):
    name: str
    arguments: str | dict[str, Any] | None = None


class _ToolCall(Lenient):
    id: str | None = None
    function: _Function


class _Part(Lenient):
    type: str
    text: str | None = None


class _Message(Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    # A dictionary is what some clients send as a tool's result.
    content: str | list[_Part] | dict[str, Any] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None


class _ToolFunction(Lenient):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    description: str | None = None
    parameters: _Schema | None = None


class _Tool(Lenient):
    type: Literal["function"] = "function"
    function: _ToolFunction


class _NamedFunction(Lenient):
    name: str


class _NamedChoice(Lenient):
    type: Literal["function"] = "function"
    function: _NamedFunction


class _JsonSchema(Lenient):
    name: str | None = None
    # `schema` is a method of pydantic's models.
    schema_: _Schema | bool | None = Field(None, alias="schema")


class _ResponseFormat(Lenient):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None
    schema_: _Schema | None = Field(None, alias="schema")


class _StreamOptions(Lenient):
    include_usage: bool = False


class _HomeLlm(Lenient):
    tool_markup: str | None = None
    render_tools: bool = True
    allowed_values: dict[str, list[str]] = Field(default_factory=dict)
    choice: Annotated[list[str], Field(min_length=1)] | None = None
    regex: Annotated[str, Field(min_length=1)] | None = None


class StreamFields(SamplingFields):
    """How to answer; shared by chat and text completions."""

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatBody(StreamFields):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    json_schema: _Schema | None = None
    max_tokens: _MaxTokens = None
    max_completion_tokens: _MaxTokens = None
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    home_llm: _HomeLlm = _HomeLlm()

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a message or tool cannot be used.
        """
        tokens = self.max_tokens if self.max_tokens is not None else self.max_completion_tokens
        extension = self.home_llm
        arguments = dict(self.chat_template_kwargs or {})
        if self.enable_thinking is not None:
            arguments["enable_thinking"] = self.enable_thinking
        return ChatRequest(
            messages=_messages(self.messages),
            tools=_tools(self.tools or ()),
            tool_choice=_choice(self.tool_choice),
            parallel_tool_calls=self.parallel_tool_calls is not False,
            sampling=self.sampling(),
            limits=self.limits(max_tokens(tokens, "max_tokens")),
            constraint=self._constraint(),
            tool_markup=extension.tool_markup,
            render_tools=extension.render_tools,
            allowed_values={name: tuple(values) for name, values in extension.allowed_values.items()},
            template_arguments=arguments,
            logprobs=self._logprobs(),
        )

    def _logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise ApiError(400, "top_logprobs needs logprobs to be true.", param="top_logprobs")
        return None

    def _constraint(self) -> Constraint | None:
        extension = self.home_llm
        asked: dict[str, Constraint | None] = {
            "response_format": self._format(),
            "json_schema": _bound(ConstraintKind.JSON_SCHEMA, self.json_schema),
            "grammar": self.grammar_constraint(),
            "home_llm.choice": _bound(ConstraintKind.CHOICE, extension.choice),
            "home_llm.regex": None if extension.regex is None else Constraint(ConstraintKind.REGEX, extension.regex),
        }
        given = {name: constraint for name, constraint in asked.items() if constraint is not None}
        if len(given) > 1:
            first, second, *_ = given
            raise ApiError(
                400, f"{second} cannot be combined with {first}: an answer is bound in one way.", param=second
            )
        return next(iter(given.values()), None)

    def _format(self) -> Constraint | None:
        answer = self.response_format
        if answer is None or answer.type == "text":
            return None
        if answer.type == "json_object":
            return _bound(
                ConstraintKind.JSON_SCHEMA, answer.schema_ if answer.schema_ is not None else {"type": "object"}
            )
        if answer.json_schema is None or answer.json_schema.schema_ is None:
            raise ApiError(
                400, "response_format.json_schema.schema is missing.", param="response_format.json_schema.schema"
            )
        return _bound(ConstraintKind.JSON_SCHEMA, answer.json_schema.schema_)


class CompletionBody(StreamFields):
    """Body of `POST /v1/completions`."""

    prompt: str | list[int] | list[str]
    max_tokens: _MaxTokens = 512
    echo: bool | None = None
    suffix: str | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @pydantic.field_validator("logprobs", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        """Read the chat route's `false` as what it means, not as the number 0, which asks for the tokens alone."""
        return None if value is False else value

    @pydantic.field_validator("prompt")
    @classmethod
    def _one_prompt(cls, value: str | list[int] | list[str]) -> str | list[int] | list[str]:
        if isinstance(value, list) and value and isinstance(value[0], str) and len(value) != 1:
            raise ValueError("only one prompt can be completed in a request")
        return value

    @property
    def text(self) -> str | tuple[int, ...]:
        """The prompt as text or tokens."""
        if isinstance(self.prompt, str):
            return self.prompt
        first = self.prompt[0] if self.prompt else ""
        return first if isinstance(first, str) else tuple(token for token in self.prompt if isinstance(token, int))

    def request(self) -> CompletionRequest:
        """Return the request for the chat room."""
        return CompletionRequest(
            prompt=self.text,
            sampling=self.sampling(),
            limits=self.limits(max_tokens(self.max_tokens, "max_tokens")),
            constraint=self.grammar_constraint(),
            logprobs=self.logprobs,
        )


def max_tokens(value: int | None, param: str) -> int | None:
    """Return the limit for the engine; -1 is none, as llama-server has it.

    Raises:
        ApiError: it is 0.
    """
    if value == 0:
        raise ApiError(400, f"{param} must be at least 1.", param=param)
    return None if value == -1 else value


def _bound(kind: ConstraintKind, value: Any) -> Constraint | None:
    """Return a constraint that is written in JSON, or None where there is none."""
    return None if value is None else Constraint(kind, json.dumps(value))


def _messages(messages: Sequence[_Message]) -> tuple[Message, ...]:
    return tuple(_message(index, message) for index, message in enumerate(messages))


def _message(index: int, message: _Message) -> Message:
    where = f"messages[{index}]"
    calls = tuple(_call(f"{where}.tool_calls", call) for call in message.tool_calls or ())
    content = _content(f"{where}.content", message.content)
    if content is None:
        # Assistants that only called tools have none, and some clients leave it out of every empty answer.
        if message.role != "assistant":
            raise ApiError(400, f"{where}.content is missing.", param=f"{where}.content")
        content = ""
    if calls and content == "None":
        # What clients send that write their null as text.
        content = ""
    match message.role:
        case "system" | "developer":
            return Message("system", content)
        case "user":
            return Message("user", content)
        case "assistant":
            return Message("assistant", content, tool_calls=calls, reasoning=message.reasoning_content)
        case "tool" | "function":
            return Message("tool", content, tool_call_id=message.tool_call_id, name=message.name)


def _content(where: str, content: str | list[_Part] | dict[str, Any] | None) -> str | None:
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        if part.type not in {"text", "input_text"} or part.text is None:
            raise ApiError(
                400,
                f"{where}[{index}] is of type {part.type!r}; this model reads text only.",
                param=f"{where}[{index}]",
            )
        texts.append(part.text)
    return "\n".join(texts)


def _call(where: str, call: _ToolCall) -> ToolCall:
    arguments = call.function.arguments
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise ApiError(400, f"{where}: arguments must be a JSON object in text.", param=where)
    result = ToolCall(call.function.name, arguments or {})
    return result if call.id is None else ToolCall(result.name, result.arguments, call.id)


def _tools(tools: Sequence[_Tool]) -> tuple[Tool, ...]:
    result: dict[str, Tool] = {}
    for index, tool in enumerate(tools):
        function = tool.function
        if function.name in result:
            raise ApiError(400, f"There are two tools named {function.name!r}.", param=f"tools[{index}].function.name")
        result[function.name] = Tool(
            function.name,
            function.description or "",
            function.parameters or {"type": "object", "properties": {}},
        )
    return tuple(result.values())


def _choice(choice: str | _NamedChoice | None) -> ToolChoice:
    match choice:
        case _NamedChoice():
            return NamedTool(choice.function.name)
        case "none":
            return "none"
        case "required":
            return "required"
        case _:
            return "auto"
