"""OpenAI's responses: their items and events, and what a server without a memory refuses."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

from served import Served

ROUTE = "/v1/responses"
LAMP: dict[str, Any] = {
    "type": "function",
    "name": "turn_on",
    "description": "Turn on a lamp",
    "parameters": {
        "type": "object",
        "properties": {"lamp": {"type": "string", "enum": ["hall"]}},
        "required": ["lamp"],
        "additionalProperties": False,
    },
    "strict": False,
}
CLOCK: dict[str, Any] = {"type": "function", "name": "get_time"}
HELLO: dict[str, Any] = {"input": "Say hello.", "max_output_tokens": 12, "temperature": 0}
BOUND = {"home_llm": {"choice": ["Hello, house."]}}


@pytest.fixture(name="client")
def client_fixture(served: Served) -> OpenAI:
    """Return OpenAI's own client."""
    return OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


def events(served: Served, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a stream, after looking at how they are written."""
    answer = served.post(ROUTE, {**body, "stream": True})
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "text/event-stream"
    parts = answer.body.decode().split("\n\n")
    assert parts.pop() == ""
    found: list[dict[str, Any]] = []
    for part in parts:
        first, second = part.split("\n")
        event = json.loads(second.removeprefix("data: "))
        assert first == f"event: {event['type']}"
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def test_whole(served: Served) -> None:
    """The answer is a response whose first item is the message."""
    value = served.post(ROUTE, {**HELLO, **BOUND, "metadata": {"a": "b"}}).json
    assert (value["object"], value["status"], value["error"]) == ("response", "completed", None)
    assert value["id"].startswith("resp_")
    (message,) = value["output"]
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    (part,) = message["content"]
    assert (part["type"], part["text"]) == ("output_text", "Hello, house.")
    usage = value["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert value["metadata"] == {"a": "b"}
    assert value["store"] is False


def test_stream(served: Served) -> None:
    """The events come in OpenAI's order, and the last one holds all of the response."""
    found = events(served, {**HELLO, **BOUND})
    kinds = [event["type"] for event in found]
    deltas = [event["delta"] for event in found if event["type"] == "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(deltas),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(deltas) == "Hello, house."
    response = found[-1]["response"]
    assert response["output"] == [found[-2]["item"]]
    assert {event["response"]["id"] for event in found if "response" in event} == {response["id"]}
    whole = served.post(ROUTE, {**HELLO, **BOUND}).json
    assert set(whole) == set(response)
    assert whole["output"][0]["content"] == response["output"][0]["content"]


def test_length(served: Served) -> None:
    """An answer that the limit cuts is incomplete, and says why."""
    body = {"input": "Count to a hundred.", "max_output_tokens": 2, "temperature": 0}
    value = served.post(ROUTE, body).json
    assert value["status"] == value["output"][0]["status"] == "incomplete"
    assert value["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events(served, body)[-1]["type"] == "response.incomplete"


def test_calls(served: Served) -> None:
    """The message comes first, then each call complete."""
    body = {**HELLO, "tools": [LAMP, CLOCK], "tool_choice": {"type": "function", "name": "turn_on"}}
    body |= {"parallel_tool_calls": False, "max_output_tokens": 60}
    value = served.post(ROUTE, body).json
    message, call = value["output"]
    # Whether something is said behind the call is the model's own affair.
    assert all(part["type"] == "output_text" and part["text"] for part in message["content"])
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "turn_on", '{"lamp": "hall"}')
    assert value["tools"][0] == LAMP
    assert value["tool_choice"] == {"type": "function", "name": "turn_on"}
    found = events(served, body)
    written = [event for event in found if event["type"] == "response.function_call_arguments.done"]
    assert [event["arguments"] for event in written] == ['{"lamp": "hall"}']
    assert written[0]["output_index"] == 1
    assert [item["type"] for item in found[-1]["response"]["output"]] == ["message", "function_call"]


def test_schema(served: Served) -> None:
    """text.format binds the answer to a schema, or to any object."""
    schema = {"type": "object", "properties": {"n": {"enum": [3]}}, "required": ["n"], "additionalProperties": False}
    answer_format = {"type": "json_schema", "name": "x", "schema": schema, "strict": True}
    value = served.post(ROUTE, {**HELLO, "text": {"format": answer_format}}).json
    assert json.loads(value["output"][0]["content"][0]["text"]) == {"n": 3}
    assert value["text"]["format"] == answer_format
    value = served.post(ROUTE, {**HELLO, "text": {"format": {"type": "json_object"}}}).json
    assert value["output"][0]["content"][0]["text"].startswith("{")


def test_a_conversation(served: Served) -> None:
    """Instructions, messages, thoughts, calls and results are read in their order, each turn as one message."""
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Turn on the hall."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "At once."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "A lamp."}]},
        {"type": "function_call", "call_id": "c1", "name": "turn_on", "arguments": '{"lamp": "hall"}'},
        {"type": "function_call", "call_id": "c2", "name": "get_time", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}]},
        {"role": "user", "content": "Thanks"},
    ]
    body = {**HELLO, "instructions": "You are a house.", "input": items, "tools": [LAMP, CLOCK], "max_output_tokens": 1}
    value = served.post(ROUTE, body).json
    assert value["instructions"] == "You are a house."
    call, other = (
        {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
        for identity, name, arguments in (("c1", "turn_on", '{"lamp": "hall"}'), ("c2", "get_time", ""))
    )
    chat = {
        "messages": [
            {"role": "system", "content": "You are a house."},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Turn on the hall."},
            {"role": "assistant", "content": "At once.", "tool_calls": [call, other]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "tool", "tool_call_id": "c2", "content": "noon"},
            {"role": "user", "content": "Thanks"},
        ],
        "tools": [
            {"type": "function", "function": {key: tool[key] for key in tool if key not in {"type", "strict"}}}
            for tool in (LAMP, CLOCK)
        ],
        "max_tokens": 1,
        "temperature": 0,
    }
    usage = served.post("/v1/chat/completions", chat).json["usage"]
    assert value["usage"]["input_tokens"] == usage["prompt_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1


def test_logprobs(served: Served) -> None:
    """Log-probabilities are told where they are asked for, each token once."""
    body = {**HELLO, **BOUND, "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    (part,) = served.post(ROUTE, body).json["output"][0]["content"]
    assert "".join(entry["token"] for entry in part["logprobs"]) == part["text"]
    assert all(len(entry["top_logprobs"]) == 2 for entry in part["logprobs"])
    found = events(served, body)
    told = [entry for event in found if event["type"].endswith("text.delta") for entry in event["logprobs"]]
    assert [entry["token"] for entry in told] == [entry["token"] for entry in part["logprobs"]]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": [{"content": "hi"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "wizard", "content": "hi"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0].content[0]"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name"),
    ({"input": [{"type": "function_call", "name": "x", "arguments": "{}"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "x", "arguments": "{"}]}, "input[0].arguments"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [CLOCK, CLOCK]}, "tools[1].name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [CLOCK], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"background": True}, "background"),
    ({"input": "lamp " * 3000}, ""),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests(served: Served, fields: dict[str, Any], param: str, stream: bool) -> None:
    """What cannot be answered is a 400 with an object that names the field, before the stream."""
    answer = served.post(ROUTE, {**HELLO, "stream": stream, **fields})
    assert answer.status == 400, answer.body
    assert answer.json["error"]["param"].startswith(param)


def test_what_is_passed_over(served: Served) -> None:
    """The id of an answer before, store and other fields of a service with a memory do not stop an answer."""
    fields = {"previous_response_id": "resp_1", "store": True, "truncation": "auto", "service_tier": "auto"}
    value = served.post(ROUTE, {**HELLO, **fields, "reasoning": {"effort": "none"}, "max_output_tokens": 1}).json
    assert value["previous_response_id"] is None
    assert value["store"] is False
    assert served.get(f"/v1/responses/{value['id']}").status == 404


def test_sdk(client: OpenAI) -> None:
    """OpenAI's own client reads an answer, and the next turn takes its items back."""
    first = client.responses.create(model="x", input="Say hello.", max_output_tokens=8, temperature=0)
    assert first.output_text
    assert first.usage is not None
    items: Any = [
        {"role": "user", "content": "Say hello."},
        *[item.model_dump(exclude_none=True) for item in first.output],
        {"role": "user", "content": "Again."},
    ]
    assert client.responses.create(model="x", input=items, max_output_tokens=2).output[0].type == "message"
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.create(model="x", input="hi", background=True)


def test_sdk_stream(client: OpenAI) -> None:
    """OpenAI's own client puts a stream with text, and one with a call, together."""
    with client.responses.stream(model="x", input="Say hello.", extra_body=BOUND, max_output_tokens=20) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == text == "Hello, house."
    tools: Any = [LAMP]
    with client.responses.stream(
        model="x", input="Turn on the hall.", tools=tools, tool_choice="required", parallel_tool_calls=False
    ) as stream:
        final = stream.get_final_response()
    call = next(item for item in final.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"lamp": "hall"}
