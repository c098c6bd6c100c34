"""From a chat request to the messages a template renders."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from home_llm.chat.markups import Markup
from home_llm.chat.vocabulary import ChatRequest, Message, Tool, ToolCall


def template_messages(
    request: ChatRequest,
    tools: Sequence[Tool],
    markup: Markup,
    *,
    native: bool,
    guard: Callable[[str], str],
) -> list[dict[str, Any]]:
    """Return OpenAI messages for the template.

    Args:
        request: the request.
        tools: the tools that the model may call.
        markup: how it writes calls.
        native: whether the template renders tools, calls and results by itself. Otherwise they become text here.
        guard: keeps special tokens out of a text.
    """
    messages = request.messages
    if not native:
        messages = _as_text(messages, tools, markup)
        if tools and request.render_tools:
            messages = _describe(messages, markup.describe(tools))
    return [_as_openai(message, guard) for message in messages]


def _as_text(messages: Sequence[Message], tools: Sequence[Tool], markup: Markup) -> tuple[Message, ...]:
    """Write calls and results into the text, and join what then comes from one speaker."""
    result: list[Message] = []
    for message in messages:
        if message.role == "tool":
            content = markup.write_result(message.content)
            if content is None:
                continue
            plain = Message("user", content)
        elif message.tool_calls:
            calls = markup.write_calls(message.tool_calls, tools)
            plain = Message("assistant", "\n".join(filter(None, (message.content, calls))))
        else:
            plain = message
        previous = result[-1] if result else None
        if previous and previous.role == plain.role and plain.role != "system" and message.role != "user":
            result[-1] = dataclasses.replace(previous, content=f"{previous.content}\n{plain.content}")
        else:
            result.append(plain)
    return tuple(result)


def _describe(messages: Sequence[Message], description: str) -> tuple[Message, ...]:
    """Put the description of the tools at the end of the system prompt."""
    if messages and messages[0].role == "system":
        first = dataclasses.replace(messages[0], content=f"{messages[0].content}\n\n{description}")
        return (first, *messages[1:])
    return (Message("system", description), *messages)


def _as_openai(message: Message, guard: Callable[[str], str]) -> dict[str, Any]:
    # What the assistant said before came out of the model, or was written as its words: markup in it is meant.
    content = message.content if message.role == "assistant" else guard(message.content)
    result: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        result["tool_calls"] = [_call_as_openai(call) for call in message.tool_calls]
    if message.reasoning:
        result["reasoning_content"] = message.reasoning
    if message.role == "tool":
        result["tool_call_id"] = message.tool_call_id
        result["name"] = message.name
    return result


def _call_as_openai(call: ToolCall) -> dict[str, Any]:
    # Arguments as an object: templates iterate over them or write them with tojson.
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
