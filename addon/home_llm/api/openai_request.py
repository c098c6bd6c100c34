"""Bodies of OpenAI's chat completions as chat requests.

Sources: OpenAI's API reference, and what text-generation-webui and llama-server take beside it.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.api.openai_messages import (
    ChoiceFields,
    FunctionFields,
    JsonSchema,
    MessageFields,
    NamedChoice,
    NamedFunction,
    ToolFields,
    messages,
    tool_choice,
    tools,
)
from home_llm.api.sampling import SamplingFields
from home_llm.api.telling import TellingFields
from home_llm.chat import ChatRequest, ToolChoice
from home_llm.engine import Constraint, ConstraintKind

MaxTokens = Annotated[int, Field(ge=-1)] | None
"""How long an answer may be."""

_SAYS_MORE = frozenset({"type", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "const", "enum", "if", "not"})
_OF_OBJECTS = frozenset({"additionalProperties", "patternProperties", "properties", "required"})
_OF_ARRAYS = frozenset({"items", "prefixItems"})

MOST_CHOICES = 8
"""Most answers to one prompt: as many as run together."""


class _JsonSchema(Lenient):
    name: str | None = None
    # `schema` is a method of pydantic's models.
    schema_: JsonSchema | bool | None = Field(None, alias="schema")


class ResponseFormat(Lenient):
    """What an answer must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None
    schema_: JsonSchema | None = Field(None, alias="schema")

    def constraint(self) -> Constraint | None:
        """Return what binds the answer.

        Raises:
            ApiError: there is no schema where one is needed.
        """
        if self.type == "text":
            return None
        if self.type == "json_object":
            return bound(ConstraintKind.JSON_SCHEMA, self.schema_ if self.schema_ is not None else {"type": "object"})
        if self.json_schema is None or self.json_schema.schema_ is None:
            raise ApiError(
                400, "response_format.json_schema.schema is missing.", param="response_format.json_schema.schema"
            )
        return bound(ConstraintKind.JSON_SCHEMA, self.json_schema.schema_)


class _StreamOptions(Lenient):
    include_usage: bool = False


class Extension(Lenient):
    """What this server takes beside OpenAI's fields."""

    tool_markup: str | None = None
    render_tools: bool = True
    allowed_values: dict[str, list[str]] = Field(default_factory=dict)
    choice: Annotated[list[str], Field(min_length=1)] | None = None
    regex: Annotated[str, Field(min_length=1)] | None = None

    def constraints(self) -> dict[str, Constraint | None]:
        """Return what binds the answer, by the field that says so."""
        return {
            "home_llm.choice": bound(ConstraintKind.CHOICE, self.choice),
            "home_llm.regex": None if self.regex is None else Constraint(ConstraintKind.REGEX, self.regex),
        }

    def values(self) -> dict[str, tuple[str, ...]]:
        """Return the allowed values of parameters."""
        return {name: tuple(values) for name, values in self.allowed_values.items()}


