"""curl, and to the byte what it writes as it comes.

What differs from run to run (ids, dates, counts, times) is masked; all else stands here as it is on the line. The rules
of OpenAI's streams have more tests, on a bare socket, beside those of the server.
"""

import json
import re
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.conftest import Server

BANNER = subprocess.run(["curl", "-q", "--version"], capture_output=True, text=True, check=True).stdout

pytestmark = pytest.mark.client("curl", BANNER.split()[1])

HELLO = [{"role": "user", "content": "Say hello."}]
SAID = "Grüße, 👋!"
GRAMMAR = f'root ::= "{SAID}"'

MASKS = [
    (r'"id": "(chatcmpl-|cmpl-|msg_)[0-9a-f]+"', r'"id": "\1#"'),
    (r'"created": \d+', '"created": #'),
    (r'"created_at": "[0-9T:.-]+Z"', '"created_at": "#"'),
    (r'"timings": \{[^}]*\}', '"timings": {#}'),
    (r'"([a-z_]+_(?:tokens|duration|count))": \d+', r'"\1": #'),
]


def command(server: Server, path: str, *options: str | Path, body: Any = None) -> list[str | Path]:
    """Return the command line for a request; without a body it is a GET."""
    line: list[str | Path] = ["curl", "-q", "--silent", "--show-error", "--no-buffer", "--max-time", "60"]
    line += ["--header", f"Authorization: Bearer {server.key}", *options]
    if body is not None:
        line += ["--header", "Content-Type: application/json", "--data-binary", json.dumps(body)]
    return [*line, f"{server.url}{path}"]


def curl(server: Server, path: str, *options: str | Path, body: Any = None) -> str:
    """Return what curl writes, which must be whole characters, with what differs masked."""
    ran = subprocess.run(command(server, path, *options, body=body), capture_output=True, timeout=70, check=True)
    text = ran.stdout.decode("utf-8", "strict")
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def spoken(pieces: list[str], pattern: str) -> str:
    """Return the text of the pieces of a stream, each of which is just like the pattern with its text in place of %."""
    before, _, after = pattern.partition("%")
    texts = [piece.removeprefix(before).removesuffix(after) for piece in pieces]
    assert pieces == [f"{before}{text}{after}" for text in texts]
    assert '""' not in texts
    return "".join(json.loads(text) for text in texts)


def test_chat_stream(server: Server, model: str) -> None:
    """The role, pieces of text, the reason, the usage, the end: nothing but data lines."""
    body = {
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
        "home_llm": {"choice": [SAID]},
    }
    head = f'{{"id": "chatcmpl-#", "created": #, "model": "{model}", "object": "chat.completion.chunk", '
    head += '"system_fingerprint": null, "choices": ['
    first, *pieces, finish, usage, done, rest = curl(server, "/v1/chat/completions", body=body).split("\n\n")
    choice = f'data: {head}{{"index": 0, "delta": {{%}}, "finish_reason": null, "logprobs": null}}]}}'
    assert first == choice.replace("%", '"role": "assistant", "content": null')
    assert spoken(pieces, choice.replace("%", '"content": %')) == SAID
    assert finish == (
        f'data: {head}{{"index": 0, "delta": {{}}, "finish_reason": "stop", "logprobs": null}}], "timings": {{#}}}}'
    )
    assert usage == (
        f'data: {head}], "usage": {{"prompt_tokens": #, "completion_tokens": #, "total_tokens": #, '
        '"prompt_tokens_details": {"cached_tokens": #}}, "timings": {#}}'
    )
    assert (done, rest) == ("data: [DONE]", "")


