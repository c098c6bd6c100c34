"""Turn a chat log into OpenAI messages."""

from collections.abc import Callable, Sequence
from typing import Any

from homeassistant.components import conversation
from homeassistant.helpers import llm
from homeassistant.helpers.json import json_dumps

from .const import DEFAULT_HISTORY_TURNS
from .history import HistoryLimits, recent_turns
from .repair import written_call

_DEFAULT_LIMITS = HistoryLimits(DEFAULT_HISTORY_TURNS)


def build_messages(
    content: Sequence[conversation.Content],
    examples: Sequence[dict[str, Any]],
    outbound: Callable[[str], str],
    keep_call: Callable[[llm.ToolInput], bool],
    limits: HistoryLimits = _DEFAULT_LIMITS,
) -> list[dict[str, Any]]:
    """Return the system prompt, the examples, and the conversation without its oldest turns.

    Args:
        content: the chat log.
        examples: messages to put before the conversation.
        outbound: the name of a tool as the model sees it.
        keep_call: whether a call of an earlier turn belongs to what this model can call.
        limits: how much of the conversation is sent again.
    """
    messages: list[dict[str, Any]] = []
    system = content[0]
    if isinstance(system, conversation.SystemContent) and system.content:
        messages.append({"role": "system", "content": system.content})
    messages.extend(examples)
    known: set[str] = set()
    for item in recent_turns(content[1:], limits):
        match item:
            case conversation.UserContent():
                messages.append({"role": "user", "content": item.content})
            case conversation.AssistantContent():
                calls = [call for call in item.tool_calls or () if keep_call(call)]
                known.update(call.id for call in calls)
                if message := _assistant_message(item, calls, outbound):
                    messages.append(message)
            case conversation.ToolResultContent() if item.tool_call_id in known:
                messages.append(
                    {
                        "role": "tool",
                        "tool_call_id": item.tool_call_id,
                        "content": json_dumps({"data": item.result.data, "error": item.result.error}),
                    }
                )
    return messages


def _assistant_message(
    item: conversation.AssistantContent, calls: Sequence[llm.ToolInput], outbound: Callable[[str], str]
) -> dict[str, Any] | None:
    """Return what the assistant said and did, or None when it was only thinking."""
    if not item.content and not calls:
        return None
    message: dict[str, Any] = {"role": "assistant", "content": item.content}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": outbound(name), "arguments": json_dumps(arguments)},
            }
            for call in calls
            for name, arguments in (written_call(call),)
        ]
    return message
