"""Bodies, encodings, headers and connections that nobody should send: each gets an answer of its dialect, or none."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from error_shapes import assert_error
from server_process import ServerProcess
from waiting import wait_until

HELLO = [{"role": "user", "content": "hi"}]
MODEL = "tiny:latest"
# What each dialect wants for a short answer.
SHORT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO, "max_tokens": 2},
    "/v1/completions": {"prompt": "hi", "max_tokens": 2},
    "/v1/responses": {"input": "hi", "max_output_tokens": 2},
    "/v1/embeddings": {"input": "hi"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 2},
    "/v1/internal/encode": {"text": "hi"},
    "/api/chat": {"model": MODEL, "messages": HELLO, "stream": False, "options": {"num_predict": 2}},
    "/completion": {"prompt": "hi", "n_predict": 2},
}
MEGABYTES = 10


def assert_alive(server: ServerProcess) -> None:
    """See that the server answers others as ever."""
    assert server.get("/health").json["status"] == "ok"
    assert server.post("/v1/completions", SHORT["/v1/completions"]).status == 200


def assert_no_fault(path: str, status: int, body: bytes) -> None:
    """See that an answer is one, or an error of what was sent."""
    assert status in {200, 400}, (path, status, body[:500])
    if status != 200:
        assert_error(path, status, body)


@pytest.mark.parametrize("path", SHORT)
def test_the_right_bodies_are_right(server: ServerProcess, path: str) -> None:
    """What the other tests spoil is answered as it stands, whatever content type a client gives it."""
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "a/b"):
        answer = server.post(path, SHORT[path], Content_Type=kind)
        assert answer.status == 200, (kind, answer.body)
        assert answer.json


TEXT_FIELDS: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    ("/v1/chat/completions", lambda text: {"messages": [{"role": "user", "content": text}]}),
    ("/v1/chat/completions", lambda text: {"tools": [{"type": "function", "function": {"name": text}}]}),
    (
        "/v1/chat/completions",
        lambda text: {"tools": [{"type": "function", "function": {"name": "a", "description": text}}]},
    ),
    ("/v1/chat/completions", lambda text: {"grammar": f"root ::= {text!r}"}),
    ("/v1/completions", lambda text: {"prompt": text}),
    ("/v1/responses", lambda text: {"input": text}),
    ("/v1/embeddings", lambda text: {"input": text}),
    ("/v1/messages", lambda text: {"system": text}),
    ("/v1/internal/encode", lambda text: {"text": text}),
    ("/api/chat", lambda text: {"messages": [{"role": "user", "content": text}], "truncate": False}),
    ("/completion", lambda text: {"prompt": text}),
]


@pytest.mark.parametrize(("path", "fields"), TEXT_FIELDS)
def test_ten_megabytes(server: ServerProcess, path: str, fields: Callable[[Any], dict[str, Any]]) -> None:
    """They are refused or answered, and health is told meanwhile."""
    text = "lamp " * (MEGABYTES * 200_000)
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        answer = server.post(path, {**SHORT[path], **fields(text)})
        answers.append((answer.status, answer.body))

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        assert server.get("/health").json["status"] == "ok"
        asking.join(0.2)
    ((status, body),) = answers
    assert_no_fault(path, status, body)
    if path != "/v1/internal/encode":
        assert status == 400


@pytest.mark.parametrize("path", SHORT)
def test_too_large_bodies(server: ServerProcess, path: str) -> None:
    """More than 16 MiB is status 413, also where the server need not read it to know."""
    answer = server.post(path, b" " * (17 * 1024 * 1024))
    assert answer.status == 413
    assert_error(path, answer.status, answer.body)
    status, body = raw(server, head(path, "Content-Length: 99999999999"))
    assert status == 413
    assert_error(path, status, body)
    assert_alive(server)


CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": {"a": "HERE"}}}]}
RESULT = {"type": "function_call_output", "call_id": "a", "output": {"a": "HERE"}}
USE = {"type": "tool_use", "id": "a", "name": "a", "input": {"a": "HERE"}}
TOOL = {"type": "function", "function": {"name": "a", "parameters": {"a": "HERE"}}}
NESTED_FIELDS: list[tuple[str, Any]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "HERE"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "tool", "content": {"a": "HERE"}}], "max_tokens": 2}),
    ("/v1/chat/completions", {"messages": HELLO, "nothing": "HERE", "max_tokens": 2}),
    ("/v1/chat/completions", {"messages": HELLO, "chat_template_kwargs": {"a": "HERE"}, "max_tokens": 2}),
    ("/v1/chat/completions", {"messages": HELLO, "tools": [TOOL], "max_tokens": 2}),
    ("/v1/chat/completions", {"messages": [*HELLO, CALL], "max_tokens": 2}),
    ("/v1/chat/completions", {"messages": HELLO, "json_schema": {"a": "HERE"}, "max_tokens": 2}),
    ("/v1/responses", {"input": "hi", "max_output_tokens": 2, "metadata": {"a": "HERE"}}),
    ("/v1/responses", {"input": [RESULT], "max_output_tokens": 2}),
    ("/v1/messages", {"messages": [*HELLO, {"role": "assistant", "content": [USE]}], "max_tokens": 2}),
    ("/api/chat", {**SHORT["/api/chat"], "format": {"a": "HERE"}}),
    ("/api/chat", {**SHORT["/api/chat"], "options": {"a": "HERE", "num_predict": 2}}),
    ("/api/show", {"model": "HERE"}),
    ("/completion", {"prompt": "HERE"}),
    ("/v1/internal/model/load", {"model_name": "nothing", "args": {"a": "HERE"}}),
    ("/lora-adapters", ["HERE"]),
]


def nested_body(body: Any, levels: int, brackets: str) -> bytes:
    """Return a body with so many levels in the marked place."""
    opening, closing = ('{"a": ', "}") if brackets == "{}" else ("[", "]")
    return json.dumps(body).replace('"HERE"', opening * levels + "1" + closing * levels).encode()


@pytest.mark.parametrize("levels", [100_000, 5_000, 900, 400, 250])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize(("path", "body"), NESTED_FIELDS)
def test_deep_json(server: ServerProcess, path: str, body: Any, brackets: str, levels: int) -> None:
    """It is refused, whichever field it stands in, and however deep Python would follow it."""
    answer = server.post(path, nested_body(body, levels, brackets))
    assert answer.status == 400
    assert_error(path, answer.status, answer.body)


@pytest.mark.parametrize("levels", [20, 90, 150, 190])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize(("path", "body"), NESTED_FIELDS)
def test_less_deep_json(server: ServerProcess, path: str, body: Any, brackets: str, levels: int) -> None:
    """It is answered or refused, and breaks nothing."""
    answer = server.post(path, nested_body(body, levels, brackets))
    if answer.status != 404:
        assert_no_fault(path, answer.status, answer.body)


@pytest.mark.parametrize("levels", [50_000, 900, 250])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_deep_arguments_as_text(server: ServerProcess, path: str, levels: int) -> None:
    """The arguments of an earlier call are JSON in a text, and no deeper than other JSON."""
    arguments = '{"a": ' + "[" * levels + "]" * levels + "}"
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": arguments}}]}
    answer = server.post(path, {**SHORT[path], "messages": [*HELLO, call, *HELLO]})
    assert answer.status == 400
    assert_error(path, answer.status, answer.body)


WRONG_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "utf-16": lambda raw: raw.decode().encode("utf-16"),
    "utf-16-be": lambda raw: raw.decode().encode("utf-16-be"),
    "utf-32": lambda raw: raw.decode().encode("utf-32"),
    "latin-1": lambda raw: raw.replace(b'"hi"', '"Küche"'.encode("latin-1")),
    "surrogate": lambda raw: raw.replace(b'"hi"', b'"\xed\xa0\x80"'),
    "escaped surrogate": lambda raw: raw.replace(b'"hi"', rb'"\udc00\ud800"'),
    "overlong": lambda raw: raw.replace(b'"hi"', b'"\xc0\xaf"'),
    "cut character": lambda raw: raw.replace(b'"hi"', b'"\xe2\x82"'),
    "beyond Unicode": lambda raw: raw.replace(b'"hi"', b'"\xf4\x90\x80\x80"'),
    "NUL": lambda raw: raw.replace(b'"hi"', b'"\x00"'),
    "line end": lambda raw: raw.replace(b'"hi"', b'"\n"'),
    "NUL behind": lambda raw: raw + b"\x00",
    "gzip": gzip.compress,
    "twice": lambda raw: raw + raw,
    "cut": lambda raw: raw[:-1],
    "form": lambda _raw: b"messages=hi&max_tokens=2",
    "multipart": lambda raw: b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + raw + b"\r\n--x--\r\n",
    "empty": lambda _raw: b"",
    "white space": lambda _raw: b" \n",
    "NaN": lambda raw: raw[:-1] + b', "nothing": [NaN]}',
    "infinite": lambda raw: raw[:-1] + b', "nothing": 1e999}',
    "many digits": lambda raw: raw[:-1] + b', "nothing": ' + b"1" * 5000 + b"}",
}


@pytest.mark.parametrize("path", SHORT)
@pytest.mark.parametrize("way", WRONG_BYTES)
def test_wrong_bytes(server: ServerProcess, path: str, way: str) -> None:
    """What is no JSON in UTF-8 is refused in the dialect's own shape."""
    raw_body = WRONG_BYTES[way](json.dumps(SHORT[path], ensure_ascii=False).encode())
    answer = server.post(path, raw_body)
    assert answer.status == 400, answer.body
    assert_error(path, answer.status, answer.body)


