"""What OpenAI's Python client does. It runs with whichever version of it is found first on the path.

usage: python openai_checks.py URL KEY        prints a line of JSON for each check
"""

import asyncio
import functools
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Literal

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from client_checks import raised, report

HELLO: Any = [{"role": "user", "content": "Say hello."}]
# An answer that is the same every time, whatever the model would rather say.
SAID = "Grüße, house."
SAY: Any = {"home_llm": {"choice": [SAID]}}
BRIEF: Any = {"model": "any", "messages": HELLO, "max_tokens": 20, "temperature": 0}
ENDLESS: Any = {**BRIEF, "max_tokens": None, "stream": True, "extra_body": {"ban_eos_token": True}}
ROOMS = {
    "type": "object",
    "properties": {"room": {"enum": ["hall"]}},
    "required": ["room"],
    "additionalProperties": False,
}
LIGHT = {"name": "turn_on", "description": "Turn on the light of a room", "parameters": ROOMS}
TOOL: Any = {"type": "function", "function": LIGHT}
NAMED: Any = {"type": "function", "function": {"name": "turn_on"}}
CALL: Any = {**BRIEF, "tools": [TOOL], "tool_choice": NAMED, "parallel_tool_calls": False, "max_tokens": 60}


class Light(BaseModel):
    """A light as an answer describes it."""

    room: Literal["hall"]
    on: bool


def models(client: OpenAI) -> None:
    """There is one model, which can be looked at."""
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id


def chat(client: OpenAI) -> None:
    """An answer is read into the types of the SDK."""
    answer = client.chat.completions.create(**BRIEF, extra_body=SAY)
    (choice,) = answer.choices
    assert choice.message.content == SAID
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def chat_stream_with_usage(client: OpenAI) -> None:
    """The pieces of a stream are the whole answer, and usage comes last."""
    stream = client.chat.completions.create(
        **BRIEF, stream=True, stream_options={"include_usage": True}, extra_body=SAY
    )
    *chunks, last = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def stream_helper(client: OpenAI) -> None:
    """The SDK's own accumulation of a stream gives the whole answer."""
    with _newer(client).stream(model="any", messages=HELLO, extra_body=SAY) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        assert stream.get_final_completion().choices[0].message.content == text == SAID


def tool_call(client: OpenAI) -> None:
    """A tool that must be called is, and the call and its result are taken back."""
    (choice,) = client.chat.completions.create(**CALL).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls or ()
    assert call.function.name == "turn_on"
    assert json.loads(call.function.arguments) == {"room": "hall"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    body = {**BRIEF, "messages": [*HELLO, choice.message, result], "tools": [TOOL]}
    assert client.chat.completions.create(**body).choices[0].message.role == "assistant"


def tool_call_stream(client: OpenAI) -> None:
    """A streamed call is put together by its index."""
    name = arguments = identity = ""
    reasons = []
    for chunk in client.chat.completions.create(**CALL, stream=True):
        reasons.append(chunk.choices[0].finish_reason)
        for piece in chunk.choices[0].delta.tool_calls or ():
            assert piece.index == 0
            assert piece.function is not None
            identity += piece.id or ""
            name += piece.function.name or ""
            arguments += piece.function.arguments or ""
    assert (name, json.loads(arguments)) == ("turn_on", {"room": "hall"})
    assert identity.startswith("call_")
    assert reasons[-1] == "tool_calls"
    assert set(reasons[:-1]) == {None}


def parsed_tool_call(client: OpenAI) -> None:
    """The arguments of a call are read into a model of pydantic's."""
    tool = openai.pydantic_function_tool(Light)
    body = {**CALL, "tools": [tool], "tool_choice": "required"}
    (call,) = _newer(client).parse(**body).choices[0].message.tool_calls or ()
    assert isinstance(call.function.parsed_arguments, Light)


def structured_output(client: OpenAI) -> None:
    """An answer under a schema is read into a model of pydantic's, whole and streamed."""
    body = {"model": "any", "messages": HELLO, "temperature": 0, "response_format": Light}
    assert isinstance(_newer(client).parse(**body).choices[0].message.parsed, Light)
    with _newer(client).stream(**body) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Light)


