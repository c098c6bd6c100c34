"""Several answers to one request: choices of a chat, several prompts of a completion, streamed and whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from served import Served

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 4}
# What is drawn at this temperature differs from seed to seed.
WILD = {**HELLO, "temperature": 3, "top_p": 1, "seed": 7, "max_tokens": 8}
CLOCK = {"type": "function", "function": {"name": "get_time"}}


def contents(answer: Any) -> list[str]:
    """Return the contents of the choices."""
    return [choice["message"]["content"] for choice in answer.json["choices"]]


def streamed(served: Served, path: str, body: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Return the choices of a stream's chunks, by index."""
    answer = served.post(path, {**body, "stream": True})
    assert answer.status == 200, answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    found: dict[int, list[dict[str, Any]]] = {}
    for chunk in answer.chunks:
        (choice,) = chunk["choices"]
        found.setdefault(choice["index"], []).append(choice)
    return found


def test_choices(served: Served) -> None:
    """Each choice has its index and its own text, and the usage counts the prompt once."""
    answer = served.post(CHAT, {**WILD, "n": 3})
    value = answer.json
    assert [choice["index"] for choice in value["choices"]] == [0, 1, 2]
    assert len(set(contents(answer))) == 3
    alone = served.post(CHAT, WILD).json
    assert value["usage"]["prompt_tokens"] == alone["usage"]["prompt_tokens"]
    assert value["usage"]["completion_tokens"] <= 3 * 8
    assert value["usage"]["completion_tokens"] > alone["usage"]["completion_tokens"]


def test_choices_are_bound_one_by_one(served: Served) -> None:
    """A choice that has a regular expression to match matches it, as each of the others does."""
    answer = served.post(CHAT, {**WILD, "n": 8, "home_llm": {"regex": "[0-9]{4}"}})
    assert all(len(text) == 4 and text.isdigit() for text in contents(answer))
    assert len(contents(answer)) == 8


def test_streamed_choices(served: Served) -> None:
    """In a stream each choice has its role first and its finish reason last, and the texts are those of the indexes."""
    body = {**HELLO, "temperature": 0, "n": 2, "home_llm": {"choice": ["Blue is one."]}, "max_tokens": 12}
    found = streamed(served, CHAT, body)
    assert sorted(found) == [0, 1]
    for choices in found.values():
        assert choices[0]["delta"] == {"role": "assistant", "content": None}
        assert choices[-1]["delta"] == {}
        assert choices[-1]["finish_reason"] == "stop"
        assert "".join(choice["delta"]["content"] for choice in choices[1:-1]) == "Blue is one."


