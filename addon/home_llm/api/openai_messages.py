"""OpenAI's messages, tools and tool choices as the vocabulary's."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from home_llm.api.body import Lenient, is_deeper
from home_llm.api.errors import ApiError
from home_llm.chat import AllowedTools, Message, NamedTool, Tool, ToolCall, ToolChoice

# Deeper than any schema that means something, and less than what the constraint compiler's JSON reader takes.
_MOST_NESTED = 96


def _flat_enough(value: dict[str, Any]) -> dict[str, Any]:
    if is_deeper(value, _MOST_NESTED):
        raise ValueError(f"it is nested deeper than {_MOST_NESTED} levels")
    return value


JsonSchema = Annotated[dict[str, Any], pydantic.AfterValidator(_flat_enough)]
"""A JSON schema as a request holds it."""

FunctionName = Annotated[str, Field(min_length=1, max_length=256)]


class FunctionFields(Lenient):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: JsonSchema | None = None

    def tool(self) -> Tool:
        """Return it as a tool."""
        return Tool(self.name, self.description or "", self.parameters or {"type": "object", "properties": {}})


class ToolFields(Lenient):
    """A tool of a chat completion."""

    type: Literal["function"] = "function"
    function: FunctionFields


class PartFields(Lenient):
    """A part of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None


Content = str | list[PartFields] | dict[str, Any] | None
"""The content of a message; an object is what some clients send as a tool's result."""


class _Function(Lenient):
    name: str
    arguments: str | dict[str, Any] | None = None


class _ToolCall(Lenient):
    id: str | None = None
    function: _Function


class MessageFields(Lenient):
    """A message of a chat completion."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None


class NamedFunction(Lenient):
    """A function by its name."""

    name: str


class _AllowedFunction(Lenient):
    type: Literal["function"] = "function"
    function: NamedFunction | None = None
    name: str | None = None


class _Allowed(Lenient):
    mode: Literal["auto", "required"] = "auto"
    tools: list[_AllowedFunction]


class NamedChoice(Lenient):
    """The choice of one tool; its name stands inside `function` in a chat completion, and bare in a response."""

    type: Literal["function"] = "function"
    function: NamedFunction | None = None
    name: str | None = None


class AllowedChoice(Lenient):
    """The choice of some tools; they stand inside `allowed_tools` in a chat completion, and bare in a response."""

    type: Literal["allowed_tools"]
    allowed_tools: _Allowed | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[_AllowedFunction] | None = None


ChoiceFields = Literal["auto", "none", "required"] | NamedChoice | AllowedChoice
"""`tool_choice` of a request."""


def messages(given: Iterable[MessageFields]) -> tuple[Message, ...]:
    """Return messages.

    Raises:
        ApiError: one has no content, or content or calls that cannot be used.
    """
    return tuple(_message(f"messages[{index}]", message) for index, message in enumerate(given))


def _message(where: str, message: MessageFields) -> Message:
    calls = tuple(tool_call(f"{where}.tool_calls", each) for each in message.tool_calls or ())
    if not calls and message.function_call is not None:
        called = message.function_call
        calls = (call(f"{where}.function_call", called.name, called.arguments),)
    content = text_of(f"{where}.content", message.content)
    if content is None:
        # Assistants that only called tools have none, some clients leave it out of every empty answer, and a tool that
        # has nothing to tell may send null.
        if message.role in {"system", "developer", "user"}:
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


def text_of(where: str, content: Content) -> str | None:
    """Return content as text, or None where there is none.

    Raises:
        ApiError: a part is no text.
    """
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        text = part.refusal if part.type == "refusal" else part.text
        if part.type not in {"text", "input_text", "output_text", "refusal"} or text is None:
            raise ApiError(
                400,
                f"{where}[{index}] is of type {part.type!r}; this model reads text only.",
                param=f"{where}[{index}]",
            )
        texts.append(text)
    return "\n".join(texts)


def tool_call(where: str, given: _ToolCall) -> ToolCall:
    """Return a call of an earlier answer.

    Raises:
        ApiError: its arguments are not an object.
    """
    return call(where, given.function.name, given.function.arguments, given.id)


def call(where: str, name: str, arguments: str | dict[str, Any] | None, identity: str | None = None) -> ToolCall:
    """Return a call of an earlier answer.

    Raises:
        ApiError: the arguments are not an object, or JSON text of one.
    """
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise ApiError(400, f"{where}: arguments must be a JSON object in text.", param=where)
        if is_deeper(arguments, _MOST_NESTED):
            raise ApiError(400, f"{where}: arguments are nested deeper than {_MOST_NESTED} levels.", param=where)
    result = ToolCall(name, arguments or {})
    return result if identity is None else ToolCall(name, result.arguments, identity)


def tools(given: Sequence[FunctionFields], where: str) -> tuple[Tool, ...]:
    """Return tools.

    Args:
        given: the functions.
        where: where one stands in the request, with `{}` for its number.

    Raises:
        ApiError: two have the same name.
    """
    result: dict[str, Tool] = {}
    for index, function in enumerate(given):
        if function.name in result:
            raise ApiError(400, f"There are two tools named {function.name!r}.", param=where.format(index))
        result[function.name] = function.tool()
    return tuple(result.values())


def tool_choice(choice: ChoiceFields | None) -> ToolChoice:
    """Return a tool choice.

    Raises:
        ApiError: it names no tool.
    """
    match choice:
        case NamedChoice():
            return NamedTool(_chosen_name(choice, "tool_choice"))
        case AllowedChoice():
            given = choice.allowed_tools
            allowed = choice.tools if given is None else given.tools
            mode = choice.mode if given is None else given.mode
            names = (
                _chosen_name(tool, f"tool_choice.allowed_tools.tools[{index}]")
                for index, tool in enumerate(allowed or ())
            )
            return AllowedTools(tuple(names), required=mode == "required")
        case None:
            return "auto"
        case _:
            return choice


def _chosen_name(choice: NamedChoice | _AllowedFunction, where: str) -> str:
    name = choice.name if choice.function is None else choice.function.name
    if name is None:
        raise ApiError(400, f"{where}.function.name is missing.", param=f"{where}.function.name")
    return name
