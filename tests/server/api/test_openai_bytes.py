"""The streaming rules S1 to S9 of the API, to the byte, on a bare socket.

What differs from run to run (ids, dates, counts, times) is masked; all else stands here as it is on the line.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import flask
import pytest

from home_llm.api.openai_chat import ChatWriter
from home_llm.api.replies import stream
from home_llm.api.server import HttpServer
from home_llm.api.several import Indexed
from home_llm.chat import Text
from served import Served

ROUTE = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}], "temperature": 0}
CLOCK = {"type": "function", "function": {"name": "get_time"}}

STREAM_HEAD = b"""\
HTTP/1.1 200 OK
Cache-Control: no-cache
Connection: close
Content-Type: text/event-stream
Date: #
Server: home-llm
Transfer-Encoding: chunked
X-Accel-Buffering: no"""

HEAD = '"id": "chatcmpl-#", "created": #, "model": "SmolLM2-135M-Instruct", "object": "chat.completion.chunk"'
START = f'data: {{{HEAD}, "system_fingerprint": null, "choices": [{{"index": 0, "delta": '
REST = ', "logprobs": null}]'
ROLE = f'{START}{{"role": "assistant", "content": null}}, "finish_reason": null{REST}}}'
CONTENT = f'{START}{{"content": %s}}, "finish_reason": null{REST}}}'
CALL = (
    f'{START}{{"tool_calls": [{{"index": 0, "id": "call_#", "type": "function", "function": '
    f'{{"name": "get_time", "arguments": "{{}}"}}}}]}}, "finish_reason": null{REST}}}'
)
FINISH = f'{START}{{}}, "finish_reason": "%s"{REST}, "timings": {{#}}}}'
USAGE = (
    f'data: {{{HEAD}, "system_fingerprint": null, "choices": [], "usage": {{"prompt_tokens": #, '
    '"completion_tokens": #, "total_tokens": #, "prompt_tokens_details": {"cached_tokens": #}}, "timings": {#}}'
)
DONE = "data: [DONE]"

MASKS = [
    (rb'"id": "chatcmpl-[0-9a-f]{24}"', b'"id": "chatcmpl-#"'),
    (rb'"id": "call_[0-9a-f]{24}"', b'"id": "call_#"'),
    (rb'"created": \d{10}', b'"created": #'),
    (rb'"timings": \{[^}]*\}', b'"timings": {#}'),
    (rb'"([a-z]+_tokens)": \d+', rb'"\1": #'),
]


def exchange(port: int, path: str, body: dict[str, Any]) -> tuple[bytes, bytes]:
    """Send a request over a bare socket; return the answer's head with its lines sorted, and its body."""
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: house\r\nConnection: close\r\nContent-Length: {len(raw)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode() + raw)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = top.split(b"\r\n")
    lines = sorted(re.sub(rb"^(Date|Content-Length): .*", rb"\1: #", line) for line in lines)
    return b"\n".join([first, *lines]), rest


