"""Ollama's dialect: chats and completions, whole and in lines."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from home_llm.api.ollama_answers import FRAMING, ChatWriter, GenerateWriter
from home_llm.api.ollama_request import ChatBody
from home_llm.chat import Finish, Reasoning, Text, ToolCall, Usage
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason, Timings
from http_client import Answer
from served import Served

NAME = "SmolLM2-135M-Instruct"
HELLO = [{"role": "user", "content": "Say hello."}]
GREEDY = {"temperature": 0, "num_predict": 16}
# An answer that is the same every time, whatever the model would rather say.
SAME = {"const": "Good morning, house."}
TEXT = '"Good morning, house."'
SCHEMA = {
    "type": "object",
    "properties": {"on": {"type": "boolean"}, "room": {"enum": ["hall", "kitchen"]}},
    "required": ["on", "room"],
}
METRICS = {
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}


def chat(served: Served, **fields: Any) -> Answer:
    """Ask for an answer in one piece."""
    body = {"model": NAME, "messages": HELLO, "options": GREEDY, "stream": False, **fields}
    return served.post("/api/chat", body)


def lines(answer: Answer) -> list[dict[str, Any]]:
    """Return the objects of a stream, each on a line of its own and with a line end after the last."""
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    *rows, rest = answer.body.decode("utf-8").split("\n")
    assert rest == ""
    return [json.loads(row) for row in rows]


def test_stream(served: Served) -> None:
    """A chat is a stream of lines unless asked otherwise; the last one says why it ended and what it cost."""
    body = {"model": NAME, "messages": HELLO, "options": GREEDY}
    *words, end = lines(served.post("/api/chat", body))
    assert words
    for line in words:
        assert set(line) == {"model", "created_at", "message", "done"}
        assert line["message"].keys() == {"role", "content"}
        assert line["message"]["content"]
        assert line["done"] is False
        assert line["model"] == NAME
        assert datetime.fromisoformat(line["created_at"]).utcoffset() is not None
    assert end.keys() == {"model", "created_at", "message", "done", "done_reason", *METRICS}
    assert end["message"] == {"role": "assistant", "content": ""}
    assert end["done"] is True
    assert end["done_reason"] in {"stop", "length"}
    assert all(isinstance(end[name], int) for name in METRICS)
    assert 0 < end["eval_count"] <= 16
    assert end["total_duration"] > end["eval_duration"] > 1_000_000
    bound = lines(served.post("/api/chat", {**body, "format": SAME}))
    assert "".join(line["message"]["content"] for line in bound) == TEXT
    whole = chat(served, format=SAME).json
    assert whole["message"]["content"] == TEXT
    assert whole.keys() == end.keys()


def test_whole(served: Served) -> None:
    """An answer in one piece is plain JSON and has what the last line of a stream has."""
    answer = chat(served, options={**GREEDY, "num_predict": 2})
    assert answer.headers["Content-Type"].startswith("application/json")
    value = answer.json
    assert value["message"]["role"] == "assistant"
    assert value["message"]["content"]
    assert (value["done"], value["done_reason"], value["eval_count"]) == (True, "length", 2)


@pytest.mark.parametrize("name", [f"{NAME}:latest", NAME.upper(), "embedded"])
def test_names(served: Served, name: str) -> None:
    """The tag latest and the case do not matter, and the answer repeats the name as it was written."""
    assert chat(served, model=name, options={"num_predict": 1}).json["model"] == name


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/show"])
def test_unknown_models(served: Served, path: str) -> None:
    """A model that is not here is a 404 in Ollama's words, and the error is a text."""
    answer = served.post(path, {"model": "llama3.2", "messages": HELLO, "prompt": "hi"})
    assert answer.status == 404
    assert answer.json == {"error": "model 'llama3.2' not found"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": ""}, "model is required"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "hi", "images": ["aGk="]}]}, "text only"),
        ({"format": "yaml"}, "json"),
        ({"format": {"type": "string", "enum": []}}, "schema"),
        ({"keep_alive": "soon"}, "keep_alive"),
        ({"think": "very"}, "think"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}]},
            "arguments",
        ),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_wrong_chats(served: Served, body: dict[str, Any], words: str, stream: bool) -> None:
    """What is wrong with a chat is a 400 with a text that names it, before a stream begins."""
    answer = served.post("/api/chat", {"model": NAME, "messages": HELLO, "options": GREEDY, "stream": stream, **body})
    assert answer.status == 400
    assert set(answer.json) == {"error"}
    assert words in answer.json["error"]


def test_other_errors(served: Served) -> None:
    """Bodies that are no JSON and routes that are not there have Ollama's shape too."""
    assert isinstance(served.post("/api/chat", b"{").json["error"], str)
    assert isinstance(served.get("/api/nothing").json["error"], str)
    assert served.get("/api/chat").status == 405


