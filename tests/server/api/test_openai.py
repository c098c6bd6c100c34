"""OpenAI's dialect against the real server: shapes, streaming rules, errors."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

from served import Served

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time"}}


def body(**fields: Any) -> dict[str, Any]:
    """Return a chat request."""
    return {"messages": HELLO, "max_tokens": 16, "temperature": 0, **fields}


def test_whole_answer(served: Served) -> None:
    """An answer that is not streamed has OpenAI's shape, and its text also where older clients look."""
    answer = served.post("/v1/chat/completions", body())
    assert answer.status == 200
    value = answer.json
    assert value["object"] == "chat.completion"
    assert value["id"].startswith("chatcmpl-")
    choice = value["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == choice["text"] != ""
    assert choice["finish_reason"] in {"stop", "length"}
    usage = value["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]
    assert value["timings"]["predicted_n"] == usage["completion_tokens"]


def test_stream_rules(served: Served) -> None:
    """A stream keeps the rules S1 to S7 to the byte."""
    answer = served.post("/v1/chat/completions", body(stream=True))
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    events = answer.body.decode("utf-8").split("\n\n")
    assert events[-1] == ""
    assert events[-2] == "data: [DONE]"
    assert all(event.startswith("data: {") and "\n" not in event for event in events[:-2])
    chunks = answer.chunks
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    choices = [chunk["choices"] for chunk in chunks]
    assert all(len(choice) == 1 and "finish_reason" in choice[0] for choice in choices)
    deltas = [choice[0]["delta"] for choice in choices]
    assert deltas[0] == {"role": "assistant", "content": None}
    assert all(set(delta) == {"content"} and delta["content"] for delta in deltas[1:-1])
    assert deltas[-1] == {}
    assert [choice[0]["finish_reason"] for choice in choices][:-1] == [None] * (len(chunks) - 1)
    assert choices[-1][0]["finish_reason"] in {"stop", "length"}
    assert "timings" in chunks[-1]
    assert not any("usage" in chunk for chunk in chunks)
    whole = served.post("/v1/chat/completions", body()).json["choices"][0]["message"]["content"]
    assert "".join(delta["content"] for delta in deltas[1:-1]) == whole


def test_stream_usage(served: Served) -> None:
    """Usage comes in a chunk of its own without choices, and only when asked for."""
    answer = served.post("/v1/chat/completions", body(stream=True, stream_options={"include_usage": True}))
    *_, finish, usage = answer.chunks
    assert finish["choices"][0]["finish_reason"] in {"stop", "length"}
    assert usage["choices"] == []
    assert set(usage["usage"]) == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
    }


def test_streamed_calls(served: Served) -> None:
    """Each call is complete in a chunk of its own, with its index, and the finish reason follows in another."""
    request = body(tools=[WEATHER, CLOCK], tool_choice="required", stream=True, max_tokens=150)
    chunks = served.post("/v1/chat/completions", request).chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [delta for delta in deltas if "tool_calls" in delta]
    assert calls
    for index, delta in enumerate(calls):
        assert set(delta) == {"tool_calls"}
        (call,) = delta["tool_calls"]
        assert (call["index"], call["type"]) == (index, "function")
        assert call["id"].startswith("call_")
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
    assert not any(delta.get("content") for delta in deltas)
    assert deltas[-1] == {}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_whole_calls(served: Served) -> None:
    """Calls that are not streamed come with a null content and the finish reason tool_calls."""
    request = body(tools=[CLOCK], tool_choice={"type": "function", "function": {"name": "get_time"}}, max_tokens=60)
    choice = served.post("/v1/chat/completions", {**request, "parallel_tool_calls": False}).json["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "get_time", "arguments": "{}"}


def test_truncated_calls(served: Served) -> None:
    """A call that the token limit cuts is not made, and nothing of its markup is spoken."""
    request = body(tools=[WEATHER], tool_choice="required", max_tokens=3)
    choice = served.post("/v1/chat/completions", request).json["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == ""
    assert "tool_calls" not in choice["message"]


def test_home_markup(served: Served) -> None:
    """With our extension the model writes compact calls, and the client reads ordinary ones before the sentence."""
    lights = {"type": "string", "enum": ["light.kitchen", "light.hall"]}
    tools = [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {"type": "object", "properties": {"entity_id": lights}, "required": ["entity_id"]},
            },
        }
        for name in ("light.turn_on", "light.turn_off")
    ]
    messages = [
        {"role": "system", "content": "Devices:\nlight.hall 'Hall' = on\nlight.kitchen 'Kitchen' = off"},
        {"role": "user", "content": "turn off the hall light"},
        {"role": "assistant", "content": "light.turn_off(light.hall)\nTurning off the Hall light."},
        {"role": "user", "content": "turn on the hall light"},
        {"role": "assistant", "content": "light.turn_on(light.hall)\nTurning on the Hall light."},
        {"role": "user", "content": "turn off the kitchen light"},
        {"role": "assistant", "content": "light.turn_off(light.kitchen)\nTurning off the Kitchen light."},
        {"role": "user", "content": "turn on the kitchen light"},
    ]
    extension = {"tool_markup": "home", "render_tools": False}
    request = body(messages=messages, tools=tools, home_llm=extension, max_tokens=60, stream=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in served.post("/v1/chat/completions", request).chunks]
    (call,) = next(delta["tool_calls"] for delta in deltas if "tool_calls" in delta)
    assert call["function"]["name"] == "light.turn_on"
    assert json.loads(call["function"]["arguments"]) == {"entity_id": "light.kitchen"}
    assert "Kitchen" in "".join(delta.get("content") or "" for delta in deltas)


def test_structured_answers(served: Served) -> None:
    """json_schema, json_object and a GBNF grammar bind the answer."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    answer_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    content = _content(served, response_format=answer_format)
    assert set(json.loads(content)) == {"n"}
    assert isinstance(json.loads(_content(served, response_format={"type": "json_object"}, max_tokens=200)), dict)
    assert _content(served, grammar='root ::= "yes" | "no"') in {"yes", "no"}
    assert _content(served, grammar_string='root ::= "yes" | "no"') in {"yes", "no"}


def _content(served: Served, **fields: Any) -> str:
    answer = served.post("/v1/chat/completions", body(**fields))
    assert answer.status == 200, answer.body
    return str(answer.json["choices"][0]["message"]["content"])


def test_limits_are_clamped(served: Served) -> None:
    """More tokens than the context leaves are not an error, and -1 is no limit."""
    for limit in (1_000_000, -1):
        answer = served.post("/v1/chat/completions", body(max_tokens=limit, stop=["."]))
        assert answer.status == 200


def test_what_clients_send(served: Served) -> None:
    """Content in parts, calls without content, the text None, results as objects, unknown fields: all are read."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": ""}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": {"name": "get_time", "response": "noon"}},
        {
            "role": "assistant",
            "content": "None",
            "tool_calls": [{**call, "function": {"name": "get_time", "arguments": {}}}],
        },
        {"role": "function", "name": "get_time", "content": "noon"},
        {"role": "assistant"},
        {"role": "user", "content": "Thanks", "unknown": 1},
    ]
    answer = served.post("/v1/chat/completions", body(messages=messages, tools=[CLOCK], nonsense={"a": 1}, mode="chat"))
    assert answer.status == 200, answer.body


