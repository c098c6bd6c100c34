"""Anthropic's messages as chat requests.

Sources: Anthropic's API reference, and what text-generation-webui and llama-server take of it.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.api.openai_messages import FunctionFields, FunctionName, JsonSchema, tools
from home_llm.api.openai_request import bound
from home_llm.api.pairing import paired
from home_llm.api.sampling import SamplingFields
from home_llm.chat import ChatRequest, Message, NamedTool, Tool, ToolCall, ToolChoice
from home_llm.engine import Constraint, ConstraintKind

_TEXT_TOOLS = "only tools with an input_schema can be called here"


class _Source(Lenient):
    type: str
    data: str | None = None


class _Block(Lenient):
    """A block of any type; which fields it has depends on the type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: "str | list[_Block] | None" = None
    is_error: bool | None = None
    source: _Source | None = None


class _Message(Lenient):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]


class _Tool(Lenient):
    type: str | None = None
    name: FunctionName
    description: str | None = None
    input_schema: JsonSchema | None = None


class _Choice(Lenient):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Lenient):
    type: Literal["enabled", "disabled", "adaptive"]


class _Format(Lenient):
    type: Literal["json_schema"]
    # `schema` is a method of pydantic's models.
    schema_: JsonSchema = Field(alias="schema")


class _Output(Lenient):
    format: _Format | None = None
    effort: str | None = None


class CountBody(SamplingFields):
    """Body of `POST /v1/messages/count_tokens`: a conversation."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    model: str | None = None
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: _Format | None = None
    thread: Any = None

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a block or a tool cannot be used, or the server is to remember.
        """
        if self.thread is not None:
            # Anthropic's SDK sends its loop of tools so, and knows by these details that it must send all of it.
            raise ApiError(
                400,
                "thread: this server keeps nothing. Send the whole conversation in messages, without a thread.",
                param="thread",
                details={"error_code": "thread_unsupported_request"},
            )
        messages = paired([*self._system(), *_messages(self.messages)])
        last = messages[-1]
        choice = self.tool_choice
        return ChatRequest(
            messages=messages,
            tools=self._tools(),
            tool_choice=_tool_choice(choice),
            parallel_tool_calls=choice is None or not choice.disable_parallel_tool_use,
            sampling=self.sampling(),
            constraint=self._constraint(),
            template_arguments=self._template_arguments(),
            # What the assistant has begun to say is gone on with.
            continuing="rest" if last.role == "assistant" and not last.tool_calls else None,
        )

    def _system(self) -> Iterator[Message]:
        text = _text("system", self.system or "")
        if text:
            yield Message("system", text)

    def _tools(self) -> tuple[Tool, ...]:
        for index, tool in enumerate(self.tools or ()):
            if tool.input_schema is None:
                raise ApiError(400, f"tools[{index}] is of type {tool.type!r}: {_TEXT_TOOLS}.", param=f"tools[{index}]")
        functions = [
            FunctionFields(name=tool.name, description=tool.description, parameters=tool.input_schema)
            for tool in self.tools or ()
        ]
        return tools(functions, "tools[{}].name")

    def _constraint(self) -> Constraint | None:
        output = self.output_config.format if self.output_config is not None else None
        wanted = output or self.output_format
        if wanted is None:
            return self.grammar_constraint()
        return bound(ConstraintKind.JSON_SCHEMA, wanted.schema_)

    def _template_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self.thinking is not None:
            arguments["enable_thinking"] = self.thinking.type != "disabled"
        if self.output_config is not None and self.output_config.effort is not None:
            arguments["reasoning_effort"] = self.output_config.effort
        return arguments


class MessagesBody(CountBody):
    """Body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1)]
    stop_sequences: list[str] | None = None
    stream: bool | None = None

    def request(self) -> ChatRequest:
        """Return the request for the chat room.

        Raises:
            ApiError: a block or a tool cannot be used.
        """
        stops = self.model_copy(update={"stop": self.stop_sequences if self.stop_sequences is not None else self.stop})
        return dataclasses.replace(super().request(), limits=stops.limits(self.max_tokens))


def _tool_choice(choice: _Choice | None) -> ToolChoice:
    match choice:
        case None | _Choice(type="auto"):
            return "auto"
        case _Choice(type="any"):
            return "required"
        case _Choice(type="none"):
            return "none"
    if choice.name is None:
        raise ApiError(400, "tool_choice.name is missing.", param="tool_choice.name")
    return NamedTool(choice.name)


def _messages(given: Sequence[_Message]) -> Iterator[Message]:
    """Yield messages: the results of tools stand in the user's, and become messages of their own before his words."""
    for index, message in enumerate(given):
        where = f"messages[{index}].content"
        blocks = [_Block(type="text", text=message.content)] if isinstance(message.content, str) else message.content
        if message.role == "assistant":
            yield _assistant(where, blocks)
            continue
        said: list[_Block] = []
        for number, block in enumerate(blocks):
            if block.type == "tool_result":
                yield _result(f"{where}[{number}]", block)
            else:
                said.append(block)
        if said or not blocks:
            yield Message(message.role, _text(where, said))


def _assistant(where: str, blocks: Sequence[_Block]) -> Message:
    said: list[_Block] = []
    thought: list[str] = []
    calls: list[ToolCall] = []
    for number, block in enumerate(blocks):
        match block.type:
            case "thinking":
                thought.append(block.thinking or "")
            case "redacted_thinking":
                # Nobody here can read it.
                continue
            case "tool_use":
                if block.name is None:
                    raise ApiError(400, f"{where}[{number}].name is missing.", param=f"{where}[{number}].name")
                calls.append(ToolCall(block.name, block.input or {}, block.id or ""))
            case _:
                said.append(block)
    return Message("assistant", _text(where, said), tool_calls=tuple(calls), reasoning="\n".join(thought) or None)


def _result(where: str, block: _Block) -> Message:
    content = _text(f"{where}.content", block.content or "")
    if block.is_error:
        # As Home Assistant writes it, and as every markup knows it.
        content = json.dumps({"error": content}, ensure_ascii=False)
    return Message("tool", content, tool_call_id=block.tool_use_id)


def _text(where: str, content: "str | Sequence[_Block]") -> str:
    """Return content as text.

    Raises:
        ApiError: there is a block that is no text.
    """
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, block in enumerate(content):
        text = block.text if block.type == "text" else None
        if block.type == "document" and block.source is not None and block.source.type == "text":
            text = block.source.data
        if text is None:
            what = f"{where}[{index}] is of type {block.type!r}"
            raise ApiError(400, f"{what}; this model reads text only.", param=f"{where}[{index}]")
        texts.append(text)
    return "\n".join(texts)
