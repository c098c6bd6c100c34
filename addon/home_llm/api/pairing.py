"""Ids for calls and results that come without."""

from collections.abc import Sequence
from dataclasses import replace

from home_llm.chat import Message, ToolCall


def paired(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Give calls without an id one, and results the id and the name of the call that they answer.

    The ids are the same every time, because templates write them into the prompt, which would not be found in the cache
    otherwise. They have nine letters and digits, which is what some templates want. A result without an id answers the
    first call of its name that has no result yet, or without a name the first of all.
    """
    result: list[Message] = []
    names: dict[str, str] = {}
    waiting: list[ToolCall] = []
    for message in messages:
        if message.tool_calls:
            waiting = [
                call if call.id else replace(call, id=f"call{number:05d}")
                for number, call in enumerate(message.tool_calls, len(names) + 1)
            ]
            names |= {call.id: call.name for call in waiting}
            result.append(replace(message, tool_calls=tuple(waiting)))
        elif message.role == "tool":
            call_id = _answered(message, waiting) or message.tool_call_id
            waiting = [call for call in waiting if call.id != call_id]
            result.append(replace(message, tool_call_id=call_id, name=names.get(call_id or "", message.name)))
        else:
            result.append(message)
    return tuple(result)


def _answered(result: Message, waiting: Sequence[ToolCall]) -> str | None:
    """Return the id of the call that a result without an id answers."""
    if result.tool_call_id:
        return None
    named = [call for call in waiting if result.name in (None, "", call.name)]
    return named[0].id if named else None
