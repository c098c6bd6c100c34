"""From a reply's events to an HTTP answer: collected, or streamed as server-sent events."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import flask

from home_llm.api.errors import failure_body
from home_llm.chat import Finish, Reasoning, Reply, Text, ToolCall
from home_llm.chat.vocabulary import Event
from home_llm.engine import TokenLogprob

# How often to look whether the client is still there, and how long a stream may stay silent before it shows life.
_POLL_SECONDS = 0.1
_KEEP_ALIVE_SECONDS = 5.0

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Out_co = TypeVar("Out_co", covariant=True)
In_contra = TypeVar("In_contra", contravariant=True)
Item = TypeVar("Item")


class ClientGoneError(Exception):
    """The client closed the connection; nobody reads the answer."""


class Source(Protocol[Out_co]):
    """What events come from: one reply, or several."""

    @property
    def finished(self) -> bool:
        """Whether every event has been returned."""

    def poll(self, timeout: float) -> Sequence[Out_co]:
        """Return the next events, none when `timeout` seconds pass."""

    def cancel(self) -> None:
        """Stop as soon as possible."""


class StreamWriter(Protocol[In_contra]):
    """Writes the chunks of one dialect."""

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield what comes at once, before the first token."""

    def event(self, event: In_contra, /) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""

    def keep_alive(self) -> dict[str, Any]:
        """Return a chunk that says nothing."""


def _data(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _named(chunk: dict[str, Any]) -> bytes:
    return f"event: {chunk['type']}\n".encode() + _data(chunk)


@dataclass(frozen=True, slots=True)
class Framing:
    """How the chunks of a stream are put on the line.

    Attributes:
        frame: a chunk as bytes.
        end: what follows the last chunk of a stream that did not break.
        failure: what is said of something that broke.
    """

    frame: Callable[[dict[str, Any]], bytes] = _data
    end: bytes = b"data: [DONE]\n\n"
    failure: Callable[[Exception], dict[str, Any]] = failure_body


DATA = Framing()
"""OpenAI's chat and text completions: `data:` lines only, `[DONE]` at the end."""

DATA_WITHOUT_END = Framing(end=b"")
"""llama-server's completions: the last chunk says itself that it is the last."""

NAMED = Framing(frame=_named, end=b"", failure=lambda error: {"type": "error", **failure_body(error)})
"""OpenAI's responses: each chunk has a `type`, which stands in an `event:` line before it too."""


@dataclass
class Answer:
    """A whole answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None

    @property
    def end(self) -> Finish:
        """The end of the answer, when it has ended."""
        if self.finish is None:
            raise AssertionError("a reply ended without its Finish")
        return self.finish

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
    for event in drain(reply):
        answer.add(event)
    return answer, answer.end


def drain(source: Source[Item]) -> Iterator[Item]:
    """Yield every event, as it comes.

    Raises:
        ClientGoneError: the client went away; what is not finished is cancelled.
        Exception: whatever broke the generation; the rest is cancelled.
    """
    gone = disconnected()
    try:
        while True:
            yield from source.poll(_POLL_SECONDS)
            if source.finished:
                return
            if gone():
                raise ClientGoneError
    finally:
        source.cancel()


def stream(reply: Source[Item], writer: StreamWriter[Item], framing: Framing = DATA) -> flask.Response:
    """Answer with server-sent events."""
    return flask.Response(
        _events(reply, writer, framing, disconnected()), content_type="text/event-stream", headers=_STREAM_HEADERS
    )


def _events(
    reply: Source[Item], writer: StreamWriter[Item], framing: Framing, gone: Callable[[], bool]
) -> Generator[bytes, None, None]:
    try:
        for chunk in writer.start():
            yield framing.frame(chunk)
        spoken = time.monotonic()
        while True:
            for event in reply.poll(_POLL_SECONDS):
                for chunk in writer.event(event):
                    yield framing.frame(chunk)
                    spoken = time.monotonic()
            if reply.finished:
                break
            if gone():
                return
            if time.monotonic() - spoken >= _KEEP_ALIVE_SECONDS:
                yield framing.frame(writer.keep_alive())
                spoken = time.monotonic()
        if framing.end:
            yield framing.end
    except GeneratorExit:
        raise
    except Exception as error:  # noqa: BLE001 - the status is sent; what is left is to say what happened
        yield framing.frame(framing.failure(error))
    finally:
        # Waitress closes the generator when a write fails, which is how a client that went away is noticed too.
        reply.cancel()


def disconnected() -> Callable[[], bool]:
    """Return waitress's test whether the client of the current request is gone."""
    test: Callable[[], bool] = flask.request.environ.get("waitress.client_disconnected", lambda: False)
    return test
