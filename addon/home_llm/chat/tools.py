"""Which tools may be called, and what their calls must look like."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from home_llm.chat.errors import RequestError
from home_llm.chat.markups.base import bind_values
from home_llm.chat.vocabulary import AllowedTools, ChatRequest, NamedTool, Tool
from home_llm.engine import enforceable


def chosen_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """Return the tools that the prompt describes.

    Raises:
        RequestError: the tool choice names none of them, or the parameters of one are none.
    """
    for index, tool in enumerate(request.tools):
        if reason := _fault(tool.parameters):
            raise RequestError(
                f"The parameters of the tool {tool.name!r} must be the JSON schema of an object: {reason}.",
                f"tools[{index}].function.parameters",
            )
    choice = request.tool_choice
    if choice == "none":
        return ()
    if isinstance(choice, NamedTool):
        named = tuple(tool for tool in request.tools if tool.name == choice.name)
        if not named:
            raise RequestError(f"tool_choice names {choice.name!r}, which is not among the tools.", "tool_choice")
        return named
    if choice == "required" and not request.tools:
        raise RequestError("tool_choice is required, but there are no tools.", "tool_choice")
    if isinstance(choice, AllowedTools):
        known = {tool.name for tool in request.tools}
        if not choice.names:
            raise RequestError("tool_choice allows no tool; use none to forbid them all.", "tool_choice")
        for name in choice.names:
            if name not in known:
                raise RequestError(f"tool_choice allows {name!r}, which is not among the tools.", "tool_choice")
    return request.tools


def callable_tools(request: ChatRequest, chosen: Sequence[Tool]) -> tuple[Tool, ...]:
    """Return those of the tools in the prompt that may be called."""
    choice = request.tool_choice
    if isinstance(choice, AllowedTools):
        return tuple(tool for tool in chosen if tool.name in choice.names)
    return tuple(chosen)


def bound_tools(tools: Sequence[Tool], allowed: dict[str, tuple[str, ...]]) -> tuple[Tool, ...]:
    """Return the tools with parameters that a grammar can be made of, bound to the allowed values.

    The prompt shows them unbound: allowed values bind the grammar and cost no prompt token.
    """
    return tuple(
        dataclasses.replace(tool, parameters=bind_values(_plain(enforceable(tool.parameters)), allowed))
        for tool in tools
    )


def _fault(parameters: dict[str, Any]) -> str | None:
    """Return what makes a schema useless for the arguments of a call."""
    kind = parameters.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        return f"type is {kind!r}"
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(value, dict | bool) for value in properties.values()):
        return "properties must be an object of schemas"
    required = parameters.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return "required must be a list of names"
    return None


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as an object's, with properties that are all objects.

    `true` is any value, and what is `false` is left out. Without a type the arguments of a call could be anything.
    """
    plain = {**parameters, "type": "object"}
    if "properties" in parameters:
        values = parameters["properties"].items()
        plain["properties"] = {name: {} if value is True else value for name, value in values if value is not False}
    return plain