def test_completion_stream(server: Server, model: str) -> None:
    """An empty text at once, pieces of text, the reason, the end."""
    body = {"prompt": "Hello:", "stream": True, "grammar": GRAMMAR}
    head = f'data: {{"id": "cmpl-#", "created": #, "model": "{model}", "object": "text_completion", '
    head += '"system_fingerprint": null, "choices": [{"index": 0, "text": '
    first, *pieces, finish, done, rest = curl(server, "/v1/completions", body=body).split("\n\n")
    assert first == f'{head}"", "finish_reason": null, "logprobs": null}}]}}'
    assert spoken(pieces, f'{head}%, "finish_reason": null, "logprobs": null}}]}}') == SAID
    assert finish == f'{head}"", "finish_reason": "stop", "logprobs": null}}], "timings": {{#}}}}'
    assert (done, rest) == ("data: [DONE]", "")


def test_ollama_lines(server: Server) -> None:
    """One object a line without an empty one, the last with the reason and the times."""
    body = {"model": "embedded", "messages": HELLO, "format": {"const": SAID}}
    head = '{"model": "embedded", "created_at": "#", "message": {"role": "assistant", "content": '
    *pieces, last, rest = curl(server, "/api/chat", body=body).split("\n")
    assert spoken(pieces, f'{head}%}}, "done": false}}') == f'"{SAID}"'
    assert last == (
        f'{head}""}}, "done": true, "done_reason": "stop", "total_duration": #, "load_duration": #, '
        '"prompt_eval_count": #, "prompt_eval_duration": #, "eval_count": #, "eval_duration": #}'
    )
    assert rest == ""


def test_anthropic_events(server: Server, model: str) -> None:
    """Named events in Anthropic's order, and nothing after the last one."""
    body = {"max_tokens": 30, "messages": HELLO, "stream": True, "grammar": GRAMMAR}
    usage = '"cache_creation_input_tokens": #, "cache_read_input_tokens": #, "output_tokens": #'
    events = curl(server, "/v1/messages", body=body).split("\n\n")
    start, ping, opening, *pieces, closing, end, stop, rest = events
    assert start == (
        'event: message_start\ndata: {"type": "message_start", "message": {"id": "msg_#", "type": "message", "role": '
        f'"assistant", "model": "{model}", "content": [], "stop_reason": null, "stop_sequence": null, "usage": '
        f'{{"input_tokens": #, {usage}}}}}}}'
    )
    assert ping == 'event: ping\ndata: {"type": "ping"}'
    assert opening == (
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 0, "content_block": '
        '{"type": "text", "text": ""}}'
    )
    delta = 'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": '
    assert spoken(pieces, f'{delta}{{"type": "text_delta", "text": %}}}}') == SAID
    assert closing == 'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 0}'
    assert end == (
        'event: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": '
        f'null}}, "usage": {{"input_tokens": #, {usage}}}}}'
    )
    assert stop == 'event: message_stop\ndata: {"type": "message_stop"}'
    assert rest == ""


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", {"messages": HELLO, "stream": True, "max_tokens": 1}, "text/event-stream"),
        ("/v1/completions", {"prompt": "Hello", "stream": True, "max_tokens": 1}, "text/event-stream"),
        ("/v1/messages", {"messages": HELLO, "stream": True, "max_tokens": 1}, "text/event-stream"),
        (
            "/api/chat",
            {"model": "embedded", "messages": HELLO, "options": {"num_predict": 1}},
            "application/x-ndjson",
        ),
    ],
)
def test_headers(server: Server, path: str, body: dict[str, Any], kind: str) -> None:
    """No proxy on the way is to keep a stream back, which ends with its connection."""
    head, _, _ = curl(server, path, "--include", body=body).partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    assert status == "HTTP/1.1 200 OK"
    assert sorted(header for header in headers if not header.startswith("Date: ")) == [
        "Cache-Control: no-cache",
        "Connection: close",
        f"Content-Type: {kind}",
        "Server: home-llm",
        "Transfer-Encoding: chunked",
        "X-Accel-Buffering: no",
    ]