def choices(client: OpenAI) -> None:
    """With n there are several answers."""
    found = client.chat.completions.create(**BRIEF, n=2, extra_body=SAY).choices
    assert [(choice.index, choice.message.content) for choice in found] == [(0, SAID), (1, SAID)]


def logprobs(client: OpenAI) -> None:
    """Log-probabilities of a chat and of a completion are read into the types of the SDK."""
    (choice,) = client.chat.completions.create(**BRIEF, logprobs=True, top_logprobs=2, extra_body=SAY).choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert b"".join(bytes(token.bytes or ()) for token in tokens).decode() == SAID
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)
    body: Any = {"model": "any", "prompt": "One, two,", "max_tokens": 2, "temperature": 0, "logprobs": 1}
    (text,) = client.completions.create(**body).choices
    assert text.logprobs is not None
    assert "".join(text.logprobs.tokens or ()) == text.text
    assert all(number <= 0 for number in text.logprobs.token_logprobs or ())


def completions(client: OpenAI) -> None:
    """A text is continued, whole and streamed."""
    body: Any = {"model": "any", "prompt": "The capital of France is", "extra_body": {"grammar": 'root ::= " Paris"'}}
    answer = client.completions.create(**body)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (" Paris", "stop")
    assert answer.usage is not None
    chunks = list(client.completions.create(**body, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == " Paris"
    assert chunks[-1].choices[0].finish_reason == "stop"


def embeddings(client: OpenAI) -> None:
    """Vectors are the same as numbers and as the bytes that the SDK asks for."""
    answer = client.embeddings.create(model="any", input=["the hall light", "the kitchen light"])
    numbers = client.embeddings.create(model="any", input="the hall light", encoding_format="float")
    assert [entry.index for entry in answer.data] == [0, 1]
    (vector,) = (entry.embedding for entry in numbers.data)
    assert len(vector) == len(answer.data[0].embedding) > 100
    assert max(abs(one - other) for one, other in zip(vector, answer.data[0].embedding, strict=True)) < 0.01
    assert answer.usage.total_tokens > 0


def responses(client: OpenAI) -> None:
    """A response is read into the types of the SDK, and its items are taken back."""
    answer = client.responses.create(model="any", input="Say hello.", temperature=0, extra_body=SAY)
    assert answer.output_text == SAID
    assert answer.status == "completed"
    items: Any = [*HELLO, *[item.model_dump(exclude_none=True) for item in answer.output], *HELLO]
    again = client.responses.create(model="any", input=items, max_output_tokens=1)
    assert again.status == "incomplete"
    assert again.incomplete_details is not None
    assert again.incomplete_details.reason == "max_output_tokens"


def responses_stream(client: OpenAI) -> None:
    """The events of a response are those that the SDK knows, and the last one holds all of it."""
    body: Any = {"model": "any", "input": "Say hello.", "temperature": 0, "extra_body": SAY}
    events = list(client.responses.create(**body, stream=True))
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == SAID


def responses_tool_call(client: OpenAI) -> None:
    """A function of a response is called."""
    tool: Any = {"type": "function", **LIGHT, "strict": True}
    answer = client.responses.create(
        model="any", input="Light!", tools=[tool], tool_choice="required", parallel_tool_calls=False, temperature=0
    )
    (call,) = (item for item in answer.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("turn_on", {"room": "hall"})


def responses_structured_output(client: OpenAI) -> None:
    """A response under a schema is read into a model of pydantic's."""
    answer = client.responses.parse(model="any", input="Is the light on?", text_format=Light, temperature=0)
    assert isinstance(answer.output_parsed, Light)


def asynchronous(client: OpenAI) -> None:
    """The asynchronous client streams two answers at once."""

    async def ask(other: AsyncOpenAI) -> str:
        stream = await other.chat.completions.create(**BRIEF, stream=True, extra_body=SAY)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def ask_twice() -> list[str]:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as other:
            return await asyncio.gather(ask(other), ask(other))

    assert asyncio.run(ask_twice()) == [SAID, SAID]


def errors(client: OpenAI) -> None:
    """What is wrong is raised as the exception that the SDK has for it, and names the field."""
    wrong_key = raised(openai.AuthenticationError, client.with_options(api_key="wrong").models.list)
    assert wrong_key.type == "authentication_error"
    no_message = raised(openai.BadRequestError, lambda: client.chat.completions.create(model="any", messages=[]))
    assert (no_message.param, no_message.type) == ("messages", "invalid_request_error")
    in_stream = raised(
        openai.BadRequestError, lambda: client.chat.completions.create(**{**BRIEF, "temperature": -1}, stream=True)
    )
    assert in_stream.param == "temperature"
    too_long = [{"role": "user", "content": "lamp " * 3000}]
    long = raised(openai.BadRequestError, lambda: client.chat.completions.create(model="any", messages=too_long))
    assert long.code == "context_length_exceeded"
    assert "nothing" in raised(openai.NotFoundError, lambda: client.models.retrieve("nothing")).message


def rate_limit(client: OpenAI) -> None:
    """Past the places for requests there is a RateLimitError; when they are free again there is an answer."""
    _wait_until_free(client)
    streams = [client.chat.completions.create(**ENDLESS) for _ in range(_look(client, "props")["places"])]
    try:
        error = raised(openai.RateLimitError, lambda: client.chat.completions.create(**BRIEF))
        assert int(error.response.headers["Retry-After"]) >= 1
    finally:
        for stream in streams:
            stream.close()
    _wait_until_free(client)
    # The SDK tries again by itself where it may.
    assert client.with_options(max_retries=2).chat.completions.create(**BRIEF, extra_body=SAY).choices


def closing_a_stream(client: OpenAI) -> None:
    """A stream that is closed gives its place back."""
    stream = client.chat.completions.create(**ENDLESS)
    assert next(iter(stream)).choices
    stream.close()
    _wait_until_free(client)


def timing_out(client: OpenAI) -> None:
    """A client that waits no longer raises APITimeoutError, and the server stops too."""
    body = {**ENDLESS, "stream": False, "timeout": 1.0}
    raised(openai.APITimeoutError, lambda: client.chat.completions.create(**body))
    _wait_until_free(client)


CHECKS: tuple[Callable[[OpenAI], None], ...] = (
    models,
    chat,
    chat_stream_with_usage,
    stream_helper,
    tool_call,
    tool_call_stream,
    parsed_tool_call,
    structured_output,
    choices,
    logprobs,
    completions,
    embeddings,
    responses,
    responses_stream,
    responses_tool_call,
    responses_structured_output,
    asynchronous,
    errors,
    rate_limit,
    closing_a_stream,
    timing_out,
)


def _newer(client: OpenAI) -> Any:
    """Return what has `parse` and `stream`, which was called beta until version 1.92."""
    here: Any = client.chat.completions
    return here if hasattr(here, "parse") else client.beta.chat.completions


def _look(client: OpenAI, route: str) -> Any:
    """Return what one of llama-server's routes tells."""
    address = str(client.base_url).removesuffix("v1/") + route
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {client.api_key}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def _wait_until_free(client: OpenAI) -> None:
    """Wait until no request has a place."""
    end = time.monotonic() + 5
    while any(slot["is_processing"] for slot in _look(client, "slots")):
        assert time.monotonic() < end, "a request keeps its place although its client has gone"
        time.sleep(0.05)


def main(url: str, key: str) -> None:
    """Run every check."""
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as client:
        report({check.__name__: functools.partial(check, client) for check in CHECKS})


if __name__ == "__main__":
    main(*sys.argv[1:])