WRONG: list[tuple[Any, str]] = [
    (b"{", "JSON"),
    (b"[" * 100_000, "JSON"),
    (b"\xff\xfe", "JSON"),
    ([], "object"),
    ({}, "messages"),
    (body(messages=[]), "messages"),
    (body(messages="hi"), "messages"),
    (body(messages=[{"role": "wizard", "content": "hi"}]), "messages[0].role"),
    (body(messages=[{"role": "user"}]), "messages[0].content"),
    (body(messages=[{"role": "user", "content": 5}]), "messages[0].content"),
    (
        body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        "messages[0].content[0]",
    ),
    (body(temperature="hot"), "temperature"),
    (body(temperature=-1), "temperature"),
    (body(top_p=2), "top_p"),
    (body(max_tokens=0), "max_tokens"),
    (body(max_tokens=-5), "max_tokens"),
    (body(n=9), "n"),
    (body(n=0), "n"),
    (body(stop=5), "stop"),
    (body(tools={}), "tools"),
    (body(tools=[{"type": "function"}]), "tools[0].function"),
    (body(tools=[CLOCK, CLOCK]), "tools[1].function.name"),
    (body(tools=[CLOCK], tool_choice="maybe"), "tool_choice"),
    (body(tools=[CLOCK], tool_choice={"type": "function", "function": {"name": "x"}}), "tool_choice"),
    (body(tool_choice="required"), "tool_choice"),
    (body(response_format={"type": "json_schema"}), "response_format.json_schema.schema"),
    (body(response_format={"type": "yaml"}), "response_format.type"),
    (body(home_llm={"tool_markup": "klingon"}), "home_llm.tool_markup"),
    (body(logit_bias={"x": 1}), "logit_bias"),
    (
        body(messages=[{"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}]),
        "messages[0].tool_calls",
    ),
]


@pytest.mark.parametrize(("request_body", "named"), WRONG)
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests(served: Served, request_body: Any, named: str, stream: bool) -> None:
    """A wrong request is a 400 that names the field, an object as OpenAI writes it, also before a stream."""
    if isinstance(request_body, dict):
        request_body = {**request_body, "stream": stream}
    answer = served.post("/v1/chat/completions", request_body)
    assert answer.status == 400, answer.body
    error = answer.json["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "").startswith(named) or named in error["message"]


def test_grammars_that_cannot_be_compiled(served: Served) -> None:
    """A bad grammar is a 400 with the compiler's reason."""
    answer = served.post("/v1/chat/completions", body(grammar='root ::= "'))
    assert answer.status == 400
    assert "gbnf" in answer.json["error"]["message"]


def test_prompts_that_do_not_fit(served: Served) -> None:
    """A prompt longer than the context is a 400 with both numbers."""
    answer = served.post("/v1/chat/completions", body(messages=[{"role": "user", "content": "lamp " * 3000}]))
    assert answer.status == 400
    error = answer.json["error"]
    assert error["type"] == "exceed_context_size_error"
    assert error["code"] == "context_length_exceeded"
    assert error["n_ctx"] == 2048
    assert error["n_prompt_tokens"] > 3000


def test_completions(served: Served) -> None:
    """Text completions answer whole, streamed, echoed, from tokens."""
    request = {"prompt": "The capital of France is", "max_tokens": 2, "temperature": 0}
    whole = served.post("/v1/completions", {**request, "echo": True, "suffix": "!"}).json
    assert whole["object"] == "text_completion"
    assert whole["choices"][0]["text"].startswith("The capital of France is Paris")
    assert whole["choices"][0]["text"].endswith("!")
    answer = served.post("/v1/completions", {**request, "stream": True})
    assert answer.body.endswith(b"data: [DONE]\n\n")
    text = "".join(chunk["choices"][0]["text"] for chunk in answer.chunks)
    assert text.startswith(" Paris")
    tokens = served.post("/v1/internal/encode", {"text": request["prompt"]}).json["tokens"]
    again = served.post("/v1/completions", {**request, "prompt": tokens}).json["choices"][0]["text"]
    assert again == text
    assert served.post("/v1/completions", {}).json["error"]["param"] == "prompt"


def test_models(served: Served) -> None:
    """The model list names the loaded model first and tells its context."""
    (entry,) = served.get("/v1/models").json["data"]
    assert entry["owned_by"] == "home-llm"
    assert entry["meta"]["n_ctx"] == 2048
    assert served.get(f"/v1/models/{entry['id']}").json == entry
    assert served.get("/v1/models/other/model").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405)],
)
def test_wrong_routes(served: Served, method: str, path: str, status: int) -> None:
    """What is not there is an error object too."""
    answer = served.request(method, path, b"{}" if method == "POST" else None)
    assert answer.status == status
    assert answer.json["error"]["code"] == status


def test_openai_sdk(served: Served) -> None:
    """OpenAI's own client lists, chats, streams, calls tools and raises its exceptions."""
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    name = client.models.list().data[0].id
    chat = client.chat.completions.create(model=name, messages=HELLO, max_tokens=8, temperature=0)  # type: ignore[arg-type]
    assert chat.choices[0].message.content
    with client.chat.completions.stream(
        model=name,
        messages=HELLO,  # type: ignore[arg-type]
        tools=[WEATHER],  # type: ignore[list-item]
        tool_choice="required",
        max_tokens=100,
        temperature=0,
    ) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "get_weather"
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model=name, messages=[])
