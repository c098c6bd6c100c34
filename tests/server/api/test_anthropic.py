"""Anthropic's dialect: messages whole and as events, tools, counting, errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from home_llm.api.anthropic_answers import FRAMING, MessageWriter
from home_llm.api.anthropic_request import CountBody
from home_llm.chat import Finish, Message, Reasoning, Text, ToolCall, Usage
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason, Timings
from http_client import Answer
from served import Served

HELLO = [{"role": "user", "content": "Say hello."}]
LIGHT = {
    "name": "turn_on",
    "description": "Turn on a light",
    "input_schema": {
        "type": "object",
        "properties": {"name": {"enum": ["hall", "kitchen"]}},
        "required": ["name"],
    },
}
# An answer that is the same every time, whatever the model would rather say.
SAME = {"type": "json_schema", "schema": {"const": "Good morning, house."}}
TEXT = '"Good morning, house."'
CLOCK = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


def ask(served: Served, **fields: Any) -> Answer:
    """Ask for an answer."""
    body = {"model": "claude", "max_tokens": 16, "messages": HELLO, "temperature": 0, **fields}
    return served.post("/v1/messages", body, anthropic_version="2023-06-01")


def events(answer: Answer) -> list[dict[str, Any]]:
    """Return the events of a stream, each with its name in a line before it."""
    assert answer.headers["Content-Type"] == "text/event-stream"
    *blocks, rest = answer.body.decode("utf-8").split("\n\n")
    assert rest == ""
    found = []
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def test_whole(served: Served) -> None:
    """An answer in one piece has Anthropic's shape; cached tokens are counted apart."""
    value = ask(served).json
    assert value["id"].startswith("msg_")
    assert (value["type"], value["role"]) == ("message", "assistant")
    assert value["model"] == served.runtime.status.model
    (block,) = value["content"]
    assert block["type"] == "text"
    assert block["text"]
    assert value["stop_reason"] in {"end_turn", "max_tokens"}
    assert value["stop_sequence"] is None
    again = ask(served).json["usage"]
    assert set(again) == {
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    }
    # All but the last token were read before.
    assert again["input_tokens"] == 1
    assert again["cache_read_input_tokens"] > 10


def test_stream(served: Served) -> None:
    """The events come in their order, text in one block, and nothing after the last one."""
    found = events(ask(served, stream=True, output_format=SAME))
    kinds = [event["type"] for event in found]
    deltas = kinds.count("content_block_delta")
    assert kinds == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = found[0]["message"]
    assert message["content"] == []
    assert message["stop_reason"] is None
    assert message["usage"]["input_tokens"] > 10
    assert found[2] == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    assert "".join(event["delta"]["text"] for event in found[3 : 3 + deltas]) == TEXT
    whole = ask(served, output_format=SAME).json
    assert whole["content"] == [{"type": "text", "text": TEXT}]
    assert found[-2]["delta"] == {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = found[-2]["usage"]
    assert usage["output_tokens"] == whole["usage"]["output_tokens"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == message["usage"]["input_tokens"]


@pytest.mark.parametrize(
    ("choice", "name"), [({"type": "any"}, None), ({"type": "tool", "name": "turn_on"}, "turn_on")]
)
def test_tools(served: Served, choice: dict[str, Any], name: str | None) -> None:
    """A tool that must be called is, with an object as its input, whole or in a block of its own."""
    choice = {**choice, "disable_parallel_tool_use": True}
    request: dict[str, Any] = {"tools": [LIGHT, CLOCK], "tool_choice": choice, "max_tokens": 60}
    value = ask(served, **request).json
    assert value["stop_reason"] == "tool_use"
    (call,) = value["content"]
    assert set(call) == {"type", "id", "name", "input"}
    assert call["type"] == "tool_use"
    assert call["name"] in ({name} if name else {"turn_on", "get_time"})
    assert isinstance(call["input"], dict)
    found = events(ask(served, **request, stream=True))[2:-1]
    assert [event["type"] for event in found] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
    ]
    assert found[0]["content_block"]["input"] == {}
    assert found[0]["content_block"]["name"] in {"turn_on", "get_time"}
    delta = found[1]["delta"]
    assert delta["type"] == "input_json_delta"
    assert isinstance(json.loads(delta["partial_json"]), dict)
    assert found[3]["delta"]["stop_reason"] == "tool_use"


def test_no_tools(served: Served) -> None:
    """The choice none answers as if there were no tools: the prompt is the same."""
    value = ask(served, tools=[LIGHT], tool_choice={"type": "none"}).json
    assert value["content"][0]["type"] == "text"
    plain = ask(served).json["usage"]
    assert (
        sum(value["usage"].values()) - value["usage"]["output_tokens"] == sum(plain.values()) - plain["output_tokens"]
    )


def test_a_conversation_with_tools(served: Served) -> None:
    """Calls, results, errors, thoughts and systems of blocks are understood, and results stand before words."""
    conversation = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Turn on the hall", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "They want light.", "signature": "x"},
                {"type": "redacted_thinking", "data": "zz"},
                {"type": "text", "text": "I will."},
                {"type": "tool_use", "id": "toolu_1", "name": "turn_on", "input": {"name": "hall"}},
                {"type": "tool_use", "id": "toolu_2", "name": "get_time", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "12:00"}]},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such lamp", "is_error": True},
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    system = [{"type": "text", "text": "You are a house."}, {"type": "text", "text": "Be short."}]
    answer = ask(served, messages=conversation, system=system, tools=[LIGHT, CLOCK])
    assert answer.status == 200
    assert answer.json["content"]
    body = CountBody.model_validate({"messages": conversation, "system": system})
    call, time = ToolCall("turn_on", {"name": "hall"}, "toolu_1"), ToolCall("get_time", {}, "toolu_2")
    assert body.request().messages == (
        Message("system", "You are a house.\nBe short."),
        Message("user", "Turn on the hall"),
        Message("assistant", "I will.", tool_calls=(call, time), reasoning="They want light."),
        Message("tool", "12:00", tool_call_id="toolu_2", name="get_time"),
        Message("tool", '{"error": "no such lamp"}', tool_call_id="toolu_1", name="turn_on"),
        Message("user", "And?"),
    )
    plain = served.post(
        "/v1/messages/count_tokens", {"messages": conversation[:1], "system": "You are a house.\nBe short."}
    )
    blocks = served.post("/v1/messages/count_tokens", {"messages": conversation[:1], "system": system})
    assert plain.json == blocks.json