@pytest.mark.parametrize("path", SHORT)
def test_odd_characters(server: ServerProcess, path: str) -> None:
    """An escaped NUL, a byte order mark and what is in no script are characters like others."""
    for text in ("\x00", "a\x00b", "\ufeff", "\U0010ffff", "\u2028\x7f", "e\u0301" * 100, "🏠" * 50):
        raw_body = json.dumps(SHORT[path]).replace('"hi"', json.dumps(text)).encode()
        answer = server.post(path, b"\xef\xbb\xbf" + raw_body)
        assert answer.status == 200, (text, answer.body)
        assert answer.json


def head(path: str, *lines: str) -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: house", *lines, "", ""]).encode("latin-1")


def raw(server: ServerProcess, sent: bytes) -> tuple[int, bytes]:
    """Send bytes, and return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent)
        return received(connection)


def received(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        assert part, data
        data += part
    start, _, body = data.partition(b"\r\n\r\n")
    lines = start.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert fields["content-type"] == "application/json", start
    while len(body) < int(fields["content-length"]):
        part = connection.recv(65536)
        assert part, body
        body += part
    return int(lines[0].split()[1]), body


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/internal/encode"])
@pytest.mark.parametrize(
    ("status", "line", "body", "has_path"),
    [
        (400, "Content-Length: -1", b"", True),
        (400, "Content-Length: five", b"", True),
        (400, "Transfer-Encoding: chunked", b"nothing\r\n", True),
        (400, "Transfer-Encoding: chunked", b"0\r\n\r\n", True),
        (501, "Transfer-Encoding: gzip", b"", True),
        (400, "a header without a colon", b"", False),
        (431, f"X-Long: {'x' * 300_000}", b"", False),
    ],
)
def test_broken_requests(server: ServerProcess, path: str, status: int, line: str, body: bytes, has_path: bool) -> None:
    """What is no HTTP is refused with JSON too; where the path could be read, in the shape of its dialect."""
    code, answer = raw(server, head(path, line) + body)
    assert code == status
    assert_error(path if has_path else "/", code, answer)


def test_anthropic_clients_get_anthropic_errors_for_broken_requests(server: ServerProcess) -> None:
    """Their header tells, also where the path is OpenAI's."""
    code, answer = raw(server, head("/v1/models", "anthropic-version: 2023-06-01", "Content-Length: five"))
    assert code == 400
    assert_error("/v1/messages", code, answer)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"\r\n\r\n\x00\r\n\r\n", b"HELO house\r\n\r\n"])
