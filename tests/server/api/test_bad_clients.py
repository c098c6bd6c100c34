"""Clients that are slow, that vanish, that ask for nonsense: none of them disturbs the others."""

import json
import logging
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from memory_use import resident_bytes
from served import Served
from waiting import wait_until

LONG = {"prompt": "Once", "max_tokens": 8000, "ban_eos_token": True, "temperature": 0}
SHORT = {"prompt": "Once", "max_tokens": 5, "temperature": 0}
CLOCK = {"type": "function", "function": {"name": "get_time"}}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/internal/warm": {"messages": [{"role": "user", "content": "hi"}]},
}


@pytest.fixture(scope="module", name="house")
def house_fixture(tiny_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a tiny model: thousands of tokens take seconds, so that who is still working can be told."""
    folder = tmp_path_factory.mktemp("house")
    with Served(folder, model=str(tiny_paths["full"]), context_size=8192, threads=1) as served:
        served.wait_until("ok")
        yield served


def metric(served: Served, name: str) -> float:
    """Return one of the metrics."""
    families = text_string_to_metric_families(served.get("/metrics").body.decode())
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


def running(served: Served) -> int:
    """Return how many requests run."""
    return int(metric(served, "llamacpp:requests_processing"))


def head(*lines: str) -> bytes:
    """Return the head of a request for a completion."""
    return "\r\n".join(["POST /v1/completions HTTP/1.1", "Host: house", *lines, "", ""]).encode()


def send(served: Served, body: dict[str, Any], *, cut: int | None = None) -> socket.socket:
    """Send a streamed completion, or its first bytes, over a connection that takes in little; return the connection."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", served.port))
    raw = json.dumps({**body, "stream": True}).encode()
    connection.sendall((head(f"Content-Length: {len(raw)}") + raw)[:cut])
    return connection