def test_usage_of_streamed_choices(served: Served) -> None:
    """One usage chunk comes after the last finish reason, and it counts all choices."""
    body = {**HELLO, "temperature": 0, "n": 3, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage = served.post(CHAT, body).chunks
    assert usage["choices"] == []
    assert not any("usage" in chunk for chunk in chunks)
    assert sum(chunk["choices"][0]["finish_reason"] is not None for chunk in chunks) == 3
    assert usage["usage"]["completion_tokens"] == sum(
        chunk["timings"]["predicted_n"] for chunk in chunks if "timings" in chunk
    )


def test_streamed_calls_of_choices(served: Served) -> None:
    """Calls are counted for each choice from 0."""
    body = {**HELLO, "temperature": 0, "n": 2, "tools": [CLOCK], "tool_choice": "required", "max_tokens": 40}
    for choices in streamed(served, CHAT, {**body, "parallel_tool_calls": False}).values():
        (call,) = [delta for choice in choices if (delta := choice["delta"].get("tool_calls"))]
        assert call[0]["index"] == 0
        assert call[0]["function"] == {"name": "get_time", "arguments": "{}"}
        assert choices[-1]["finish_reason"] == "tool_calls"


def test_the_prompt_of_choices_is_read_once(served: Served) -> None:
    """Later choices find the prompt in the cache that the first one has read."""
    body = {"prompt": "The lamp in the attic is red. " * 30, "max_tokens": 2, "temperature": 0, "n": 4, "stream": True}
    finished = [chunk for chunk in served.post(TEXT, body).chunks if "timings" in chunk]
    read = sorted(chunk["timings"]["prompt_n"] for chunk in finished)
    assert len(read) == 4
    assert read[:3] == [1, 1, 1]


def test_seeds(exact_path: Path, tmp_path: Path) -> None:
    """The choices are what the seed and the next one give alone, and a request with a seed gives the same twice."""
    body = {**HELLO, "temperature": 1.5, "seed": 7, "n": 2, "home_llm": {"regex": "[0-9]{3}"}}
    with Served(tmp_path, model=str(exact_path), context_size=512, threads=1) as served:
        served.wait_until("ok")
        once, twice = (contents(served.post(CHAT, body)) for _ in range(2))
        assert once == twice
        alone = [contents(served.post(CHAT, {**body, "n": 1, "seed": seed}))[0] for seed in (7, 8)]
        assert once == alone


def test_several_prompts(served: Served) -> None:
    """Prompts in a list are answered in their order, each as it is alone, as texts or tokens, with its echo."""
    prompts = ["The capital of France is", "One, two, three,"]
    body = {"max_tokens": 2, "temperature": 0}
    alone = [served.post(TEXT, {**body, "prompt": prompt}).json["choices"][0]["text"] for prompt in prompts]
    together = served.post(TEXT, {**body, "prompt": prompts}).json
    assert [choice["text"] for choice in together["choices"]] == alone
    assert [choice["index"] for choice in together["choices"]] == [0, 1]
    tokens = [served.post("/tokenize", {"content": prompt}).json["tokens"] for prompt in prompts]
    answer = served.post(TEXT, {**body, "prompt": tokens, "echo": True}).json
    texts = [choice["text"] for choice in answer["choices"]]
    assert texts == [prompt + text for prompt, text in zip(prompts, alone, strict=True)]
    assert answer["usage"]["prompt_tokens"] == sum(len(each) for each in tokens)
    found = streamed(served, TEXT, {**body, "prompt": prompts, "n": 2})
    assert sorted(found) == [0, 1, 2, 3]
    spoken = ["".join(choice["text"] for choice in found[index]) for index in range(4)]
    assert spoken == [alone[0], alone[0], alone[1], alone[1]]


def test_completions_are_bound(served: Served) -> None:
    """A completion is bound by a response format and by a bare schema."""
    properties = {"n": {"type": "integer"}}
    schema = {"type": "object", "properties": properties, "required": ["n"], "additionalProperties": False}
    answer_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for fields in ({"response_format": answer_format}, {"json_schema": schema}):
        answer = served.post(TEXT, {"prompt": "JSON: ", "max_tokens": 24, "temperature": 0, **fields}).json
        if answer["choices"][0]["finish_reason"] == "stop":
            assert set(json.loads(answer["choices"][0]["text"])) == {"n"}
        assert answer["choices"][0]["text"].startswith('{"n": ')


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("n", {"n": 9}),
        ("n", {"n": 0}),
        ("n", {"n": "two"}),
        ("best_of", {"best_of": 3}),
        ("best_of", {"best_of": 3, "n": 2}),
        ("prompt", {"prompt": ["a"] * 65}),
        ("prompt", {"prompt": ["a"] * 9, "n": 8}),
        ("prompt", {"prompt": [[1], ["a"]]}),
        ("prompt", {"prompt": None}),
        ("prompt", {"prompt": [[1], [10**9]]}),
        ("prompt", {"prompt": ["a", "lamp " * 3000]}),
        ("json_schema", {"json_schema": {"type": "object"}, "grammar": 'root ::= "a"', "max_tokens": 5}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_choices(served: Served, param: str, fields: dict[str, Any], stream: bool) -> None:
    """What cannot be answered is a 400 that names the field, also where only one of several prompts is wrong."""
    answer = served.post(TEXT, {"prompt": "a", "max_tokens": 2, "stream": stream, **fields})
    assert answer.status == 400, answer.body
    error = answer.json["error"]
    assert error["param"].startswith(param) or param in error["message"]


def test_best_of_that_changes_nothing(served: Served) -> None:
    """best_of 1 and best_of that equals n are what clients send who do not use it."""
    for fields in ({"best_of": 1}, {"best_of": 2, "n": 2}, {"best_of": 1, "n": 2}, {"best_of": None}):
        assert served.post(TEXT, {"prompt": "a", "max_tokens": 1, **fields}).status == 200


def test_choices_with_the_sdk(served: Served) -> None:
    """OpenAI's own client reads choices, whole and streamed."""
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO["messages"], n=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1]
    bound = {"home_llm": {"choice": ["Blue."]}}
    with client.chat.completions.stream(model="x", messages=HELLO["messages"], n=2, extra_body=bound) as stream:
        final = stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["Blue.", "Blue."]