def test_what_is_no_http(server: ServerProcess, sent: bytes) -> None:
    """A greeting of TLS, NULs and other protocols are refused, and the server goes on."""
    code, answer = raw(server, sent)
    assert code in {400, 404, 405}
    assert_error("/", code, answer)
    assert_alive(server)


@pytest.mark.parametrize("path", [*SHORT, "/nothing", "/v1/messages/nothing", "/api/nothing", "/v1/internal/nothing"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "NOTHING"])
def test_wrong_methods_and_paths(server: ServerProcess, path: str, method: str) -> None:
    """They are a 405 that names the right methods, or a 404, in the dialect's own shape."""
    answer = server.request(method, path, b"{}")
    assert answer.status == (404 if "nothing" in path else 405)
    assert ("Allow" in answer.headers) == (answer.status == 405)
    assert_error(path, answer.status, answer.body)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_odd_paths(server: ServerProcess, path: str) -> None:
    """Paths with odd bytes, dots and queries are a 404 or what they name."""
    for odd in ("/%00", "/%ff", "/..%2f..%2fetc%2fpasswd", "/" + "a" * 8000, "//", "/%e2%82"):
        code, answer = raw(server, head(path + odd, "Content-Length: 2") + b"{}")
        assert code in {400, 404, 405}, (odd, answer)
        assert_error(path + "/", code, answer) if code != 400 else None
    query = "?" + "&".join(f"a{number}=%ff%00" for number in range(1000))
    body = json.dumps(SHORT[path]).encode()
    code, answer = raw(server, head(path + query, f"Content-Length: {len(body)}") + body)
    assert code == 200, answer