def test_clients_that_read_a_byte_a_second(house: Served) -> None:
    """They hold up neither others nor the engine: their answers are made, kept for them in little memory, and over."""
    ended = metric(house, "home_llm:requests_total")
    before = resident_bytes()
    slow = [send(house, {**LONG, "max_tokens": 1500}) for _ in range(3)]
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(1.0):
            for connection in slow:
                connection.recv(1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: running(house) == 3)
        started = time.monotonic()
        answer = house.post("/v1/completions", {**SHORT, "stream": True})
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert time.monotonic() - started < 3
        wait_until(lambda: running(house) == 0, timeout=30)
        assert metric(house, "home_llm:requests_total") == ended + 4
        # Their places are free too: there are four, and as many requests at once are admitted.
        statuses: list[int] = []
        asking = [
            threading.Thread(target=lambda: statuses.append(house.post("/v1/completions", SHORT).status))
            for _ in range(4)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert statuses == [200] * 4
        assert resident_bytes() - before < 50e6
    finally:
        stop.set()
        reader.join()
        for connection in slow:
            connection.close()


def test_a_client_that_vanishes_in_a_stream(house: Served) -> None:
    """Its generation is over within a second."""
    connection = send(house, LONG)
    assert connection.recv(500)
    wait_until(lambda: running(house) == 1)
    connection.close()
    wait_until(lambda: running(house) == 0, timeout=1)


def test_a_client_that_vanishes_while_its_prompt_is_read(data_dir: Path) -> None:
    """Reading a prompt that would take many seconds ends within one."""
    with Served(data_dir, context_size=8192) as served:
        served.wait_until("ok")
        connection = send(served, {**SHORT, "prompt": "The lamp in the hall is on. " * 900})
        wait_until(lambda: running(served) == 1)
        time.sleep(0.5)
        assert running(served) == 1
        connection.close()
        wait_until(lambda: running(served) == 0, timeout=1)
        assert metric(served, "llamacpp:tokens_predicted_total") == 0


def test_a_client_that_sends_slowly(house: Served) -> None:
    """Its request is answered once it is there, and others do not wait for it."""
    body = json.dumps(SHORT).encode()
    with socket.create_connection(("127.0.0.1", house.port), timeout=30) as connection:
        connection.sendall(head("Connection: close", f"Content-Length: {len(body)}"))
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
            time.sleep(0.01)
            if at % 10 == 0:
                started = time.monotonic()
                assert house.post("/v1/completions", SHORT).status == 200
                assert time.monotonic() - started < 2
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_halves_of_requests(house: Served, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that closes in the middle of its request asks nothing of the engine and is no error."""
    ended = metric(house, "home_llm:requests_total")
    for cut in (1, 20, 60, 90, 120):
        send(house, LONG, cut=cut).close()
    assert house.post("/v1/completions", SHORT).status == 200
    assert metric(house, "home_llm:requests_total") == ended + 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_connections_that_say_nothing(house: Served) -> None:
    """Two hundred of them, opened while a request is answered, keep nobody from being answered."""
    connection = send(house, {**LONG, "max_tokens": 2000})
    assert connection.recv(200)
    silent = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(200)]
    started = time.monotonic()
    assert house.get("/health").status == 200
    assert house.post("/v1/completions", SHORT).status == 200
    assert time.monotonic() - started < 3
    answer = b""
    while not answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
        part = connection.recv(65536)
        assert part
        answer += part
    for each in (connection, *silent):
        each.close()


NOT_A_NUMBER, INFINITE = float("nan"), float("inf")
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": NOT_A_NUMBER}),
    ("temperature", {"temperature": -0.1}),
    ("temperature", {"temperature": NOT_A_NUMBER}),
    ("temperature", {"temperature": INFINITE}),
    ("top_k", {"top_k": -2}),
    ("top_k", {"top_k": 2**31}),
    ("top_p", {"top_p": 1.01}),
    ("top_n_sigma", {"top_n_sigma": INFINITE}),
    ("repetition_penalty", {"repetition_penalty": INFINITE}),
    ("repetition_penalty_range", {"repetition_penalty_range": 2**31}),
    ("dry_multiplier", {"dry_multiplier": INFINITE}),
    ("dry_allowed_length", {"dry_allowed_length": 2**40}),
    ("mirostat_tau", {"mirostat_mode": 2, "mirostat_tau": INFINITE}),
    ("stop", {"stop": [f"word {number}" for number in range(1000)]}),
    ("stop", {"stop": ["x" * 5000]}),
    ("logit_bias", {"logit_bias": {"lamp": 1}}),
    ("logit_bias", {"logit_bias": {"5": NOT_A_NUMBER}}),
    ("custom_token_bans", {"custom_token_bans": "lamp"}),
    ("seed", {"seed": 0.5}),
    ("stream", {"stream": "maybe"}),
]


# What is only read chooses no token.
UNKNOWN_TOKENS: list[tuple[str, dict[str, Any]]] = [
    ("logit_bias", {"logit_bias": {"-1": 1}}),
    ("logit_bias", {"logit_bias": {"1000000": 1}}),
    ("logit_bias", {"custom_token_bans": "1000000"}),
]


@pytest.mark.parametrize(
    ("path", "param", "fields"),
    [(path, *wrong) for path in PATHS for wrong in WRONG]
    + [(path, *wrong) for path in PATHS if "warm" not in path for wrong in UNKNOWN_TOKENS],
)
def test_values_out_of_range(house: Served, path: str, param: str, fields: dict[str, Any]) -> None:
    """They are a 400 in the dialect's own shape that names the field."""
    answer = house.post(path, {**PATHS[path], **fields})
    assert answer.status == 400, answer.body
    error = answer.json["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", 400)
    assert error["param"].startswith(param)
    assert ("detail" in answer.json) is path.startswith("/v1/internal")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [CLOCK], "tool_choice": "required", "max_tokens": 0},
        {"tools": [], "tool_choice": "required"},
        {"tools": [CLOCK], "tool_choice": {"type": "function", "function": {"name": "set_time"}}},
        {"grammar": 'root ::= "a"', "json_schema": {"type": "object"}},
        {"json_schema": {"$ref": "#/nowhere"}},
        {"grammar": "root ::= nothing"},
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_options_that_contradict_each_other(house: Served, fields: dict[str, Any], stream: bool) -> None:
    """They are a 400, streamed or not, and a stream beside them goes on to its end."""
    with send(house, {**LONG, "max_tokens": 200}) as beside:
        answer = house.post("/v1/chat/completions", {**PATHS["/v1/chat/completions"], **fields, "stream": stream})
        assert answer.status == 400, answer.body
        assert answer.json["error"]["type"] == "invalid_request_error"
        received = b""
        while not received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            received += beside.recv(65536)


def test_prompts_larger_than_the_context(house: Served) -> None:
    """Each route that reads a prompt says how long it is and what there is room for."""
    text = "lamp " * 5000
    for path, body in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}),
        ("/v1/completions", {"prompt": text}),
        ("/v1/internal/warm", {"messages": [{"role": "system", "content": text}]}),
    ):
        answer = house.post(path, body)
        assert answer.status == 400
        error = answer.json["error"]
        assert error["code"] == "context_length_exceeded"
        assert error["n_prompt_tokens"] > error["n_ctx"] == 8192


def test_foreign_and_broken_prefixes(
    tiny_paths: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A saved prefix of another model and one that is cut cost a line in the log each; the answer is the right one."""
    request = {**SHORT, "prompt": "The lamp in the hall is on. " * 30}

    def ask(folder: str, kind: str) -> Any:
        with Served(tmp_path / folder, model=str(tiny_paths[kind]), context_size=1024, threads=1) as served:
            served.wait_until("ok")
            return served.post("/v1/completions", request).json

    fresh = ask("one", "window")
    ask("two", "full")
    (own,) = (tmp_path / "one").rglob("*.kv")
    (foreign,) = (tmp_path / "two").rglob("*.kv")
    own.write_bytes(own.read_bytes()[:-100])
    shutil.copy(foreign, own.with_name("foreign.kv"))
    caplog.clear()
    again = ask("one", "window")
    assert again["choices"][0]["text"] == fresh["choices"][0]["text"]
    assert again["timings"]["cache_n"] == 0
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert sorted(name for name in (own.name, "foreign.kv") for line in lines if name in line) == sorted(
        [own.name, "foreign.kv"]
    )
    assert len(lines) == 2
    assert not own.with_name("foreign.kv").exists()