class StreamFields(TellingFields, SamplingFields):
    """How to answer; shared by chat and text completions."""

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    stream_options: _StreamOptions | None = None

    @property
    def choices(self) -> int:
        """How many answers to make of each prompt."""
        return self.n or 1

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatBody(StreamFields):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[MessageFields], Field(min_length=1)]
    tools: list[ToolFields] | None = None
    tool_choice: ChoiceFields | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionFields] | None = None
    function_call: Literal["auto", "none"] | NamedFunction | None = None
    response_format: ResponseFormat | None = None
    json_schema: JsonSchema | None = None
    max_tokens: MaxTokens = None
    max_completion_tokens: MaxTokens = None
    n_predict: MaxTokens = None
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    verbose: bool | None = None
    continue_final_message: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    home_llm: Extension = Extension()

    @property
    def legacy(self) -> bool:
        """Whether tools were given as `functions`, so that a call is answered as `function_call`."""
        return self.functions is not None

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a message or tool cannot be used, or fields contradict each other.
        """
        given = (self.max_tokens, self.max_completion_tokens, self.n_predict)
        tokens = next((limit for limit in given if limit is not None), None)
        if self.legacy and self.tools is not None:
            raise ApiError(400, "functions cannot be combined with tools: send tools alone.", param="functions")
        extension = self.home_llm
        return ChatRequest(
            messages=messages(self.messages),
            tools=tools(self.functions or (), "functions[{}].name")
            if self.legacy
            else tools([tool.function for tool in self.tools or ()], "tools[{}].function.name"),
            tool_choice=self._choice(),
            parallel_tool_calls=self.parallel_tool_calls is not False and not self.legacy,
            sampling=self.sampling(),
            limits=self.limits(max_tokens(tokens, "max_tokens")),
            constraint=self._constraint(),
            tool_markup=extension.tool_markup,
            render_tools=extension.render_tools,
            allowed_values=extension.values(),
            template_arguments=self._template_arguments(),
            logprobs=self._logprobs(),
            continuing="rest" if self.continue_final_message else None,
            telling=self.telling,
            slot=self.slot,
        )

    def _template_arguments(self) -> dict[str, Any]:
        arguments = template_arguments(
            self.chat_template_kwargs, thinking=self.enable_thinking, effort=self.reasoning_effort
        )
        if self.continue_final_message:
            if self.add_generation_prompt:
                raise ApiError(
                    400,
                    "continue_final_message goes on with a message, and add_generation_prompt begins another one: "
                    "send one of them.",
                    param="continue_final_message",
                )
        elif self.add_generation_prompt is False:
            arguments["add_generation_prompt"] = False
        return arguments

    def _choice(self) -> ToolChoice:
        if not self.legacy:
            return tool_choice(self.tool_choice)
        if isinstance(self.function_call, NamedFunction):
            return tool_choice(NamedChoice(function=self.function_call))
        return self.function_call or "auto"

    def _logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise ApiError(400, "top_logprobs needs logprobs to be true.", param="top_logprobs")
        return None

    def _constraint(self) -> Constraint | None:
        return only_one(
            {
                "response_format": None if self.response_format is None else self.response_format.constraint(),
                "json_schema": bound(ConstraintKind.JSON_SCHEMA, self.json_schema),
                "grammar": self.grammar_constraint(),
                **self.home_llm.constraints(),
            }
        )


def max_tokens(value: int | None, param: str) -> int | None:
    """Return the limit for the engine; -1 is none, as llama-server has it.

    Raises:
        ApiError: it is 0.
    """
    if value == 0:
        raise ApiError(400, f"{param} must be at least 1.", param=param)
    return None if value == -1 else value


def template_arguments(
    given: dict[str, Any] | None, *, thinking: bool | None = None, effort: str | None = None
) -> dict[str, Any]:
    """Return the variables for the model's chat template.

    Args:
        given: those that the request names.
        thinking: whether the model should think.
        effort: how hard, in OpenAI's words; `none` is not at all.
    """
    arguments = dict(given or {})
    if effort is not None:
        arguments.setdefault("reasoning_effort", effort)
        if effort == "none":
            arguments.setdefault("enable_thinking", False)
    if thinking is not None:
        arguments["enable_thinking"] = thinking
    return arguments


def only_one(asked: dict[str, Constraint | None]) -> Constraint | None:
    """Return the constraint that a request asks for, by the field that asks.

    Raises:
        ApiError: there are two.
    """
    given = {name: constraint for name, constraint in asked.items() if constraint is not None}
    if len(given) > 1:
        first, second, *_ = given
        raise ApiError(400, f"{second} cannot be combined with {first}: an answer is bound in one way.", param=second)
    return next(iter(given.values()), None)


def bound(kind: ConstraintKind, value: Any) -> Constraint | None:
    """Return a constraint that is written in JSON, or None where there is none."""
    if value is None:
        return None
    return Constraint(kind, json.dumps(_with_type(value) if kind is ConstraintKind.JSON_SCHEMA else value))


def _with_type(schema: Any) -> Any:
    """Return a schema that says what it is the schema of, where it tells of members or items alone.

    Such a schema admits everything that is no object or no list at all. Who writes one has forgotten the type, and
    llama-server reads it so.
    """
    if not isinstance(schema, dict) or _SAYS_MORE & schema.keys():
        return schema
    of_objects, of_arrays = bool(_OF_OBJECTS & schema.keys()), bool(_OF_ARRAYS & schema.keys())
    if of_objects == of_arrays:
        return schema
    return {"type": "object" if of_objects else "array", **schema}
