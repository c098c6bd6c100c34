"""A small HTTP client that notes when what came."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 300.0


class BenchError(Exception):
    """A server did not do what a measure needs; the text says what it did instead."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, and the seconds from sending the request to its last byte."""

    seconds: float
    body: Mapping[str, Any]

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt had."""
        return int(_usage(self.body)["prompt_tokens"])

    @property
    def cached_tokens(self) -> int:
        """How many of them the server says that it had read before."""
        return int((_usage(self.body).get("prompt_tokens_details") or {}).get("cached_tokens") or 0)


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed answer.

    Args:
        started: when the request was sent, on the clock of `time.perf_counter`.
        chunks: each chunk, and when it came.
    """

    started: float
    chunks: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def first(self) -> float:
        """When the first text, thought or call came.

        Raises:
            BenchError: none did.
        """
        for when, chunk in self.chunks:
            if any(_carries(choice) for choice in chunk.get("choices", ())):
                return when
        raise BenchError("the answer was empty")

    @property
    def last(self) -> float:
        """When the last chunk with a choice came, the one that says why the answer ends.

        Raises:
            BenchError: none did.
        """
        times = [when for when, chunk in self.chunks if chunk.get("choices")]
        if not times:
            raise BenchError("the stream ended without an answer")
        return times[-1]

    @property
    def usage(self) -> Mapping[str, Any]:
        """The counts of tokens.

        Raises:
            BenchError: the server gave none.
        """
        for _, chunk in reversed(self.chunks):
            if chunk.get("usage"):
                return _usage(chunk)
        raise BenchError("the server did not count the tokens")

    @property
    def completion_tokens(self) -> int:
        """How many tokens were generated."""
        return int(self.usage["completion_tokens"])

    def complete_call(self, tools: frozenset[str]) -> float | None:
        """Return when the first call of a tool was complete, a name of `tools` and a JSON object; None if never."""
        name = arguments = ""
        for when, chunk in self.chunks:
            for choice in chunk.get("choices", ()):
                for call in (choice.get("delta") or {}).get("tool_calls") or ():
                    if call.get("index", 0) != 0:
                        continue
                    function = call.get("function") or {}
                    name += function.get("name") or ""
                    arguments += function.get("arguments") or ""
            if name in tools and arguments.endswith("}"):
                with contextlib.suppress(ValueError):
                    if isinstance(json.loads(arguments), dict):
                        return when
        return None


def ask(port: int, path: str, body: Mapping[str, Any], key: str = "") -> Reply:
    """Send a request and wait for the whole answer.

    Raises:
        BenchError: the answer is an error, or there is none.
    """
    with _sent(port, path, body, key) as (started, response):
        text = response.read()
        seconds = time.perf_counter() - started
    return Reply(seconds, json.loads(text))


def stream(port: int, path: str, body: Mapping[str, Any], key: str = "") -> Stream:
    """Send a request with `stream`, and note each chunk as it comes.

    Raises:
        BenchError: the answer is an error, or ends too soon.
    """
    lines: list[tuple[float, bytes]] = []
    with _sent(port, path, {**body, "stream": True, "stream_options": {"include_usage": True}}, key) as (
        started,
        response,
    ):
        # Read now, understood later: the client shares the cores with the server that it measures.
        while line := response.readline():
            lines.append((time.perf_counter(), line))
    answer = Stream(started)
    done = False
    for when, line in lines:
        data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data == b"[DONE]":
            done = True
        elif data:
            chunk = json.loads(data)
            if "error" in chunk:
                raise BenchError(f"the stream broke: {_message(chunk)}")
            answer.chunks.append((when, chunk))
    if not done:
        raise BenchError("the stream was cut off")
    return answer


def status(port: int, path: str) -> tuple[int, Mapping[str, Any]]:
    """Return the status and the body of a GET request; 0 when nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def look(port: int, path: str, key: str = "") -> float:
    """Send a GET request over a connection of its own, and return the seconds until all of its good answer was there.

    Raises:
        BenchError: the answer is an error, or there is none.
    """
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers=_authorization(key))
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"the connection failed: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise BenchError(f"HTTP {response.status}: {_message(_json(text))}")
    return time.perf_counter() - started


@contextlib.contextmanager
def _sent(port: int, path: str, body: Mapping[str, Any], key: str) -> Iterator[tuple[float, http.client.HTTPResponse]]:
    """Send a request, and yield the moment of it and its good answer."""
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **_authorization(key)}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        started = time.perf_counter()
        connection.request("POST", path, data, headers)
        response = connection.getresponse()
        if response.status != 200:
            raise BenchError(f"HTTP {response.status}: {_message(_json(response.read()))}")
        yield started, response
    except TimeoutError:
        raise BenchError(f"no answer within {TIMEOUT_SECONDS:.0f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BenchError(f"the connection failed: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _carries(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return bool(choice.get("text") or delta.get("content") or delta.get("reasoning_content") or delta.get("tool_calls"))


def _usage(body: Mapping[str, Any]) -> Mapping[str, Any]:
    usage = body.get("usage")
    if not isinstance(usage, dict):
        raise BenchError("the server did not count the tokens")
    return usage


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _message(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else body
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:200]