def unchunked(body: bytes) -> bytes:
    """Return what HTTP's chunks hold; they must be whole, and end with the empty one."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        assert body[length : length + 2] == b"\r\n"
        if length == 0:
            assert body == b"\r\n"
            return whole
        whole += body[:length]
        body = body[length + 2 :]


def events(served: Served, **fields: Any) -> list[str]:
    """Return the events of a stream, masked, without the empty lines after them."""
    head, body = exchange(served.port, ROUTE, {**HELLO, "stream": True, **fields})
    assert head == STREAM_HEAD
    whole = unchunked(body)
    for pattern, mask in MASKS:
        whole = re.sub(pattern, mask, whole)
    text = whole.decode("utf-8", "strict")
    assert "\ufffd" not in text
    assert text.endswith("\n\n")
    return text[:-2].split("\n\n")


def test_text(served: Served) -> None:
    """S1 to S3, S5 and S7: the role, pieces of text, the reason in a chunk of its own, the end of it all."""
    first, *pieces, finish, done = events(served, home_llm={"choice": ["Grüße, 👋!"]}, max_tokens=30)
    assert first == ROLE
    key = '"content": '
    contents = [json.JSONDecoder().raw_decode(piece, piece.index(key) + len(key))[0] for piece in pieces]
    assert pieces == [CONTENT % json.dumps(content, ensure_ascii=False) for content in contents]
    assert all(contents)
    assert "".join(contents) == "Grüße, 👋!"
    assert [finish, done] == [FINISH % "stop", DONE]


def test_usage(served: Served) -> None:
    """S6: with include_usage one more chunk, without choices."""
    *_, finish, usage, done = events(served, max_tokens=1, stream_options={"include_usage": True})
    assert [finish, usage, done] == [FINISH % "length", USAGE, DONE]


def test_calls(served: Served) -> None:
    """S4 and S5: a call is whole in a chunk of its own, with {} for no arguments, and the reason is tool_calls."""
    fields = {"tools": [CLOCK], "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 60}
    assert events(served, **fields) == [ROLE, CALL, FINISH % "tool_calls", DONE]


def test_cut_calls(served: Served) -> None:
    """S5: a call that the limit cuts is none, and nothing of it is text."""
    fields = {"tools": [CLOCK], "tool_choice": "required", "max_tokens": 3}
    assert events(served, **fields) == [ROLE, FINISH % "length", DONE]


@pytest.mark.parametrize("stream", [False, True])
def test_errors_before_the_stream(served: Served, stream: bool) -> None:
    """S9: what is wrong with a request is a status and an object, to the byte, also where a stream was asked for."""
    head, body = exchange(served.port, ROUTE, {**HELLO, "messages": [], "stream": stream})
    assert head == (
        b"HTTP/1.1 400 BAD REQUEST\nConnection: close\nContent-Length: #\nContent-Type: application/json\nDate: #\n"
        b"Server: home-llm"
    )
    assert json.loads(body) == {
        "error": {
            "message": "messages: List should have at least 1 item after validation, not 0.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": 400,
        }
    }


class Slow:
    """Events that keep a stream waiting, and break it in the end."""

    def __init__(self, seconds: float) -> None:
        self.finished = False
        self._begin = time.monotonic()
        self._seconds = seconds

    def poll(self, timeout: float) -> list[Indexed]:
        """Wait for the time, then say a word, then break."""
        if time.monotonic() - self._begin < self._seconds:
            time.sleep(timeout)
            return []
        if self._seconds:
            self._seconds = 0
            return [Indexed(0, Text("late"))]
        raise RuntimeError("the machine is on fire")

    def cancel(self) -> None:
        """Stop."""


@pytest.fixture(name="slow_port")
def slow_port_fixture() -> Iterator[int]:
    """Serve a stream that is silent for six seconds and then breaks."""
    app = flask.Flask("slow")

    @app.post("/")
    def answer() -> flask.typing.ResponseReturnValue:
        return stream(Slow(6), ChatWriter("SmolLM2-135M-Instruct", usage=False))

    with HttpServer(app, "127.0.0.1", 0, places=1) as server:
        yield server.port


def test_silence_and_failures(slow_port: int) -> None:
    """S8 and S9: an empty delta after five silent seconds; what breaks then is an error as data, without an end."""
    head, body = exchange(slow_port, "/", {})
    assert head == STREAM_HEAD
    whole = unchunked(body)
    for pattern, mask in MASKS:
        whole = re.sub(pattern, mask, whole)
    error = (
        'data: {"error": {"message": "The generation failed: the machine is on fire", "type": "server_error", '
        '"param": null, "code": 500}}'
    )
    empty = f'{START}{{}}, "finish_reason": null{REST}}}'
    assert whole.decode().split("\n\n") == [ROLE, empty, CONTENT % '"late"', error, ""]
