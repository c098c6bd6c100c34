"""Ollama's Python client."""

import asyncio
from importlib.metadata import version
from typing import Any, Literal

import httpx
import ollama
import pytest
from pydantic import BaseModel

from tests.dialects.conftest import Server

pytestmark = pytest.mark.client("ollama", version("ollama"))

HELLO = [{"role": "user", "content": "Say hello."}]
SHORT = {"temperature": 0, "num_predict": 20}
SAID = '"Good morning, house."'
SAY: dict[str, Any] = {"format": {"const": "Good morning, house."}, "options": SHORT}


class Light(BaseModel):
    """A light as an answer describes it."""

    room: Literal["hall"]
    on: bool


def turn_on(room: str) -> str:
    """Turn on the light of a room.

    Args:
        room: the name of the room

    Returns:
        what happened
    """
    return f"{room} is on"


@pytest.fixture(name="client")
def client_fixture(server: Server) -> ollama.Client:
    """Make a client that sends the key, as Home Assistant does."""
    return ollama.Client(host=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60)


def test_list(client: ollama.Client, model: str) -> None:
    """The models on this machine are listed with what is known of them."""
    found = {entry.model: entry for entry in client.list().models}
    entry = found[f"{model}:latest"]
    assert entry.size is not None
    assert entry.size > 10_000_000
    assert entry.modified_at is not None
    assert entry.details is not None
    assert entry.details.quantization_level == "Q4_1"


def test_show(client: ollama.Client, model: str) -> None:
    """A model tells of itself, and what it can do."""
    shown = client.show(model)
    assert "tools" in (shown.capabilities or ())
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert "<|im_start|>" in (shown.template or "")


def test_ps(client: ollama.Client, model: str) -> None:
    """The model that is in the memory is told."""
    (process,) = client.ps().models
    assert process.model == f"{model}:latest"
    assert process.context_length == 2048


def test_chat(client: ollama.Client, model: str) -> None:
    """An answer in one piece is read into the types of the client."""
    answer = client.chat(model, HELLO, **SAY)
    assert answer.message.content == SAID
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.eval_count
    assert answer.total_duration
    short = client.chat(model, HELLO, options={"num_predict": 1}, keep_alive=-1)
    assert (short.done_reason, short.eval_count) == ("length", 1)


def test_stream(client: ollama.Client, model: str) -> None:
    """The lines of a stream are the whole answer, and the last one says why it ended."""
    *parts, last = list(client.chat(model, HELLO, stream=True, **SAY))
    assert "".join(part.message.content or "" for part in parts) == SAID
    assert not any(part.done for part in parts)
    assert (last.done, last.done_reason) == (True, "stop")


def test_tools(client: ollama.Client, model: str, server: Server) -> None:
    """A Python function is offered as a tool, and its calls have objects as arguments, whole and streamed."""
    # Whether to call is the model's choice: a call, or else the number 7, which is banned.
    options = {**SHORT, "num_predict": 60, "custom_token_bans": str(server.token("7"))}
    request: Any = {"model": model, "tools": [turn_on], "format": {"const": 7}, "options": options}
    answer = client.chat(messages=HELLO, **request)
    calls = list(answer.message.tool_calls or ())
    assert calls
    assert {call.function.name for call in calls} == {"turn_on"}
    assert isinstance(calls[0].function.arguments["room"], str)
    parts = list(client.chat(messages=HELLO, stream=True, **request))
    assert next(call for part in parts for call in part.message.tool_calls or ()).function.name == "turn_on"
    results = [{"role": "tool", "content": "ok", "tool_name": call.function.name} for call in calls]
    assert client.chat(model, [*HELLO, answer.message, *results], tools=[turn_on], options=SHORT).done


def test_format(client: ollama.Client, model: str) -> None:
    """An answer under the schema of a model of pydantic's is one."""
    answer = client.chat(model, HELLO, format=Light.model_json_schema(), options={**SHORT, "num_predict": 40})
    assert Light.model_validate_json(answer.message.content or "").room == "hall"
    free = client.chat(model, HELLO, format="json", options={**SHORT, "num_predict": 8})
    assert (free.message.content or "").startswith("{")


def test_think(client: ollama.Client, model: str) -> None:
    """Whether to think can be said, also to a model that never does."""
    for think in (False, True):
        answer = client.chat(model, HELLO, think=think, **SAY)
        assert (answer.message.content, answer.message.thinking) == (SAID, None)


def test_generate(client: ollama.Client, model: str) -> None:
    """A prompt is answered, whole and streamed, and a raw one is continued as it stands."""
    answer = client.generate(model, "Say hello.", system="You are a house.", **SAY)
    assert (answer.response, answer.done_reason) == (SAID, "stop")
    parts = list(client.generate(model, "Say hello.", stream=True, **SAY))
    assert "".join(part.response for part in parts) == SAID
    raw = client.generate(model, "The capital of France is", raw=True, options={**SHORT, "num_predict": 1})
    assert raw.prompt_eval_count == 5


def test_embed(client: ollama.Client, model: str) -> None:
    """Vectors are made of one text and of several, also by the older route."""
    answer = client.embed(model, ["the hall light", "the kitchen light"])
    one, other = answer.embeddings
    assert len(one) == len(other) > 100
    assert client.embed(model, "the hall light").embeddings[0] == pytest.approx(one, abs=0.01)
    assert len(client.embeddings(model, "the hall light").embedding) == len(one)


def test_pull(client: ollama.Client) -> None:
    """A model that is here already is pulled at once, whole and streamed."""
    assert client.pull("embedded").status == "success"
    assert [part.status for part in client.pull("embedded", stream=True)][-1] == "success"


def test_errors(client: ollama.Client, model: str, server: Server) -> None:
    """What is wrong is a ResponseError with the status and the server's words, also where a stream was asked for."""
    with pytest.raises(ollama.ResponseError, match=r"model 'llama3\.2' not found") as unknown:
        client.chat("llama3.2", HELLO)
    assert unknown.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="temperature") as wrong:
        list(client.chat(model, HELLO, options={"temperature": -1}, stream=True))
    assert wrong.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match="key") as refused:
        ollama.Client(host=server.url, headers={"Authorization": "Bearer wrong"}).list()
    assert refused.value.status_code == 401


def test_asynchronous(client: ollama.Client, model: str, server: Server) -> None:
    """The asynchronous client, which Home Assistant uses, streams two answers at once."""

    async def ask(other: ollama.AsyncClient) -> str:
        stream = await other.chat(model, HELLO, stream=True, **SAY)
        return "".join([part.message.content or "" async for part in stream])

    async def ask_twice() -> list[str]:
        other = ollama.AsyncClient(host=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60)
        return await asyncio.gather(ask(other), ask(other))

    assert asyncio.run(ask_twice()) == [SAID, SAID]


def test_closing_a_stream(client: ollama.Client, model: str, server: Server) -> None:
    """A stream that is closed, and a client that waits no longer, give their places back."""
    stream = client.chat(model, HELLO, stream=True, options={"num_predict": -1, "ignore_eos": True})
    assert next(stream).done is False
    stream.close()
    server.wait_until_free()
    hasty = ollama.Client(host=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=1)
    with pytest.raises(httpx.ReadTimeout):
        hasty.chat(model, HELLO, options={"num_predict": -1, "ignore_eos": True})
    server.wait_until_free()
