"""Bodies of OpenAI's responses as chat requests.

Source: OpenAI's API reference, `POST /v1/responses`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.api.openai_messages import (
    ChoiceFields,
    Content,
    FunctionFields,
    JsonSchema,
    PartFields,
    call,
    text_of,
    tool_choice,
    tools,
)
from home_llm.api.openai_request import Extension, ResponseFormat, bound, max_tokens, only_one, template_arguments
from home_llm.api.sampling import SamplingFields
from home_llm.api.telling import TellingFields
from home_llm.chat import ChatRequest, Message, ToolCall
from home_llm.engine import Constraint, ConstraintKind

_LOGGER = logging.getLogger(__name__)

_LOGPROBS = "message.output_text.logprobs"


class _Item(Lenient):
    """A message, a call, the result of one, or a thought."""

    type: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[PartFields] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    output: Content = None
    summary: list[PartFields] | None = None


class _Typed(Lenient):
    type: Literal["function"]


# What stands last is looked at first: a wrong type tells more than what is missing for a function.
class _Function(FunctionFields, _Typed):
    strict: bool | None = None


class _Format(Lenient):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    strict: bool | None = None
    # `schema` is a method of pydantic's models.
    schema_: JsonSchema | bool | None = Field(None, alias="schema")


class _Text(Lenient):
    format: _Format | None = None


class _Reasoning(Lenient):
    effort: str | None = None


class ResponseBody(TellingFields, SamplingFields):
    """Body of `POST /v1/responses`."""

    input: str | list[_Item]
    model: str | None = None
    instructions: str | None = None
    tools: list[_Function] | None = None
    tool_choice: ChoiceFields | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=-1)] | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    response_format: ResponseFormat | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    home_llm: Extension = Extension()

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: an item or tool cannot be used, fields contradict each other, or something is asked for that a
                server without a memory has not.
        """
        self._refuse()
        extension = self.home_llm
        return ChatRequest(
            messages=_messages(self.instructions, self.input),
            tools=tools(self.tools or (), "tools[{}].name"),
            tool_choice=tool_choice(self.tool_choice),
            parallel_tool_calls=self.parallel_tool_calls is not False,
            sampling=self.sampling(),
            limits=self.limits(max_tokens(self.max_output_tokens, "max_output_tokens")),
            constraint=self._constraint(),
            tool_markup=extension.tool_markup,
            render_tools=extension.render_tools,
            allowed_values=extension.values(),
            template_arguments=template_arguments(
                self.chat_template_kwargs, effort=self.reasoning.effort if self.reasoning else None
            ),
            logprobs=(self.top_logprobs or 0) if self.top_logprobs or _LOGPROBS in (self.include or ()) else None,
            telling=self.telling,
        )

    def echo(self) -> dict[str, Any]:
        """Return the fields that an answer repeats."""
        choice = self.tool_choice
        answer_format = self.text and self.text.format
        return {
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata or {},
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "reasoning": {"effort": self.reasoning.effort if self.reasoning else None, "summary": None},
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "text": {
                "format": answer_format.model_dump(by_alias=True, exclude_none=True)
                if answer_format
                else {"type": "text"}
            },
            "tool_choice": choice.model_dump(exclude_none=True) if isinstance(choice, Lenient) else choice or "auto",
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": tool.strict,
                }
                for tool in self.tools or ()
            ],
            "top_p": 0.95 if self.top_p is None else self.top_p,
            "user": self.user,
        }

    def _refuse(self) -> None:
        """Refuse what needs a memory; only the id of the answer before is passed over.

        Clients that send it (home-llm's) send it with every message but the first, and an answer that does not know
        what was said before is more use to their users than none.
        """
        for name, value in (("conversation", self.conversation), ("prompt", self.prompt)):
            if value is not None:
                raise ApiError(
                    400, f"{name}: this server keeps nothing. Send the whole conversation in input.", param=name
                )
        if self.background:
            raise ApiError(400, "background: answers are made at once. Use stream instead.", param="background")
        if self.previous_response_id is not None:
            _LOGGER.info("previous_response_id is passed over: the server keeps no answers")

    def _constraint(self) -> Constraint | None:
        return only_one(
            {
                "text.format": self._format(),
                "response_format": None if self.response_format is None else self.response_format.constraint(),
                "grammar": self.grammar_constraint(),
                **self.home_llm.constraints(),
            }
        )

    def _format(self) -> Constraint | None:
        answer = self.text and self.text.format
        if not answer or answer.type == "text":
            return None
        if answer.type == "json_object":
            return bound(ConstraintKind.JSON_SCHEMA, {"type": "object"})
        if answer.schema_ is None:
            raise ApiError(400, "text.format.schema is missing.", param="text.format.schema")
        return bound(ConstraintKind.JSON_SCHEMA, answer.schema_)


@dataclass
class _Turn:
    """What the assistant did between two words of others: thoughts, text and calls come as items of their own."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def message(self) -> Message:
        """Return all of it as one message."""
        reasoning = "\n".join(self.thoughts) or None
        return Message("assistant", "\n".join(self.texts), tool_calls=tuple(self.calls), reasoning=reasoning)


def _messages(instructions: str | None, given: str | Sequence[_Item]) -> tuple[Message, ...]:
    result: list[Message | _Turn] = [Message("system", instructions)] if instructions else []
    if isinstance(given, str):
        result.append(Message("user", given))
    else:
        for index, item in enumerate(given):
            _add(result, f"input[{index}]", item)
    messages = tuple(part.message() if isinstance(part, _Turn) else part for part in result)
    if not messages:
        raise ApiError(400, "input must hold at least one message.", param="input")
    return messages


def _add(result: list[Message | _Turn], where: str, item: _Item) -> None:
    """Add an item behind what was said before it."""
    kind = item.type or "message"
    if kind == "message" and item.role != "assistant":
        role = _needed(item.role, f"{where}.role")
        content = _needed(text_of(f"{where}.content", item.content), f"{where}.content")
        result.append(Message("user" if role == "user" else "system", content))
        return
    if kind == "function_call_output":
        output = _needed(text_of(f"{where}.output", item.output), f"{where}.output")
        identity = _needed(item.call_id, f"{where}.call_id")
        result.append(Message("tool", output, tool_call_id=identity, name=_called(result, identity)))
        return
    if not result or not isinstance(result[-1], _Turn):
        result.append(_Turn())
    turn = result[-1]
    assert isinstance(turn, _Turn)  # noqa: S101 - it has just been added
    if kind == "message":
        turn.texts.append(text_of(f"{where}.content", item.content) or "")
    elif kind == "function_call":
        name = _needed(item.name, f"{where}.name")
        turn.calls.append(call(f"{where}.arguments", name, item.arguments, _needed(item.call_id, f"{where}.call_id")))
    elif kind == "reasoning":
        parts = item.content if isinstance(item.content, list) and item.content else item.summary
        turn.thoughts += [part.text for part in parts or () if part.text]
    else:
        raise ApiError(
            400,
            f"{where} is of type {kind!r}. This server reads message, function_call, function_call_output and "
            "reasoning.",
            param=f"{where}.type",
        )


def _called(result: Sequence[Message | _Turn], identity: str) -> str | None:
    """Return the name of the tool that a call was of."""
    calls = (each for turn in result if isinstance(turn, _Turn) for each in turn.calls)
    return next((each.name for each in calls if each.id == identity), None)


def _needed(value: str | None, where: str) -> str:
    if value is None:
        raise ApiError(400, f"{where} is missing.", param=where)
    return value