def test_counting(served: Served) -> None:
    """Tokens are counted as the request would have them, without a limit of the answer."""
    count = served.post("/v1/messages/count_tokens", {"messages": HELLO, "model": "claude"}).json
    usage = ask(served).json["usage"]
    assert count == {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]}
    more = served.post("/v1/messages/count_tokens", {"messages": HELLO, "tools": [LIGHT]}).json
    assert more["input_tokens"] > count["input_tokens"] + 20


def test_stops(served: Served) -> None:
    """A stop sequence ends the answer and is told; so is the limit."""
    stopped = ask(served, stop_sequences=["no", "morning"], output_format=SAME).json
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "morning")
    assert stopped["content"][0]["text"] == '"Good '
    limited = ask(served, max_tokens=1).json
    assert limited["stop_reason"] == "max_tokens"
    assert limited["usage"]["output_tokens"] == 1


def test_prefill(served: Served) -> None:
    """A last message of the assistant is gone on with, and only what is new is told."""
    begun = [*HELLO, {"role": "assistant", "content": "The capital of France is"}]
    assert "Paris" in ask(served, messages=begun).json["content"][0]["text"]


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_structured(served: Served, where: str) -> None:
    """A JSON schema binds the answer, in the place where the SDK writes it and where it wrote it before."""
    wanted: dict[str, Any] = {"type": "json_schema", "schema": LIGHT["input_schema"]}
    value = ask(served, **{where: {"format": wanted} if where == "output_config" else wanted}).json
    assert json.loads(value["content"][0]["text"])["name"] in {"hall", "kitchen"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]}, "text only"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "1"}]}]}, "content[0].name"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "input_schema"),
        ({"tools": [LIGHT, LIGHT]}, "turn_on"),
        ({"tools": [LIGHT], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [LIGHT], "tool_choice": {"type": "tool", "name": "nothing"}}, "nothing"),
        ({"tool_choice": {"type": "any"}}, "tool"),
        ({"messages": [{"role": "user", "content": "word " * 4000}]}, "context"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_wrong_requests(served: Served, fields: dict[str, Any], words: str, stream: bool) -> None:
    """What is wrong is a 400 in Anthropic's shape that names it, before a stream begins."""
    answer = ask(served, stream=stream, **fields)
    assert answer.status == 400
    value = answer.json
    assert set(value) == {"type", "error"}
    assert value["type"] == "error"
    assert value["error"]["type"] == "invalid_request_error"
    assert words in value["error"]["message"]


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
@pytest.mark.parametrize("route", ["/v1/messages", "/v1/messages/count_tokens"])
def test_threads(served: Served, thread: dict[str, Any], route: str) -> None:
    """A conversation that the server is to keep is refused with the code by which the SDK sends all of it."""
    answer = served.post(route, {"max_tokens": 1, "messages": HELLO, "thread": thread})
    assert answer.status == 400
    error = answer.json["error"]
    assert error["type"] == "invalid_request_error"
    assert error["details"] == {"error_code": "thread_unsupported_request"}
    assert "whole conversation" in error["message"]
    assert ask(served, thread=None).status == 200


def test_other_errors(data_dir: Path) -> None:
    """Keys, routes and models that are not there have Anthropic's shape, also on OpenAI's routes for its clients."""
    version = {"anthropic_version": "2023-06-01"}
    with Served(data_dir, api_key="k") as served:
        served.wait_until("ok")
        refused = served.post("/v1/messages", {"messages": HELLO})
        assert (refused.status, refused.json["error"]["type"]) == (401, "authentication_error")
        for keys in ({"X_Api_Key": "k"}, {"Authorization": "k"}, {"Authorization": "Bearer x", "X_Api_Key": "k"}):
            models = served.get("/v1/models", **version, **keys).json
            assert models["has_more"] is False
            (model,) = models["data"]
            assert models["first_id"] == models["last_id"] == model["id"]
            assert (model["type"], model["display_name"]) == ("model", model["id"])
            assert "created_at" in model
        assert "has_more" not in served.get("/v1/models", Authorization="Bearer k").json
        one = served.get(f"/v1/models/{model['id']}", **version, X_Api_Key="k").json
        assert one["display_name"] == model["id"]
        missing = served.get("/v1/models/nothing", **version, X_Api_Key="k")
        assert (missing.status, missing.json["error"]["type"]) == (404, "not_found_error")
        assert served.post("/v1/internal/model/unload", X_Api_Key="k").status == 200
        gone = served.post("/v1/messages", {"messages": HELLO, "max_tokens": 1}, X_Api_Key="k")
        assert (gone.status, gone.json["error"]["type"]) == (503, "overloaded_error")


def framed(rows: Iterator[dict[str, Any]]) -> str:
    """Return events as bytes on the line."""
    return b"".join(FRAMING.frame(row) for row in rows).decode()


def test_golden_events() -> None:
    """Thoughts, text and calls have blocks of their own, numbered; text after a call begins another one."""
    writer = MessageWriter("m", prompt_tokens=12)
    writer._head["id"] = "msg_1"
    timings = Timings(cache_n=8, prompt_n=4, prompt_ms=1, predicted_n=3, predicted_ms=1)
    told: list[Event] = [
        Reasoning("hm"),
        Text("Ja"),
        Text("!"),
        ToolCall("turn_on", {"name": "Küche"}, "call_1"),
        ToolCall("get_time", {}, "call_2"),
        Text("So."),
        Finish(FinishReason.STOP, Usage.of(timings), timings),
    ]
    text = framed(writer.start()) + "".join(framed(writer.event(event)) for event in told)
    assert text == (
        'event: message_start\ndata: {"type": "message_start", "message": {"id": "msg_1", "type": "message", '
        '"role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, "usage": '
        '{"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}}}\n\n'
        'event: ping\ndata: {"type": "ping"}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 0, "content_block": '
        '{"type": "thinking", "thinking": "", "signature": ""}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": '
        '{"type": "thinking_delta", "thinking": "hm"}}\n\n'
        'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 0}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 1, "content_block": '
        '{"type": "text", "text": ""}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 1, "delta": '
        '{"type": "text_delta", "text": "Ja"}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 1, "delta": '
        '{"type": "text_delta", "text": "!"}}\n\n'
        'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 1}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 2, "content_block": '
        '{"type": "tool_use", "id": "call_1", "name": "turn_on", "input": {}}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 2, "delta": '
        '{"type": "input_json_delta", "partial_json": "{\\"name\\": \\"Küche\\"}"}}\n\n'
        'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 2}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 3, "content_block": '
        '{"type": "tool_use", "id": "call_2", "name": "get_time", "input": {}}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 3, "delta": '
        '{"type": "input_json_delta", "partial_json": "{}"}}\n\n'
        'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 3}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 4, "content_block": '
        '{"type": "text", "text": ""}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 4, "delta": '
        '{"type": "text_delta", "text": "So."}}\n\n'
        'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 4}\n\n'
        'event: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "tool_use", '
        '"stop_sequence": null}, "usage": {"input_tokens": 4, "cache_creation_input_tokens": 0, '
        '"cache_read_input_tokens": 8, "output_tokens": 3}}\n\n'
        'event: message_stop\ndata: {"type": "message_stop"}\n\n'
    )
    broken = FRAMING.frame(FRAMING.failure(ValueError("no"))).decode()
    assert broken == (
        'event: error\ndata: {"type": "error", "error": {"type": "api_error", '
        '"message": "The generation failed: no"}}\n\n'
    )
