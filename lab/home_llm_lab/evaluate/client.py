"""Ask a server as the integration does, and read the answer as it streams."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .calls import Call

_TIMEOUT = 600
# Commands have one right answer: the most likely one. The integration does the same.
TEMPERATURE = 0.0
# The integration would wait for more. Who has not ended a command by then does not stop.
MAX_TOKENS = 128


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        calls: in order.
        text: what is said behind them.
        finish: why it ended: stop, tool_calls, length; or error.
        error: of the server, empty where all went well.
        prompt_tokens: of the request.
        cached_tokens: of these, those that the server had read before.
        completion_tokens: of the answer.
        first: seconds until the first call or word.
        total: seconds until the end.
    """

    calls: list[Call] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    error: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    first: float = 0.0
    total: float = 0.0


def request_body(
    messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]], *, max_tokens: int = MAX_TOKENS
) -> dict[str, Any]:
    """Return the body of a request of the integration's agent with home services."""
    body: dict[str, Any] = {"max_tokens": max_tokens, "temperature": TEMPERATURE, "messages": list(messages)}
    if tools := list(tools):
        body["tools"] = tools
        body["home_llm"] = {"tool_markup": "home", "render_tools": False}
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def ask(url: str, body: Mapping[str, Any]) -> Answer:
    """Send a request and return the answer; what goes wrong is told in it."""
    answer = Answer()
    began = time.monotonic()
    request = urllib.request.Request(  # noqa: S310 - http alone gets here
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            for line in response:
                _read(line, answer, began)
    except urllib.error.HTTPError as error:
        answer.finish, answer.error = "error", f"{error.code}: {error.read().decode('utf-8', 'replace')[:500]}"
    except (OSError, ValueError) as error:
        answer.finish, answer.error = "error", str(error)
    answer.total = time.monotonic() - began
    answer.text = answer.text.strip()
    return answer


def _read(line: bytes, answer: Answer, began: float) -> None:
    if not line.startswith(b"data:") or (data := line[5:].strip()) == b"[DONE]":
        return
    chunk = json.loads(data)
    if error := chunk.get("error"):
        answer.finish, answer.error = "error", str(error)[:500]
        return
    if usage := chunk.get("usage"):
        answer.prompt_tokens = usage["prompt_tokens"]
        answer.completion_tokens = usage["completion_tokens"]
        answer.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        if delta.get("content") or delta.get("tool_calls"):
            answer.first = answer.first or time.monotonic() - began
        answer.text += delta.get("content") or ""
        for call in delta.get("tool_calls") or ():
            function = call["function"]
            # The home markup tells each call in one piece.
            answer.calls.append(Call(function["name"], json.loads(function["arguments"] or "{}")))
        answer.finish = choice.get("finish_reason") or answer.finish
