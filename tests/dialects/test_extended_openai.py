"""What Extended OpenAI Conversation, Local OpenAI LLM and the users of LocalAI send, and what they read.

The requests are written after what those send: fields, defaults and order. The reading is as theirs.
"""

import json
from typing import Any

import pytest

from http_client import Answer, Client
from tests.dialects.conftest import KEY, Server

EXTENDED = pytest.mark.client("Extended OpenAI Conversation's requests, replayed", "1.0.4 and 2.0.0")
LOCAL_AI = pytest.mark.client("requests of LocalAI's users, replayed", "2026-08-22")
LOCAL_OPENAI = pytest.mark.client("Local OpenAI LLM's requests, replayed", "2026")

MESSAGES = [
    {"role": "system", "content": "I want you to act as smart home manager of Home Assistant."},
    {"role": "user", "content": "say hello"},
]
FUNCTION = {
    "name": "execute_services",
    "description": "Use this function to execute service of devices in Home Assistant.",
    "parameters": {
        "type": "object",
        "properties": {"service": {"enum": ["turn_on", "turn_off"]}, "entity_id": {"enum": ["light.hall"]}},
        "required": ["service", "entity_id"],
        "additionalProperties": False,
    },
}
DEFAULTS = {"model": "gpt-4o-mini", "top_p": 1, "temperature": 0.5, "user": "01HQ"}


class Served(Client):
    """The server, asked with the right key unless another one is given."""

    def request(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        """Send a request."""
        return super().request(method, path, body, **({"Authorization": f"Bearer {KEY}"} | headers))


@pytest.fixture(name="served")
def served_fixture(server: Server) -> Served:
    """Return a client of the server."""
    return Served(int(server.url.rpartition(":")[2]))


def ask(served: Served, **fields: Any) -> dict[str, Any]:
    """Ask as Extended OpenAI Conversation does: whole answers, under a model's name that is OpenAI's."""
    answer = served.post("/v1/chat/completions", {"messages": MESSAGES, **DEFAULTS, **fields})
    assert answer.status == 200, answer.body
    value: dict[str, Any] = answer.json
    # Version 1.0.4 stumbles over an answer without.
    assert value["usage"]["total_tokens"] > 0
    return value


@EXTENDED
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_answers(served: Served, limit: str) -> None:
    """An answer without calls is text, with either name for its limit."""
    tools = [{"type": "function", "function": FUNCTION}]
    choice = ask(served, tools=tools, tool_choice="none", **{limit: 10})["choices"][0]
    assert choice["message"]["content"]
    assert choice["finish_reason"] in {"stop", "length"}


@EXTENDED
def test_tools(served: Served) -> None:
    """Calls finish with tool_calls, and the message can be sent back without what was null."""
    tools = [{"type": "function", "function": FUNCTION}]
    choice = ask(served, tools=tools, tool_choice="required", parallel_tool_calls=False, max_tokens=150)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    message = {key: value for key, value in choice["message"].items() if value is not None}
    # Whether something is said behind the call is the model's own affair; what is not said is null.
    assert message.get("content") != ""
    (call,) = message["tool_calls"]
    assert isinstance(json.loads(call["function"]["arguments"]), dict)
    results = [{"tool_call_id": call["id"], "role": "tool", "name": call["function"]["name"], "content": "[]"}]
    again = ask(served, messages=[*MESSAGES, message, *results], tools=tools, tool_choice="auto", max_tokens=10)
    assert again["choices"][0]["message"]["role"] == "assistant"


@EXTENDED
def test_functions(served: Served) -> None:
    """With use_tools off there are functions, and their results have the role function."""
    functions: dict[str, Any] = {"functions": [FUNCTION], "max_tokens": 150}
    choice = ask(served, **functions, function_call={"name": "execute_services"})["choices"][0]
    assert choice["finish_reason"] == "function_call"
    called = choice["message"]["function_call"]
    assert called["name"] == "execute_services"
    message = {key: value for key, value in choice["message"].items() if value is not None}
    result = {"role": "function", "name": "execute_services", "content": "[]"}
    again = ask(served, messages=[*MESSAGES, message, result], **{**functions, "max_tokens": 10}, function_call="auto")
    assert again["choices"][0]["finish_reason"] in {"stop", "length", "function_call"}


@EXTENDED
def test_setup(served: Served) -> None:
    """The list of models is read at setup; an Azure client sends its key in a header of its own."""
    for headers in ({}, {"Authorization": "", "api_key": KEY}):
        assert served.get("/v1/models", **headers).json["data"][0]["id"]


@LOCAL_AI
@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_health(served: Served, path: str) -> None:
    """LocalAI's users look at these routes to see that it runs."""
    assert served.get(path).status == 200


@LOCAL_AI
def test_chat(served: Served) -> None:
    """LocalAI's users name a model that is an alias, and read OpenAI's shapes, Ollama's and Anthropic's on one port."""
    body = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 4}
    assert served.post("/v1/chat/completions", body).json["choices"][0]["message"]["content"]
    assert served.post("/v1/messages", body).json["content"]
    assert served.get("/api/tags").json["models"]


@LOCAL_OPENAI
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_streams(served: Served, choice: str) -> None:
    """It streams always, sends llama-server's own fields, and collects a call until the finish reason comes."""
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "id_slot": 0, "cache_prompt": True}
    samplers = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "repeat_penalty": 1.0}
    user = {"role": "user", "content": [{"type": "text", "text": "turn on the light in the hall"}]}
    before = {"role": "assistant", "content": "Done.", "reasoning_content": "They want light."}
    tools = [{"type": "function", "function": FUNCTION, "strict": True}]
    body = {**DEFAULTS, "messages": [MESSAGES[0], user, before, user], "tools": tools, "tool_choice": choice, **extra}
    answer = served.post(
        "/v1/chat/completions", {**body, **samplers, "parallel_tool_calls": True, "stream": True, "max_tokens": 120}
    )
    assert answer.status == 200, answer.body
    text, calls, reason, timings = "", {}, None, None
    for chunk in answer.chunks:
        for part in chunk["choices"]:
            delta = part["delta"]
            text += (delta.get("content") or "") + (delta.get("reasoning_content") or delta.get("reasoning") or "")
            for call in delta.get("tool_calls") or ():
                assert call["index"] in calls or call["id"]
                calls.setdefault(call["index"], []).append(call["function"])
            reason = part["finish_reason"] or reason
        timings = chunk.get("timings") or timings
    assert timings["predicted_n"] > 0
    if choice == "auto":
        assert text or calls
        return
    assert reason == "tool_calls"
    for pieces in calls.values():
        assert "".join(piece["name"] for piece in pieces) == FUNCTION["name"]
        assert json.loads("".join(piece["arguments"] for piece in pieces))["service"] in {"turn_on", "turn_off"}
