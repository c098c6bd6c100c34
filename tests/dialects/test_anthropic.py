"""Anthropic's Python client."""

import asyncio
from importlib.metadata import version
from typing import Any, Literal

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from tests.dialects.conftest import Server

pytestmark = pytest.mark.client("anthropic", version("anthropic"))

HELLO: Any = [{"role": "user", "content": "Say hello."}]
SAID = "Grüße, house."
# An answer that is the same every time, whatever the model would rather say.
SAY: Any = {"extra_body": {"grammar": f'root ::= "{SAID}"'}}
BRIEF: Any = {"model": "claude", "messages": HELLO, "max_tokens": 20}
LIGHT: Any = {
    "name": "turn_on",
    "description": "Turn on the light of a room",
    "input_schema": {
        "type": "object",
        "properties": {"room": {"enum": ["hall"]}},
        "required": ["room"],
        "additionalProperties": False,
    },
}
CALL: Any = {
    **BRIEF,
    "max_tokens": 60,
    "tools": [LIGHT],
    "tool_choice": {"type": "tool", "name": "turn_on", "disable_parallel_tool_use": True},
}
ENDLESS: Any = {**BRIEF, "max_tokens": 2000, "extra_body": {"ban_eos_token": True}}


class Light(BaseModel):
    """A light as an answer describes it."""

    room: Literal["hall"]
    on: bool


@pytest.fixture(name="client")
def client_fixture(server: Server) -> Anthropic:
    """Make a client that tries once."""
    return Anthropic(base_url=server.url, api_key=server.key, max_retries=0, timeout=60)


def test_models(client: Anthropic, model: str) -> None:
    """The list of models has the shape that this client reads."""
    page = client.models.list()
    assert [entry.id for entry in page.data] == [model]
    assert page.has_more is False
    assert client.models.retrieve(model).display_name == model


def test_messages(client: Anthropic) -> None:
    """An answer is read into the types of the SDK."""
    answer = client.messages.create(**BRIEF, system="You are a house.", **SAY)
    (block,) = answer.content
    assert block.type == "text"
    assert block.text == SAID
    assert (answer.role, answer.stop_reason) == ("assistant", "end_turn")
    assert answer.usage.output_tokens > 0


def test_stream(client: Anthropic) -> None:
    """The SDK puts the events of a stream together."""
    with client.messages.stream(**BRIEF, **SAY) as stream:
        assert "".join(stream.text_stream) == SAID
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0
    kinds = [event.type for event in client.messages.create(**BRIEF, **SAY, stream=True)]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


def test_tools(client: Anthropic) -> None:
    """A tool that must be called is, and the call and its result are taken back."""
    answer = client.messages.create(**CALL)
    (call,) = answer.content
    assert call.type == "tool_use"
    assert (call.name, call.input) == ("turn_on", {"room": "hall"})
    assert answer.stop_reason == "tool_use"
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "done"}]}
    turn: Any = {"role": "assistant", "content": answer.content}
    again = client.messages.create(**{**BRIEF, "messages": [*HELLO, turn, result]}, tools=[LIGHT])
    assert again.role == "assistant"


def test_tools_stream(client: Anthropic) -> None:
    """The input of a streamed call is put together."""
    with client.messages.stream(**CALL) as stream:
        kinds = {event.type for event in stream}
        (call,) = stream.get_final_message().content
    assert "input_json" in kinds
    assert call.type == "tool_use"
    assert call.input == {"room": "hall"}


def test_tool_runner(client: Anthropic) -> None:
    """The SDK's own loop runs a tool and sends its result, although this server remembers no conversation."""
    lit: list[str] = []

    @anthropic.beta_tool
    def turn_on(room: Literal["hall"]) -> str:
        """Turn on the light of a room.

        Args:
            room: the room
        """
        lit.append(room)
        return "done"

    choice: Any = {"type": "any", "disable_parallel_tool_use": True}
    body: Any = {**BRIEF, "max_tokens": 60, "tool_choice": choice}
    answers = list(client.beta.messages.tool_runner(**body, tools=[turn_on], max_iterations=2))
    assert [answer.stop_reason for answer in answers] == ["tool_use", "tool_use"]
    # The second prompt holds the first one, its call and the result.
    prompts = [answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) for answer in answers]
    assert prompts[1] > prompts[0] + 10
    assert lit == ["hall", "hall"]


def test_structured_output(client: Anthropic) -> None:
    """An answer under a schema is read into a model of pydantic's."""
    answer = client.messages.parse(**{**BRIEF, "max_tokens": 40}, output_format=Light)
    assert isinstance(answer.parsed_output, Light)


def test_count_tokens(client: Anthropic) -> None:
    """The tokens of a request are those that it has when it is sent."""
    count = client.messages.count_tokens(model="claude", messages=HELLO, tools=[LIGHT]).input_tokens
    usage = client.messages.create(**BRIEF, tools=[LIGHT]).usage
    assert count == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_thinking(client: Anthropic) -> None:
    """Whether to think can be said, also to a model that never does."""
    answer = client.messages.create(
        **{**BRIEF, "max_tokens": 1100}, thinking={"type": "enabled", "budget_tokens": 1024}, **SAY
    )
    assert [block.type for block in answer.content] == ["text"]


def test_errors(client: Anthropic, server: Server) -> None:
    """What is wrong is raised as the exception that the SDK has for it."""
    with pytest.raises(anthropic.AuthenticationError) as wrong_key:
        Anthropic(base_url=server.url, api_key="wrong", max_retries=0).messages.create(**BRIEF)
    assert wrong_key.value.type == "authentication_error"
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(**{**BRIEF, "messages": []})
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**BRIEF, extra_body={"temperature": -1}, stream=True)
    with pytest.raises(anthropic.NotFoundError, match="nothing"):
        client.models.retrieve("nothing")


def test_rate_limit(client: Anthropic, server: Server) -> None:
    """Past the places for requests there is a RateLimitError."""
    server.wait_until_free()
    streams = [client.messages.create(**ENDLESS, stream=True) for _ in range(server.ask("/props")["places"])]
    try:
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(**BRIEF)
    finally:
        for stream in streams:
            stream.close()
    server.wait_until_free()


def test_asynchronous(server: Server) -> None:
    """The asynchronous client streams two answers at once."""

    async def ask(other: AsyncAnthropic) -> str:
        async with other.messages.stream(**BRIEF, **SAY) as stream:
            return await stream.get_final_text()

    async def ask_twice() -> list[str]:
        async with AsyncAnthropic(base_url=server.url, api_key=server.key, max_retries=0) as other:
            return await asyncio.gather(ask(other), ask(other))

    assert asyncio.run(ask_twice()) == [SAID, SAID]


def test_closing_a_stream(client: Anthropic, server: Server) -> None:
    """A stream that is closed, and a client that waits no longer, give their places back."""
    stream = client.messages.create(**ENDLESS, stream=True)
    assert next(iter(stream)).type == "message_start"
    stream.close()
    server.wait_until_free()
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=1).messages.create(**ENDLESS)
    server.wait_until_free()
