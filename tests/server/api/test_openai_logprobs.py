"""Log-probabilities over OpenAI's two routes: shapes, streams, contradictions."""

import math
from typing import Any

import pytest
from openai import OpenAI

from served import Served

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"messages": HELLO, "max_tokens": 12, "temperature": 0, "logprobs": True}
TEXT = {"prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
CLOCK = {"type": "function", "function": {"name": "get_time"}}


def chat(served: Served, **fields: Any) -> dict[str, Any]:
    """Return the choice of a chat completion."""
    answer = served.post("/v1/chat/completions", {**CHAT, **fields})
    assert answer.status == 200, answer.body
    choice: dict[str, Any] = answer.json["choices"][0]
    return choice


def complete(served: Served, **fields: Any) -> dict[str, Any]:
    """Return the choice of a completion."""
    answer = served.post("/v1/completions", {**TEXT, **fields})
    assert answer.status == 200, answer.body
    choice: dict[str, Any] = answer.json["choices"][0]
    return choice


def text(tokens: list[dict[str, Any]]) -> str:
    """Return the text that tokens make."""
    return bytes(byte for token in tokens for byte in token["bytes"]).decode()


def test_chat(served: Served) -> None:
    """Each token of the content has its bytes, a log-probability and the likeliest tokens, the first of them itself."""
    choice = chat(served, top_logprobs=3)
    tokens = choice["logprobs"]["content"]
    assert choice["logprobs"]["refusal"] is None
    assert text(tokens) == choice["message"]["content"] != ""
    for token in tokens:
        assert set(token) == {"token", "logprob", "bytes", "top_logprobs"}
        assert bytes(token["bytes"]).decode() == token["token"]
        assert len(token["top_logprobs"]) == 3
        # The sampler is greedy.
        assert token["top_logprobs"][0] == {name: token[name] for name in ("token", "logprob", "bytes")}
        likelihoods = [math.exp(other["logprob"]) for other in token["top_logprobs"]]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert 0 < sum(likelihoods) <= 1.0001
    assert [token["top_logprobs"] for token in chat(served)["logprobs"]["content"]] == [[]] * len(tokens)
    assert chat(served, logprobs=None)["logprobs"] is None


def test_chat_stream(served: Served) -> None:
    """A chunk with content has the tokens whose text ends in it, together those of the whole answer."""
    chunks = served.post("/v1/chat/completions", {**CHAT, "top_logprobs": 2, "stream": True}).chunks
    choices = [chunk["choices"][0] for chunk in chunks]
    for choice in choices:
        if "content" in choice["delta"] and choice["delta"]["content"]:
            assert text(choice["logprobs"]["content"]) == choice["delta"]["content"]
        else:
            assert choice["logprobs"] is None
    streamed = [token["token"] for choice in choices for token in (choice["logprobs"] or {"content": []})["content"]]
    assert streamed == [token["token"] for token in chat(served)["logprobs"]["content"]]


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_have_none(served: Served, stream: bool) -> None:
    """The tokens of a call are not content, and are not told."""
    body = {**CHAT, "tools": [CLOCK], "tool_choice": "required", "max_tokens": 60, "stream": stream}
    answer = served.post("/v1/chat/completions", body)
    if stream:
        assert all(chunk["choices"][0]["logprobs"] is None for chunk in answer.chunks)
        assert any("tool_calls" in chunk["choices"][0]["delta"] for chunk in answer.chunks)
    else:
        choice = answer.json["choices"][0]
        assert choice["message"]["tool_calls"]
        assert choice["logprobs"] == {"content": [], "refusal": None}


def test_completions(served: Served) -> None:
    """The four lists of a completion are as long as each other, and the offsets point into the text, echo or not."""
    for fields in ({}, {"echo": True, "suffix": "!"}):
        choice = complete(served, logprobs=2, **fields)
        table = choice["logprobs"]
        names = {"tokens", "token_logprobs", "top_logprobs", "top_logprobs_ids", "text_offset"}
        assert set(table) == names
        assert {len(table[name]) for name in names} == {4}
        for token, offset in zip(table["tokens"], table["text_offset"], strict=True):
            assert choice["text"][offset:].startswith(token)
        for token, logprob, others, ids in zip(
            table["tokens"], table["token_logprobs"], table["top_logprobs"], table["top_logprobs_ids"], strict=True
        ):
            assert others[token] == logprob == max(others.values())
            assert list(ids.values()) == list(others.values())
            assert len(others) == 2
    bare = complete(served, logprobs=0)["logprobs"]
    assert bare["tokens"] == table["tokens"]
    assert bare["top_logprobs"] is None
    assert complete(served)["logprobs"] is complete(served, logprobs=False)["logprobs"] is None


def test_a_token_that_is_not_likely(served: Served) -> None:
    """A token that was made to come is told beside the likeliest ones, with what the model thinks of it."""
    choice = complete(served, logprobs=1, grammar='root ::= " Xylophone"')
    table = choice["logprobs"]
    assert "".join(table["tokens"]) == choice["text"] == " Xylophone"
    assert len(table["top_logprobs"][0]) == 2
    assert table["token_logprobs"][0] < max(table["top_logprobs"][0].values())


def test_completion_stream(served: Served) -> None:
    """The chunks of a completion have the tokens, with offsets that go on from chunk to chunk."""
    chunks = served.post("/v1/completions", {**TEXT, "logprobs": 1, "stream": True}).chunks
    tables = [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk["choices"][0]["logprobs"]]
    whole = complete(served, logprobs=1)["logprobs"]
    for name in ("tokens", "text_offset"):
        assert [value for table in tables for value in table[name]] == whole[name]


def test_half_a_character(served: Served) -> None:
    """The bytes of a character in several tokens are told: as numbers in a chat, and as text in a completion."""
    grammar = 'root ::= "👋"'
    tokens = chat(served, grammar=grammar)["logprobs"]["content"]
    assert len(tokens) > 1
    assert text(tokens) == "👋"
    table = complete(served, grammar=grammar, logprobs=0)["logprobs"]
    assert table["tokens"][0].startswith("bytes:\\xf0")
    assert table["text_offset"] == [0] * len(table["tokens"])
    cut = complete(served, grammar=grammar, logprobs=0, max_tokens=1)
    assert cut["text"] == ""
    assert cut["logprobs"]["tokens"] == table["tokens"][:1]


WRONG = [
    ("/v1/chat/completions", {**CHAT, "top_logprobs": 21}, "top_logprobs"),
    ("/v1/chat/completions", {**CHAT, "top_logprobs": -1}, "top_logprobs"),
    ("/v1/chat/completions", {**CHAT, "logprobs": None, "top_logprobs": 2}, "top_logprobs"),
    ("/v1/chat/completions", {**CHAT, "logprobs": False, "top_logprobs": 2}, "top_logprobs"),
    ("/v1/chat/completions", {**CHAT, "logprobs": 7}, "logprobs"),
    ("/v1/completions", {**TEXT, "logprobs": 6}, "logprobs"),
    ("/v1/completions", {**TEXT, "logprobs": -1}, "logprobs"),
    ("/v1/completions", {**TEXT, "logprobs": "many"}, "logprobs"),
]


@pytest.mark.parametrize(("route", "body", "param"), WRONG)
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests(served: Served, route: str, body: dict[str, Any], param: str, stream: bool) -> None:
    """What is out of range, or contradicts itself, is a 400 that names the field."""
    answer = served.post(route, {**body, "stream": stream})
    assert answer.status == 400
    assert answer.json["error"]["param"] == param


def test_openai_sdk(served: Served) -> None:
    """OpenAI's own client reads both shapes."""
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(
        model="any",
        messages=HELLO,  # type: ignore[arg-type]
        max_tokens=5,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 5
    assert len(logprobs.content[0].top_logprobs) == 2
    legacy = client.completions.create(model="any", prompt="One, two,", max_tokens=3, temperature=0, logprobs=1)
    table = legacy.choices[0].logprobs
    assert table is not None
    assert table.tokens is not None
    assert len(table.tokens) == 3