def test_too_long(served: Served) -> None:
    """Without truncation a conversation that is too long is refused; with it the oldest turns are left out."""
    turns = [{"role": role, "content": "words " * 200} for _ in range(6) for role in ("user", "assistant")]
    messages = [{"role": "system", "content": "Be short."}, *turns, *HELLO]
    refused = chat(served, messages=messages, truncate=False)
    assert refused.status == 400
    assert "context" in refused.json["error"]
    # Half of the context is kept for so long an answer.
    answered = chat(served, messages=messages, options={"num_predict": 2000, "stop": [" ", "."]}).json
    assert 400 < answered["prompt_eval_count"] <= 1024


def test_format(served: Served) -> None:
    """A schema binds the answer, and json means any object."""
    value = json.loads(chat(served, format=SCHEMA, options={**GREEDY, "num_predict": 40}).json["message"]["content"])
    assert set(value) == {"on", "room"}
    text = chat(served, format="json", options={**GREEDY, "num_predict": 60}).json["message"]["content"]
    assert text.startswith("{")
    for free in (None, ""):
        assert chat(served, format=free).status == 200
        assert ChatBody.model_validate({"format": free}).request().constraint is None


def test_tools_and_results(served: Served) -> None:
    """Home Assistant's history is understood: calls with objects and without ids, results without ids and names."""
    weather = {
        "type": "function",
        "function": {"name": "weather", "description": "Tell it", "parameters": {"type": "object", "properties": {}}},
    }
    messages = [
        {"role": "system", "content": "You are a house."},
        {"role": "user", "content": "How is the weather?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {}}}]},
        {"role": "tool", "content": '{"sky": "clear"}'},
    ]
    first = chat(served, messages=messages, tools=[weather], think=False, format=None, keep_alive=-1)
    assert first.status == 200
    assert first.json["message"]["content"]
    again = chat(served, messages=messages, tools=[weather], think=False).json
    # The ids that were made up are the same, so that the prompt is found in the cache: but its last token.
    assert again["prompt_eval_count"] == first.json["prompt_eval_count"]
    assert chat(served, tools=[]).status == chat(served, tools=None).status == 200


def test_calls(served: Served) -> None:
    """A call comes whole, with an object as its arguments, in a line before the last."""
    rooms = {"type": "object", "properties": {"name": {"enum": ["kitchen"]}}, "required": ["name"]}
    tools = [{"type": "function", "function": {"name": "turn_on", "description": "Light a room", "parameters": rooms}}]
    # Whether to call is the model's choice: a call, or else the number 7, which is banned.
    (seven,) = served.post("/tokenize", {"content": "7"}).json["tokens"]
    options = {"temperature": 0, "num_predict": 60, "custom_token_bans": str(seven)}
    request = {"tools": tools, "format": {"const": 7}, "options": options}
    first, *_, end = lines(chat(served, **request, stream=True))
    (call,) = first["message"]["tool_calls"]
    assert call["function"] == {"index": 0, "name": "turn_on", "arguments": {"name": "kitchen"}}
    assert first["message"]["content"] == ""
    assert first["done"] is False
    assert end["done"] is True
    assert "tool_calls" not in end["message"]
    whole = chat(served, **request).json["message"]
    assert whole["tool_calls"][0]["function"] == call["function"]


def test_options(served: Served) -> None:
    """Options have llama.cpp's names; null is the default, and what has no meaning here is ignored."""
    odd = {"num_ctx": 8192, "num_gpu": 1, "num_thread": 2, "numa": False, "top_k": None, "mirostat": 0}
    assert chat(served, options={**GREEDY, **odd}).status == 200
    stopped = chat(served, format=SAME, options={**GREEDY, "stop": ["morning"]}).json
    assert stopped["message"]["content"] == '"Good '
    assert stopped["done_reason"] == "stop"
    given = {"seed": 5, "temperature": 0.3, "repeat_penalty": 1.2, "repeat_last_n": 32, "min_p": 0.1, "typical_p": 0.9}
    sampling = ChatBody.model_validate({"options": {**given, "top_k": None}}).request().sampling
    assert (sampling.seed, sampling.temperature, sampling.repeat_penalty, sampling.repeat_last_n) == (5, 0.3, 1.2, 32)
    assert (sampling.min_p, sampling.typical_p, sampling.top_k, sampling.top_p) == (0.1, 0.9, 40, 0.9)
    for unlimited in (-1, -2, 0, None):
        request = ChatBody.model_validate({"options": {"num_predict": unlimited}}).request()
        assert request.limits.max_tokens is None
    short = chat(served, options={**GREEDY, "num_predict": 1}).json
    assert short["eval_count"] == 1


def test_prefill(served: Served) -> None:
    """A last message of the assistant is gone on with, and only what is new is told."""
    begun = [*HELLO, {"role": "assistant", "content": "The capital of France is"}]
    assert "Paris" in chat(served, messages=begun).json["message"]["content"]


def test_generate(served: Served) -> None:
    """A prompt is one message of the user; the text stands in response, in lines or whole."""
    body = {"model": NAME, "prompt": "Say hello.", "options": GREEDY, "format": SAME}
    *words, end = lines(served.post("/api/generate", body))
    assert all(set(line) == {"model", "created_at", "response", "done"} for line in words)
    assert end.keys() == {"model", "created_at", "response", "done", "done_reason", *METRICS}
    assert "".join(line["response"] for line in words) == TEXT
    whole = served.post("/api/generate", {**body, "stream": False}).json
    assert whole["response"] == TEXT
    assert whole["prompt_eval_count"] == chat(served).json["prompt_eval_count"]
    system = served.post("/api/generate", {**body, "stream": False, "system": "You are a pirate."}).json
    assert system["prompt_eval_count"] != end["prompt_eval_count"]


def test_raw(served: Served) -> None:
    """A raw prompt is continued as it stands."""
    body = {"model": NAME, "prompt": "The capital of France is", "raw": True, "stream": False, "options": GREEDY}
    answer = served.post("/api/generate", body).json
    assert answer["response"].startswith(" Paris")
    assert answer["prompt_eval_count"] == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"suffix": "}"}, "insert"),
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "/api/chat"),
        ({"raw": True, "system": "hi"}, "raw"),
        ({"images": ["aGk="]}, "text only"),
    ],
)
def test_wrong_completions(served: Served, fields: dict[str, Any], words: str) -> None:
    """What cannot be done for a completion is a 400 that says so."""
    answer = served.post("/api/generate", {"model": NAME, "prompt": "hi", **fields})
    assert answer.status == 400
    assert words in answer.json["error"]


