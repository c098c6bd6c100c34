"""Which turns of a conversation are sent again: as many as fit, and always the last one.

A server that reads the same beginning again takes it from memory. If every new turn pushed out the oldest one, nothing
after the house would ever be the same. So where turns have to go, several go at once, down to half of what fits, and
the ones that stay are the same for the next few turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homeassistant.components import conversation
from homeassistant.helpers.json import json_dumps

from .tokens import MESSAGE_TOKENS, estimate_tokens

# What Home Assistant, from 2026.11 on, puts into the log where an agent said nothing.
NO_ANSWER = "(no response)"


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much of a conversation is sent again.

    Attributes:
        turns: how many turns before the current one.
        tokens: about how many tokens they and the current one may have; None for any number.
    """

    turns: int
    tokens: int | None = None


def recent_turns(content: Sequence[conversation.Content], limits: HistoryLimits) -> list[conversation.Content]:
    """Return the last turns of a conversation, whole, each beginning with what the user said."""
    *turns, current = _turns(content) or [[]]
    turns = [*(turn for turn in turns if _was_answered(turn)), current]
    start = 0
    for end in range(1, len(turns) + 1):
        # As every turn before has decided it, so that this one decides the same about what is left.
        if not _fits(turns[start:end], limits):
            half = HistoryLimits(limits.turns // 2, limits.tokens // 2 if limits.tokens is not None else None)
            while start < end - 1 and not _fits(turns[start:end], half):
                start += 1
    return [item for turn in turns[start:] for item in turn]


def content_tokens(item: conversation.Content) -> int:
    """Return about how many tokens a message has."""
    match item:
        case conversation.AssistantContent():
            calls = "".join(f"{call.tool_name}{json_dumps(call.tool_args)}" for call in item.tool_calls or ())
            text = (item.content or "") + calls
        case conversation.ToolResultContent():
            text = json_dumps(item.result.data)
        case _:
            text = item.content
    return MESSAGE_TOKENS + estimate_tokens(text)


def _turns(content: Sequence[conversation.Content]) -> list[list[conversation.Content]]:
    """Return a conversation cut before everything that the user said."""
    turns: list[list[conversation.Content]] = []
    for item in content:
        if isinstance(item, conversation.UserContent) or not turns:
            turns.append([])
        turns[-1].append(item)
    return turns


def _was_answered(turn: Sequence[conversation.Content]) -> bool:
    """Return whether something came of a turn.

    Home Assistant writes some words into the place of an answer that never came, which a model would learn to say.
    """
    said = [item for item in turn if not isinstance(item, conversation.UserContent)]
    return not (len(said) == 1 and isinstance(said[0], conversation.AssistantContent) and said[0].content == NO_ANSWER)


def _fits(turns: Sequence[Sequence[conversation.Content]], limits: HistoryLimits) -> bool:
    """Return whether turns, the last one being the current one, are within the limits."""
    if len(turns) - 1 > limits.turns:
        return False
    return limits.tokens is None or sum(content_tokens(item) for turn in turns for item in turn) <= limits.tokens
