"""Ollama's answers: whole, and as lines of JSON."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import flask

from home_llm.api.errors import failure_body, ollama_body
from home_llm.api.replies import Answer, Framing, Item, Source, StreamWriter, stream
from home_llm.chat import Finish, Reasoning, Text, ToolCall
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason

LINES = "application/x-ndjson"
"""The type of a stream."""

TAG = "Ollama"
"""What the OpenAPI document calls the routes."""


def _line(chunk: dict[str, Any]) -> bytes:
    return f"{json.dumps(chunk, ensure_ascii=False)}\n".encode()


FRAMING = Framing(frame=_line, end=b"", failure=lambda error: ollama_body(failure_body(error)))
"""One object a line, and an empty line never."""


def stream_lines(source: Source[Item], writer: StreamWriter[Item], framing: Framing = FRAMING) -> flask.Response:
    """Answer with lines of JSON as they are made."""
    response = stream(source, writer, framing)
    response.content_type = LINES
    return response


def now() -> str:
    """Return the time as Ollama writes it."""
    return rfc3339(datetime.now(UTC))


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC as Ollama writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Writer(ABC):
    """What the lines of chats and completions share.

    Args:
        model: the model's name as the client wrote it.
        started: when the request came, as `time.perf_counter_ns` tells it.
        loaded: when the model was there, likewise.
    """

    def __init__(self, model: str, *, started: int, loaded: int) -> None:
        self._model = model
        self._started = started
        self._load = loaded - started

    @abstractmethod
    def said(self, *, text: str = "", thinking: str = "", calls: tuple[ToolCall, ...] = ()) -> dict[str, Any]:
        """Return the field that holds what is said."""

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield nothing: the first line is the first word."""
        yield from ()

    def keep_alive(self) -> dict[str, Any]:
        """Return a line that says nothing."""
        return self._chunk(self.said())

    def event(self, event: Event, /) -> Iterator[dict[str, Any]]:
        """Yield the line of an event."""
        match event:
            case Text():
                yield self._chunk(self.said(text=event.text))
            case Reasoning():
                yield self._chunk(self.said(thinking=event.text))
            case ToolCall():
                yield self._chunk(self.said(calls=(event,)))
            case Finish():
                yield self._end(self.said(), event)

    def whole(self, answer: Answer, finish: Finish) -> dict[str, Any]:
        """Return the answer in one piece."""
        said = self.said(text=answer.text, thinking=answer.reasoning, calls=tuple(answer.calls))
        return self._end(said, finish)

    def nothing(self, reason: str) -> dict[str, Any]:
        """Return the answer to a request that asks for nothing: `load` or `unload`."""
        return {"model": self._model, "created_at": now(), **self.said(), "done": True, "done_reason": reason}

    def _chunk(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model, "created_at": now(), **said, "done": False}

    def _end(self, said: dict[str, Any], finish: Finish) -> dict[str, Any]:
        timings = finish.timings
        return {
            "model": self._model,
            "created_at": now(),
            **said,
            "done": True,
            "done_reason": "length" if finish.reason is FinishReason.LENGTH else "stop",
            "total_duration": time.perf_counter_ns() - self._started,
            "load_duration": self._load,
            "prompt_eval_count": finish.usage.prompt_tokens,
            "prompt_eval_duration": _nanoseconds(timings.prompt_ms),
            "eval_count": finish.usage.completion_tokens,
            "eval_duration": _nanoseconds(timings.predicted_ms),
        }


class ChatWriter(Writer):
    """Writes the answers of `/api/chat`; a call is whole, with an object as its arguments, in a line of its own."""

    def __init__(self, model: str, *, started: int, loaded: int) -> None:
        super().__init__(model, started=started, loaded=loaded)
        self._calls = 0

    def said(self, *, text: str = "", thinking: str = "", calls: tuple[ToolCall, ...] = ()) -> dict[str, Any]:
        """Return the message."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = [self._call(call) for call in calls]
        return {"message": message}

    def _call(self, call: ToolCall) -> dict[str, Any]:
        index, self._calls = self._calls, self._calls + 1
        return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}


class GenerateWriter(Writer):
    """Writes the answers of `/api/generate`."""

    def said(self, *, text: str = "", thinking: str = "", calls: tuple[ToolCall, ...] = ()) -> dict[str, Any]:  # noqa: ARG002 - nothing is called here
        """Return the text."""
        return {"response": text, "thinking": thinking} if thinking else {"response": text}


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
