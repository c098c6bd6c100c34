"""The events of a streamed chat answer, and how OpenAI's chunks become them.

Free of Home Assistant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from .usage import Usage, read_usage


class ChunkError(Exception):
    """A chunk is not what the OpenAI API describes."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of what the model says."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of what the model thinks, which is never spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One complete call with parsed arguments."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    # Why it cannot be made, where what the model wrote is no call.
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer: stop, length or tool_calls."""

    reason: str


ChatEvent = TextDelta | ReasoningDelta | ToolCall | Finish | Usage


@dataclass(slots=True)
class _OpenCall:
    """A call whose arguments may still be arriving."""

    index: int | None
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class ChunkReader:
    """Turn the chunks of one answer into events.

    Calls arrive complete in one chunk or in fragments. They are handed out as soon as nothing can follow:
    when text begins after them, or when the answer ends.
    """

    def __init__(self) -> None:
        """Start before the first chunk."""
        self._calls: list[_OpenCall] = []
        self.finished = False

    def read(self, chunk: Mapping[str, Any]) -> Iterator[ChatEvent]:
        """Yield the events of one chunk.

        Raises:
            ChunkError: the chunk has a wrong shape.
        """
        if (usage := read_usage(chunk)) is not None:
            yield usage
        choices = chunk.get("choices")
        if not choices:
            # A usage chunk, or a server's own kind of keep-alive.
            return
        if not isinstance(choices, list) or not isinstance(choice := choices[0], Mapping):
            raise ChunkError("choices is not a list of objects")
        delta = choice.get("delta") or {}
        if not isinstance(delta, Mapping):
            raise ChunkError("delta is not an object")
        # text-generation-webui and llama-server say reasoning_content, others say reasoning.
        if reasoning := _text(delta, "reasoning_content") or _text(delta, "reasoning"):
            yield ReasoningDelta(reasoning)
        if text := _text(delta, "content"):
            yield from self._close_calls()
            yield TextDelta(text)
        for fragment in delta.get("tool_calls") or []:
            self._add(fragment)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and not self.finished:
            self.finished = True
            yield from self._close_calls(truncated=reason == "length")
            yield Finish(reason)

    def end(self) -> Iterator[ChatEvent]:
        """Yield what is left when the server says that the stream is done."""
        yield from self._close_calls()
        if not self.finished:
            self.finished = True
            yield Finish("stop")

    def _add(self, fragment: Any) -> None:
        """Add a fragment of a call to the call it belongs to."""
        if not isinstance(fragment, Mapping):
            raise ChunkError("a tool call is not an object")
        function = fragment.get("function") or {}
        if not isinstance(function, Mapping):
            raise ChunkError("the function of a tool call is not an object")
        index = fragment.get("index")
        call_id = fragment.get("id") or ""
        name = function.get("name") or ""
        call = self._find(index, call_id, name)
        if call is None:
            call = _OpenCall(index)
            self._calls.append(call)
        call.call_id = call.call_id or str(call_id)
        call.name = call.name or str(name)
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            call.arguments += arguments
        elif arguments is not None:
            # Some servers send the object itself, which is never a fragment.
            call.arguments = json.dumps(arguments)

    def _find(self, index: Any, call_id: Any, name: Any) -> _OpenCall | None:
        """Return the open call that a fragment continues, or None when it starts a new one."""
        for call in reversed(self._calls):
            if index is not None and call.index != index:
                continue
            if index is None and name:
                return None
            # Servers that number every call 0 still give each its own id.
            if call_id and call.call_id and call_id != call.call_id:
                return None
            return call
        return None

    def _close_calls(self, *, truncated: bool = False) -> Iterator[ToolCall]:
        """Yield the calls that are open; with truncated, drop those that the token limit cut off."""
        calls, self._calls = self._calls, []
        for call in calls:
            call_id = call.call_id or f"call_{uuid4().hex}"
            try:
                arguments = parse_arguments(call.arguments)
            except ChunkError as err:
                if not truncated and call.name:
                    # The model is told, and can do better.
                    yield ToolCall(call_id, call.name, {}, fault=str(err))
                continue
            if not call.name:
                raise ChunkError("a tool call has no name")
            yield ToolCall(call_id, call.name, arguments)


def parse_arguments(text: str) -> dict[str, Any]:
    """Return a call's arguments; nothing at all means no arguments.

    Raises:
        ChunkError: the text is not a JSON object.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
        if isinstance(value, str):
            # Encoded twice, as some chat templates do.
            value = json.loads(value or "{}")
    except ValueError as err:
        raise ChunkError(f"the arguments of a tool call are not JSON: {text[:200]}") from err
    if not isinstance(value, dict):
        raise ChunkError(f"the arguments of a tool call are not an object: {text[:200]}")
    return value


def _text(delta: Mapping[str, Any], key: str) -> str:
    """Return a text field of a delta, empty when it is missing or null."""
    value = delta.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ChunkError(f"{key} is not text")
    return value