def finish(reason: FinishReason = FinishReason.STOP) -> Finish:
    """Return the end of an answer."""
    timings = Timings(cache_n=8, prompt_n=4, prompt_ms=12.5, predicted_n=3, predicted_ms=1.25)
    return Finish(reason, Usage.of(timings), timings)


def told(events: Iterator[dict[str, Any]]) -> list[Any]:
    """Return lines without what differs each time."""
    rows = [json.loads(FRAMING.frame(event)) for event in events]
    for row in rows:
        row.pop("created_at")
        row.pop("total_duration", None)
    return rows


def test_golden_lines() -> None:
    """Thoughts, text and calls each have their place; a call is whole, in a line that is not the last."""
    writer = ChatWriter("m:latest", started=0, loaded=7)
    call = ToolCall("HassTurnOn", {"name": "Küche"}, "call_1")
    events: list[Event] = [Reasoning("hm"), Text("Ja"), call, ToolCall("HassTurnOff", {}, "call_2"), finish()]
    rows = [row for event in events for row in told(writer.event(event))]
    assert rows == [
        {"model": "m:latest", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"model": "m:latest", "message": {"role": "assistant", "content": "Ja"}, "done": False},
        {
            "model": "m:latest",
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_1", "function": {"index": 0, "name": "HassTurnOn", "arguments": {"name": "Küche"}}}
                ],
            },
            "done": False,
        },
        {
            "model": "m:latest",
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "call_2", "function": {"index": 1, "name": "HassTurnOff", "arguments": {}}}],
            },
            "done": False,
        },
        {
            "model": "m:latest",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "load_duration": 7,
            "prompt_eval_count": 12,
            "prompt_eval_duration": 12_500_000,
            "eval_count": 3,
            "eval_duration": 1_250_000,
        },
    ]
    assert told(iter([writer.keep_alive()])) == [
        {"model": "m:latest", "message": {"role": "assistant", "content": ""}, "done": False}
    ]
    assert list(writer.start()) == []
    completing = GenerateWriter("m", started=0, loaded=0)
    assert told(completing.event(Reasoning("hm"))) == [{"model": "m", "response": "", "thinking": "hm", "done": False}]
    assert told(completing.event(finish(FinishReason.LENGTH)))[0]["done_reason"] == "length"
    assert FRAMING.frame(FRAMING.failure(ValueError("no"))) == b'{"error": "The generation failed: no"}\n'


def test_unloading(data_dir: Path) -> None:
    """An empty request loads or unloads; keep_alive 0 frees the model after an answer, and the next one loads it."""
    with Served(data_dir) as served:
        served.wait_until("ok")
        empty = {"model": NAME, "messages": []}
        assert served.post("/api/chat", empty).json["done_reason"] == "load"
        assert served.post("/api/generate", {"model": NAME}).json["done_reason"] == "load"
        unloaded = served.post("/api/chat", {**empty, "keep_alive": 0}).json
        assert unloaded["message"] == {"role": "assistant", "content": ""}
        assert (unloaded["done"], unloaded["done_reason"]) == (True, "unload")
        assert served.get("/health").json["status"] == "unloaded"
        assert served.get("/api/ps").json == {"models": []}
        for stream in (False, True):
            answer = chat(served, keep_alive="0s", stream=stream)
            assert answer.status == 200
            served.wait_until("unloaded")
        assert chat(served, keep_alive="5m").status == 200
        assert served.get("/health").json["status"] == "ok"
        (process,) = served.get("/api/ps").json["models"]
        assert process["name"] == f"{NAME}:latest"
