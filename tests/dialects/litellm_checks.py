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
    answer = litellm.completion(**target, messages=HELLO, max_tokens=4, temperature=0)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def stream(target: dict[str, Any]) -> None:
    """The pieces of a stream are an answer, with its usage."""
    request = {**target, "messages": HELLO, "max_tokens": 6, "temperature": 0}
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
    """A tool that the model chose after examples is a call with its arguments, whole and streamed."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are a house."}]
    for room in ("hall", "garden", "hall"):
        call = {"name": "turn_on", "arguments": json.dumps({"room": room})}
        messages += [
            {"role": "user", "content": f"turn on the {room} light"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            {"role": "assistant", "content": "Done."},
        ]
    messages.append({"role": "user", "content": "turn on the hall light"})
    request = {**target, "messages": messages, "tools": [LIGHT], "max_tokens": 60, "temperature": 0}
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


def main(url: str, key: str) -> None:
    """Run every check in every way."""
    request = urllib.request.Request(f"{url}/v1/models", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        (entry,) = json.load(response)["data"]
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
