"""What LiteLLM does, which speaks to the server in three ways: as to OpenAI's, as to Ollama, and as to Anthropic's.

usage: python litellm_checks.py URL KEY        prints a line of JSON for each check
"""

import functools
import json
import sys
import urllib.request
from typing import Any

import litellm

from client_checks import raised, report

HELLO: Any = [{"role": "user", "content": "Say hello."}]
COUNT: Any = [{"role": "user", "content": "Count to a hundred."}]
LIGHT: Any = {
    "type": "function",
    "function": {
        "name": "turn_on",
        "description": "Turn on the light of a room",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string", "enum": ["hall"]}},
            "required": ["room"],
            "additionalProperties": False,
        },
    },
}


def chat(target: dict[str, Any]) -> None:
    """An answer has OpenAI's shape, with its usage."""
    answer = litellm.completion(**target, messages=COUNT, max_tokens=4, temperature=0)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def stream(target: dict[str, Any]) -> None:
    """The pieces of a stream are an answer, with its usage."""
    request = {**target, "messages": COUNT, "max_tokens": 6, "temperature": 0}
    chunks = list(litellm.completion(**request, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "length" in {chunk.choices[0].finish_reason for chunk in chunks if chunk.choices}
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens == 6


def tool_call(target: dict[str, Any]) -> None:
    """A tool that must be called is, whole and streamed, and the call and its result are taken back."""
    request = {**target, "messages": HELLO, "tools": [LIGHT], "max_tokens": 60, "temperature": 0}
    request |= {"tool_choice": {"type": "function", "function": {"name": "turn_on"}}, "parallel_tool_calls": False}
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**request, stream=True)))
    for answer in (litellm.completion(**request), streamed):
        message = answer.choices[0].message
        (call,) = message.tool_calls
        assert call.function.name == "turn_on"
        assert json.loads(call.function.arguments) == {"room": "hall"}
        result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
        again = {**target, "messages": [*HELLO, message.model_dump(), result], "tools": [LIGHT], "max_tokens": 1}
        assert litellm.completion(**again).usage.completion_tokens == 1


def chosen_tool_call(target: dict[str, Any]) -> None:
    """A tool that the model chose is a call with its arguments, whole and streamed."""
    # A call, or else the number 7, which is banned.
    schema = {"type": "json_schema", "json_schema": {"name": "seven", "schema": {"const": 7}}}
    request = {**target, "messages": HELLO, "tools": [LIGHT], "max_tokens": 60, "temperature": 0}
    (seven,) = _ask(target["api_base"], target["api_key"], "/tokenize", {"content": "7"})["tokens"]
    request |= {"response_format": schema, "custom_token_bans": str(seven)}
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**request, stream=True)))
    for answer in (litellm.completion(**request), streamed):
        called = answer.choices[0].message.tool_calls[0].function
        assert (called.name, json.loads(called.arguments)) == ("turn_on", {"room": "hall"})


def structured_output(target: dict[str, Any]) -> None:
    """An answer under a schema fits it."""
    schema = {"name": "light", "schema": LIGHT["function"]["parameters"], "strict": True}
    request = {**target, "messages": HELLO, "max_tokens": 60, "temperature": 0}
    answer = litellm.completion(**request, response_format={"type": "json_schema", "json_schema": schema})
    assert json.loads(answer.choices[0].message.content) == {"room": "hall"}


def embeddings(target: dict[str, Any]) -> None:
    """Vectors are made of several texts."""
    answer = litellm.embedding(**target, input=["the hall light", "the kitchen light"])
    assert len({len(entry["embedding"]) for entry in answer.data}) == 1


def errors(target: dict[str, Any]) -> None:
    """A wrong key, and a wrong field, are the exceptions that LiteLLM has for them."""
    wrong = {**target, "api_key": "wrong", "messages": HELLO}
    raised(litellm.AuthenticationError, lambda: litellm.completion(**wrong))
    raised(litellm.BadRequestError, lambda: litellm.completion(**target, messages=HELLO, temperature=-1))


COMMON = (chat, stream, structured_output, errors)
CHECKS = {
    "openai": (*COMMON, tool_call, embeddings),
    "ollama_chat": (*COMMON, chosen_tool_call),
    "anthropic": (*COMMON, tool_call),
}


def _ask(url: str, key: str, path: str, body: Any = None) -> Any:
    """Return what a route of the server answers."""
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", raw, {"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def main(url: str, key: str) -> None:
    """Run every check in every way."""
    (entry,) = _ask(url, key, "/v1/models")["data"]
    common = {"api_key": key, "num_retries": 0, "timeout": 60}
    targets = {
        way: {**common, "api_base": f"{url}/v1" if way == "openai" else url, "model": f"{way}/{entry['id']}"}
        for way in CHECKS
    }
    report(
        {
            f"{way} {check.__name__}": functools.partial(check, targets[way])
            for way, checks in CHECKS.items()
            for check in checks
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
