"""What clients do with tools in OpenAI's dialect: all of tool_choice, and functions as they were before tools."""

import json
from typing import Any

import pytest
from openai import OpenAI

from served import Served

ROUTE = "/v1/chat/completions"
CLOCK: dict[str, Any] = {"name": "get_time", "description": "Tell the time"}
LAMP: dict[str, Any] = {
    "name": "turn_on",
    "parameters": {
        "type": "object",
        "properties": {"lamp": {"type": "string", "enum": ["hall"]}},
        "required": ["lamp"],
        "additionalProperties": False,
    },
}
TOOLS = [{"type": "function", "function": function} for function in (CLOCK, LAMP)]
BODY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "What time is it?"}],
    "max_tokens": 60,
    "temperature": 0,
}


def ask(served: Served, **fields: Any) -> dict[str, Any]:
    """Return the choice of an answer."""
    answer = served.post(ROUTE, {**BODY, **fields})
    assert answer.status == 200, answer.body
    choice: dict[str, Any] = answer.json["choices"][0]
    return choice


def allowed(*names: str, mode: str = "required") -> dict[str, Any]:
    """Return a tool choice that allows some of the tools."""
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize("name", ["get_time", "turn_on"])
def test_allowed_tools(served: Served, name: str) -> None:
    """Only a tool that is allowed is called, though the prompt describes them all."""
    choice = ask(served, tools=TOOLS, tool_choice=allowed(name), parallel_tool_calls=False)
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == name
    assert choice["finish_reason"] == "tool_calls"


def test_allowed_tools_leave_the_prompt_as_it_is(served: Served) -> None:
    """The prompt is the same whichever tools are allowed, so that it stays in the cache."""
    prompts = [
        served.post("/apply-template", {**BODY, "tools": TOOLS, "tool_choice": choice}).json["prompt"]
        for choice in ("auto", "required", allowed("get_time"), allowed("turn_on", mode="auto"))
    ]
    assert len(set(prompts)) == 1
    assert "turn_on" in prompts[0]
    without = served.post("/apply-template", {**BODY, "tools": TOOLS, "tool_choice": "none"}).json["prompt"]
    assert "turn_on" not in without


def test_no_tool(served: Served) -> None:
    """With none the answer is text, whatever the tools."""
    choice = ask(served, tools=TOOLS, tool_choice="none", max_tokens=5)
    assert "tool_calls" not in choice["message"]
    assert choice["message"]["content"]


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "turn_on"}},
        # As OpenAI's responses write it.
        {"type": "function", "name": "turn_on"},
    ],
)
def test_named_tool(served: Served, choice: dict[str, Any]) -> None:
    """The tool that is named is called."""
    message = ask(served, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)["message"]
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "turn_on", "arguments": '{"lamp": "hall"}'}
    assert message["content"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": allowed()}, "tool_choice"),
        ({"tool_choice": allowed("fly")}, "tool_choice"),
        ({"tool_choice": allowed("get_time", mode="maybe")}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice"),
        ({"functions": [CLOCK]}, "functions"),
    ],
)
def test_wrong_choices(served: Served, fields: dict[str, Any], param: str) -> None:
    """A choice that chooses nothing is a 400 that names it."""
    answer = served.post(ROUTE, {**BODY, "tools": TOOLS, **fields})
    assert answer.status == 400, answer.body
    assert answer.json["error"]["param"].startswith(param)


def test_functions(served: Served) -> None:
    """Functions as they were before tools are answered with one function_call, whole and streamed."""
    fields = {"functions": [CLOCK, LAMP], "function_call": {"name": "turn_on"}}
    choice = ask(served, **fields)
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "turn_on", "arguments": '{"lamp": "hall"}'}
    assert choice["message"]["content"] is None
    assert "tool_calls" not in choice["message"]
    chunks = served.post(ROUTE, {**BODY, **fields, "stream": True}).chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta for delta in deltas if "function_call" in delta] == [
        {"function_call": {"name": "turn_on", "arguments": '{"lamp": "hall"}'}}
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_no_function(served: Served) -> None:
    """With function_call none the answer is text, and with auto it may be."""
    for choice in ("none", "auto"):
        answer = ask(served, functions=[CLOCK], function_call=choice, max_tokens=4)
        assert answer["finish_reason"] in {"length", "stop"}


def test_replayed_functions(served: Served) -> None:
    """What a client of functions sends back, its model_dump without nulls, is read as call and result."""
    messages = [
        *BODY["messages"],
        {"role": "assistant", "function_call": {"name": "get_time", "arguments": "{}"}},
        {"role": "function", "name": "get_time", "content": "noon"},
    ]
    prompt = served.post("/apply-template", {"messages": messages, "functions": [CLOCK]}).json["prompt"]
    assert prompt.count("get_time") >= 2
    assert "noon" in prompt
    assert ask(served, messages=messages, functions=[CLOCK], max_tokens=2)["index"] == 0


def test_what_tools_answer(served: Served) -> None:
    """A result may be text, parts, an object, or nothing at all."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    for content in ("noon", [{"type": "text", "text": "noon"}], {"time": "noon"}, None):
        messages = [
            *BODY["messages"],
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": content},
        ]
        assert ask(served, messages=messages, tools=TOOLS, max_tokens=2)


def test_parts(served: Served) -> None:
    """Parts of text are joined, refusals of earlier answers are text, and a picture is refused by its place."""
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "three"}]},
        {"role": "user", "content": "four"},
    ]
    prompt = served.post("/apply-template", {"messages": messages}).json["prompt"]
    assert "one\ntwo" in prompt
    assert "three" in prompt
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    answer = served.post(ROUTE, {"messages": [{"role": "user", "content": [*parts, picture]}]})
    assert answer.status == 400
    assert answer.json["error"]["param"] == "messages[0].content[2]"
    assert "text only" in answer.json["error"]["message"]


def test_lengths(served: Served) -> None:
    """max_completion_tokens and n_predict limit the answer like max_tokens."""
    for name in ("max_tokens", "max_completion_tokens", "n_predict"):
        request = {"messages": BODY["messages"], name: 2, "temperature": 0}
        assert served.post(ROUTE, request).json["usage"]["completion_tokens"] <= 2


def test_halves_of_characters(served: Served) -> None:
    """Half of a character is a 400: no answer could repeat it."""
    for raw in (rb'{"prompt": "\ud800", "echo": true}', b'{"prompt": "\xed\xa0\x80"}', b"\xff\xfe{\x00}\x00"):
        answer = served.post("/v1/completions", raw)
        assert answer.status == 400, answer.body
    assert served.post("/v1/completions", rb'{"prompt": "\ud83d\ude00", "echo": true, "max_tokens": 1}').status == 200


def test_unknown_models(served: Served) -> None:
    """Whatever model is asked for, the loaded one answers, and says so."""
    value = served.post(ROUTE, {**BODY, "model": "gpt-4o-mini", "max_tokens": 1}).json
    assert value["model"] == served.get("/v1/models").json["data"][0]["id"]


def test_functions_with_the_sdk(served: Served) -> None:
    """OpenAI's own client reads a function_call."""
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    functions: Any = [LAMP]
    answer = client.chat.completions.create(
        model="x", messages=BODY["messages"], functions=functions, function_call={"name": "turn_on"}, max_tokens=60
    )
    call = answer.choices[0].message.function_call
    assert call is not None
    assert json.loads(call.arguments) == {"lamp": "hall"}
