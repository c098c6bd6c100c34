"""Letting go of what was said long ago, where a client asks for that in place of an error."""

import bisect
import dataclasses
import logging
from collections.abc import Callable, Sequence

from home_llm.chat.vocabulary import ChatRequest, Limits, Message

_LOGGER = logging.getLogger(__name__)

# Tokens that are kept free for an answer of no given length.
_ANSWER = 512


def prompt_room(truncation: int, limits: Limits, n_ctx: int) -> int:
    """Return how many tokens a prompt may have, so that its answer fits behind it, or half of the room for it."""
    room = min(truncation, n_ctx)
    answer = _ANSWER if limits.max_tokens is None else limits.max_tokens
    return max(room - min(answer, room // 2), 1)


def shortened(request: ChatRequest, room: int, count: Callable[[ChatRequest], int]) -> ChatRequest:
    """Return a request without its oldest turns, as few of them as it takes.

    System messages stay, and so does everything from the user's last message on.

    Args:
        request: the request.
        room: tokens that its prompt may have.
        count: tells the tokens of a request's prompt.
    """
    turns = _turns(request.messages)

    def without(number: int) -> ChatRequest:
        gone = {index for turn in turns[:number] for index in turn}
        kept = (message for index, message in enumerate(request.messages) if index not in gone)
        return dataclasses.replace(request, messages=tuple(kept))

    if not turns or count(request) <= room:
        return request
    number = bisect.bisect_left(range(len(turns)), True, lo=1, key=lambda number: count(without(number)) <= room)
    _LOGGER.info("A conversation is too long: %d of its %d earlier turns are left out", number, len(turns))
    return without(number)


def _turns(messages: Sequence[Message]) -> list[list[int]]:
    """Return the indexes of what can be let go of, turn by turn: what a user said, and the answers to it."""
    last_user = max((index for index, message in enumerate(messages) if message.role == "user"), default=0)
    turns: list[list[int]] = []
    for index, message in enumerate(messages[:last_user]):
        if message.role == "system":
            continue
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(index)
    return turns