def test_one_connection(server: Server) -> None:
    """After an answer in one piece the same connection takes the next request."""
    body = {"messages": HELLO, "max_tokens": 1}
    first = command(server, "/v1/chat/completions", "--write-out", "|%{num_connects}|", body=body)
    second = command(server, "/v1/models", "--write-out", "|%{num_connects}|")
    ran = subprocess.run([*first, "--next", *second[2:]], capture_output=True, text=True, timeout=70, check=True)
    assert re.findall(r"\|(\d)\|", ran.stdout) == ["1", "0"]


def test_http_1_0(server: Server) -> None:
    """A client that does not know chunks gets the stream without, and its end is that of the connection."""
    body = {"messages": HELLO, "stream": True, "max_tokens": 1}
    head, _, text = curl(server, "/v1/chat/completions", "--http1.0", "--include", body=body).partition("\r\n\r\n")
    assert "chunked" not in head
    assert text.startswith("data: {")
    assert text.endswith("data: [DONE]\n\n")


def test_large_body(server: Server, tmp_path: Path) -> None:
    """Whether a large body may be sent is asked first, and answered."""
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"messages": HELLO, "max_tokens": 1, "padding": "x" * 3_000_000}))
    options = ("--expect100-timeout", "30", "--header", "Content-Type: application/json", "--data-binary", f"@{file}")
    answer = curl(server, "/v1/chat/completions", "--max-time", "20", *options)
    assert json.loads(answer.replace("#", "0"))["object"] == "chat.completion"


def test_errors(server: Server) -> None:
    """What is wrong with a stream is a status, which curl --fail-with-body makes a failure with the reason."""
    line = command(server, "/v1/chat/completions", "--fail-with-body", body={"messages": [], "stream": True})
    ran = subprocess.run(line, capture_output=True, text=True, timeout=70, check=False)
    assert ran.returncode == 22
    assert json.loads(ran.stdout)["error"]["param"] == "messages"


@pytest.mark.parametrize("stream", [True, False])
def test_killing(server: Server, stream: bool) -> None:
    """What is written comes before the end, and a request whose curl is killed gives its place back."""
    body = {"messages": HELLO, "stream": stream, "ban_eos_token": True}
    with subprocess.Popen(command(server, "/v1/chat/completions", body=body), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if stream:
            for _ in range(3):
                assert process.stdout.readline().startswith(b"data: {")
                assert process.stdout.readline() == b"\n"
        else:
            while server.is_free():
                assert process.poll() is None
        assert process.poll() is None
        process.kill()
    server.wait_until_free()


LOOK_MILLISECONDS = 50


def milliseconds(server: Server, path: str) -> float:
    """Return how long a look takes, as curl measures it: the middle one of fifteen."""
    wanted = ("--output", "/dev/null", "--write-out", "%{time_total}")
    return 1000 * statistics.median(float(curl(server, path, *wanted)) for _ in range(15))


def test_looks_while_four_streams_generate(server: Server, record_property: Callable[[str, object], None]) -> None:
    """The list of models and the health come within 50 ms while the model is busy; the best of three counts.

    What else the machine does at the moment makes any single one slow.
    """
    body = {"messages": HELLO, "stream": True, "max_tokens": 1500, "ban_eos_token": True}
    line = command(server, "/v1/chat/completions", body=body)
    streams = [subprocess.Popen(line, stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for stream in streams:
            # The role, an empty line, and the first word.
            assert stream.stdout is not None
            assert [stream.stdout.readline() for _ in range(3)][-1].startswith(b"data: ")
        medians = {path: min(milliseconds(server, path) for _ in range(3)) for path in ("/v1/models", "/health")}
        assert all(stream.poll() is None for stream in streams)
        told = ", ".join(f"{path} in {value:.0f} ms" for path, value in medians.items())
        record_property("told", f"looks while four streams generate ({told})")
        assert max(medians.values()) < LOOK_MILLISECONDS, medians
    finally:
        for stream in streams:
            stream.kill()
            stream.wait()
            if stream.stdout is not None:
                stream.stdout.close()
    server.wait_until_free()
