"""Anthropic's answers: whole, and as named events."""

import dataclasses
import secrets
from collections.abc import Iterator
from typing import Any

from home_llm.api.errors import anthropic_body, failure_body
from home_llm.api.replies import NAMED, Answer
from home_llm.chat import Finish, Reasoning, Text, ToolCall
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason

FRAMING = dataclasses.replace(NAMED, failure=lambda error: anthropic_body(failure_body(error)))
"""Each event has its name in a line before it; the stream ends with `message_stop` and nothing after it."""


class MessageWriter:
    """Writes the answers of `/v1/messages`.

    Args:
        model: the name of the model.
        prompt_tokens: what the request's prompt has; how many of them were cached is known at the end only.
    """

    def __init__(self, model: str, *, prompt_tokens: int) -> None:
        self._head: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
        }
        self._prompt_tokens = prompt_tokens
        # The type of the block that is open.
        self._open: str | None = None
        self._index = -1
        self._calls = 0

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the message that is empty yet."""
        usage = {
            "input_tokens": self._prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        }
        message: dict[str, Any] = {
            **self._head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        yield {"type": "message_start", "message": message}
        yield self.keep_alive()

    def keep_alive(self) -> dict[str, Any]:
        """Return an event that says nothing."""
        return {"type": "ping"}

    def event(self, event: Event, /) -> Iterator[dict[str, Any]]:
        """Yield the events of an event: a block begins where another kind of thing is said, and for each call."""
        match event:
            case Text():
                yield from self._in_block({"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": event.text})
            case Reasoning():
                yield from self._in_block({"type": "thinking", "thinking": "", "signature": ""})
                yield self._delta({"type": "thinking_delta", "thinking": event.text})
            case ToolCall():
                self._calls += 1
                yield from self._close()
                yield from self._in_block({**_tool_use(event), "input": {}})
                yield self._delta({"type": "input_json_delta", "partial_json": event.arguments_json})
                yield from self._close()
            case Finish():
                yield from self._close()
                yield {
                    "type": "message_delta",
                    "delta": _stop(event, has_calls=self._calls > 0),
                    "usage": usage_of(event),
                }
                yield {"type": "message_stop"}

    def whole(self, answer: Answer, finish: Finish) -> dict[str, Any]:
        """Return the answer in one piece."""
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": ""})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        content += [_tool_use(call) for call in answer.calls]
        stop = _stop(finish, has_calls=bool(answer.calls))
        return {**self._head, "content": content, **stop, "usage": usage_of(finish)}

    def _in_block(self, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Open a block, unless one of its type is open."""
        if self._open == block["type"]:
            return
        yield from self._close()
        self._open = block["type"]
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _close(self) -> Iterator[dict[str, Any]]:
        if self._open is not None:
            self._open = None
            yield {"type": "content_block_stop", "index": self._index}

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def usage_of(finish: Finish) -> dict[str, Any]:
    """Return Anthropic's usage, which counts cached tokens apart from the others."""
    usage = finish.usage
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _stop(finish: Finish, *, has_calls: bool) -> dict[str, Any]:
    """Return why the answer ended, and with which stop sequence."""
    if has_calls:
        return {"stop_reason": "tool_use", "stop_sequence": None}
    if finish.reason is FinishReason.LENGTH:
        return {"stop_reason": "max_tokens", "stop_sequence": None}
    if finish.stop is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": finish.stop}
    return {"stop_reason": "end_turn", "stop_sequence": None}
