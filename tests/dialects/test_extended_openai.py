"""What Extended OpenAI Conversation and the users of LocalAI send, and what they read from the answers."""

import json
from typing import Any

import pytest

from served import Served

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


def ask(served: Served, **fields: Any) -> dict[str, Any]:
    """Ask as Extended OpenAI Conversation does: whole answers, under a model's name that is OpenAI's."""
    answer = served.post("/v1/chat/completions", {"messages": MESSAGES, **DEFAULTS, **fields})
    assert answer.status == 200, answer.body
    value: dict[str, Any] = answer.json
    # Version 1.0.4 stumbles over an answer without.
    assert value["usage"]["total_tokens"] > 0
    return value


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_extended_answers(served: Served, limit: str) -> None:
    """An answer without calls is text, with either name for its limit."""
    tools = [{"type": "function", "function": FUNCTION}]
    choice = ask(served, tools=tools, tool_choice="none", **{limit: 10})["choices"][0]
    assert choice["message"]["content"]
    assert choice["finish_reason"] in {"stop", "length"}


def test_extended_tools(served: Served) -> None:
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


def test_extended_functions(served: Served) -> None:
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


def test_extended_setup(served: Served) -> None:
    """The list of models is read at setup; an Azure client sends its key in a header of its own."""
    models = served.get("/v1/models", api_key="anything").json["data"]
    assert models[0]["id"]


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_local_ai_health(served: Served, path: str) -> None:
    """LocalAI's users look at these routes to see that it runs."""
    assert served.get(path).status == 200


def test_local_ai_chat(served: Served) -> None:
    """LocalAI's users name a model that is an alias, and read OpenAI's shapes, Ollama's and Anthropic's on one port."""
    body = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 4}
    assert served.post("/v1/chat/completions", body).json["choices"][0]["message"]["content"]
    assert served.post("/v1/messages", body).json["content"]
    assert served.get("/api/tags").json["models"]
