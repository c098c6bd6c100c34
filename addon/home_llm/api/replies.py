"""From a reply's events to an HTTP answer: collected, or streamed as server-sent events."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import flask

from home_llm.api.errors import failure_body
from home_llm.chat import Finish, Reasoning, Reply, Text, ToolCall
from home_llm.chat.vocabulary import Event
from home_llm.engine import TokenLogprob

# How often to look whether the client is still there, and how long a stream may stay silent before it shows life.
_POLL_SECONDS = 0.1
_KEEP_ALIVE_SECONDS = 5.0

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class ClientGoneError(Exception):
    """The client closed the connection; nobody reads the answer."""


class StreamWriter(Protocol):
    """Writes the chunks of one dialect."""

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield what comes at once, before the first token."""

    def event(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""

    def keep_alive(self) -> dict[str, Any]:
        """Return a chunk that says nothing."""


@dataclass
class Answer:
    """A whole answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Add an event."""
        match event:
            case Text():
                self.text += event.text
                self.logprobs += event.logprobs
            case Reasoning():
                self.reasoning += event.text
            case ToolCall():
                self.calls.append(event)
            case Finish():
                self.logprobs += event.logprobs
                self.finish = event


def collect(reply: Reply) -> tuple[Answer, Finish]:
    """Wait for the whole answer.

    Raises:
        ClientGoneError: the client went away; the generation is cancelled.
        Exception: whatever broke the generation.
    """
    answer = Answer()
    gone = _disconnected()
    while True:
        for event in reply.poll(_POLL_SECONDS):
            answer.add(event)
        if answer.finish is not None:
            return answer, answer.finish
        if gone():
            reply.cancel()
            raise ClientGoneError


def stream(reply: Reply, writer: StreamWriter) -> flask.Response:
    """Answer with server-sent events: `data:` lines only, `[DONE]` at the end."""
    return flask.Response(
        _events(reply, writer, _disconnected()), content_type="text/event-stream", headers=_STREAM_HEADERS
    )


def _events(reply: Reply, writer: StreamWriter, gone: Callable[[], bool]) -> Generator[bytes, None, None]:
    try:
        for chunk in writer.start():
            yield _data(chunk)
        spoken = time.monotonic()
        while True:
            for event in reply.poll(_POLL_SECONDS):
                for chunk in writer.event(event):
                    yield _data(chunk)
                    spoken = time.monotonic()
            if reply.finished:
                break
            if gone():
                return
            if time.monotonic() - spoken >= _KEEP_ALIVE_SECONDS:
                yield _data(writer.keep_alive())
                spoken = time.monotonic()
        yield b"data: [DONE]\n\n"
    except GeneratorExit:
        raise
    except Exception as error:  # noqa: BLE001 - the status is sent; what is left is to say what happened
        yield _data(failure_body(error))
    finally:
        # Waitress closes the generator when a write fails, which is how a client that went away is noticed too.
        reply.cancel()


def _data(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _disconnected() -> Callable[[], bool]:
    """Return waitress's test whether the client of the current request is gone."""
    test: Callable[[], bool] = flask.request.environ.get("waitress.client_disconnected", lambda: False)
    return test