def generating(server: ServerProcess, count: int) -> list[socket.socket]:
    """Begin streams that go on until the context is full, and return their connections."""
    body = json.dumps({"prompt": "Once", "max_tokens": 900, "ban_eos_token": True, "stream": True}).encode()
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        connection.sendall(head("/v1/completions", f"Content-Length: {len(body)}") + body)
        connections.append(connection)
    for connection in connections:
        assert connection.recv(20).startswith(b"HTTP/1.1 200 OK")
    return connections


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read the rest of a stream, and close its connection."""
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        part = connection.recv(65536)
        assert part, data[-200:]
        data += part
    connection.close()
    return data


def test_looks_while_four_streams_generate(server: ServerProcess) -> None:
    """The list of models and the health are told while the model is busy, and the streams come to their ends."""
    streams = generating(server, 4)
    for _ in range(10):
        for path in ("/v1/models", "/health", "/api/tags", "/props", "/slots", "/metrics"):
            assert server.get(path).status == 200
    for stream in streams:
        assert b"data: [DONE]" in read_to_the_end(stream)


@contextmanager
def idle(server: ServerProcess, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that say nothing."""
    connections: list[socket.socket] = []
    try:
        while len(connections) < count:
            connections.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        yield connections
    finally:
        for connection in connections:
            connection.close()


def test_a_thousand_idle_connections(server: ServerProcess) -> None:
    """They keep nobody from being answered, a stream under way comes to its end, and each can still be used."""
    (stream,) = generating(server, 1)
    with idle(server, 1100) as connections:
        assert_alive(server)
        assert server.get("/v1/models").status == 200
        assert b"data: [DONE]" in read_to_the_end(stream)
        body = json.dumps(SHORT["/v1/completions"]).encode()
        for connection in (connections[0], connections[550], connections[-1]):
            connection.sendall(head("/v1/completions", f"Content-Length: {len(body)}") + body)
            assert received(connection)[0] == 200
    assert_alive(server)


def test_senders_of_a_byte_a_second(server: ServerProcess) -> None:
    """Twenty of them hold up nobody, and one that goes on is answered when all of its request is there."""
    body = json.dumps(SHORT["/v1/completions"]).encode()
    request = head("/v1/completions", f"Content-Length: {len(body)}") + body
    with idle(server, 20) as connections:
        # Each is at another place of its request: in the first line, in a header, in the body.
        places = [len(request) * number // 20 for number in range(20)]
        for connection, place in zip(connections, places, strict=True):
            connection.sendall(request[:place])
        for second in range(4):
            started = time.monotonic()
            for connection, place in zip(connections, places, strict=True):
                connection.sendall(request[place + second : place + second + 1])
            assert_alive(server)
            time.sleep(max(0.0, 1 - (time.monotonic() - started)))
        for connection, place in zip(connections[:3], places[:3], strict=True):
            connection.sendall(request[place + 4 :])
            assert received(connection)[0] == 200
    wait_until(lambda: not any(slot["is_processing"] for slot in server.get("/slots").json))
    assert_alive(server)
