"""The client against a real HTTP server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from custom_components.home_llm.chat_events import ChatEvent, Finish, TextDelta, ToolCall
from custom_components.home_llm.client import (
    HomeLlmAuthenticationError,
    HomeLlmClient,
    HomeLlmConnectionError,
    HomeLlmError,
    HomeLlmResponseError,
    HomeLlmUnavailableError,
    host_and_port,
    normalize_url,
)
from tests.integration.chat_server import Answer, ChatServer, answer, call, chunk, error, event

REQUEST: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(name="client")
async def client_fixture(hass: HomeAssistant, server: ChatServer) -> HomeLlmClient:
    """Return a client without a key."""
    return HomeLlmClient(async_get_clientsession(hass), server.url)


async def chat(client: HomeLlmClient) -> list[ChatEvent]:
    """Return all events of an answer."""
    return [event async for event in client.async_chat(REQUEST)]


async def test_models_of_our_server(client: HomeLlmClient) -> None:
    """A Home LLM server is known by the owner of its models, and its health is read."""
    info = await client.async_server_info()
    assert info.is_home_llm
    assert info.default_model == "embedded"
    assert info.models[0].context_size == 2048
    assert info.health is not None
    assert info.health.version == "0.1.0"


async def test_models_of_another_server(client: HomeLlmClient, server: ChatServer) -> None:
    """Another server is not asked for its health."""
    server.owned_by = "user"
    info = await client.async_server_info()
    assert not info.is_home_llm
    assert info.health is None


async def test_our_server_while_it_downloads_its_first_model(client: HomeLlmClient, server: ChatServer) -> None:
    """With no model to list, the health tells that the server is ours, and how far it is."""
    server.models = []
    server.health = {
        "status": "downloading",
        "message": "x",
        "version": "0.1.0",
        "download": {"percent": 43.5},
    }
    info = await client.async_server_info()
    assert info.is_home_llm
    assert info.default_model is None
    assert info.health is not None
    assert info.health.percent == 43.5


async def test_another_server_without_models(client: HomeLlmClient, server: ChatServer) -> None:
    """A server with an empty list and no health of ours is another server."""
    server.models = []
    server.health = {"status": "ok"}
    assert not (await client.async_server_info()).is_home_llm


async def test_key(hass: HomeAssistant, server: ChatServer) -> None:
    """The key is sent as a bearer token, and a wrong one is an authentication error with the server's words."""
    server.api_key = "secret"
    session = async_get_clientsession(hass)
    assert await HomeLlmClient(session, server.url, "secret").async_models()
    with pytest.raises(HomeLlmAuthenticationError, match="Wrong API key"):
        await HomeLlmClient(session, server.url, "wrong").async_models()
    with pytest.raises(HomeLlmAuthenticationError):
        await chat(HomeLlmClient(session, server.url))


@pytest.mark.parametrize("models", ["<html>Welcome</html>", "not json"])
async def test_models_that_are_no_models(client: HomeLlmClient, server: ChatServer, models: str) -> None:
    """A server that answers something else is a response error."""
    server.models = models
    with pytest.raises(HomeLlmResponseError):
        await client.async_models()


async def test_models_while_loading(client: HomeLlmClient, server: ChatServer) -> None:
    """llama-server answers 503 until its model is loaded."""
    server.models_status = 503
    with pytest.raises(HomeLlmUnavailableError):
        await client.async_models()


async def test_no_server(hass: HomeAssistant, socket_enabled: None) -> None:
    """A closed port and an address that is none are connection errors."""
    session = async_get_clientsession(hass)
    for url in ("http://127.0.0.1:9", "nonsense", "http://"):
        with pytest.raises(HomeLlmConnectionError):
            await HomeLlmClient(session, url).async_models()


async def test_answer(client: HomeLlmClient, server: ChatServer) -> None:
    """An answer with a call, keep-alive chunks and text is streamed, and asked for as a stream."""
    server.script(
        [
            answer(
                chunk({}),
                call("light.turn_on", {"entity_id": "light.a"}, call_id="c"),
                chunk({}),
                "On",
                " it is.",
            )
        ]
    )
    assert await chat(client) == [
        ToolCall("c", "light.turn_on", {"entity_id": "light.a"}),
        TextDelta("On"),
        TextDelta(" it is."),
        Finish("stop"),
    ]
    assert server.requests == [{**REQUEST, "stream": True, "stream_options": {"include_usage": True}}]


async def test_answer_byte_by_byte(client: HomeLlmClient, server: ChatServer) -> None:
    """The answer is the same when every byte comes alone."""
    whole = b"".join(answer(call("a.b", {"entity_id": "ü"}, call_id="c"), "Küche").parts)
    server.script([Answer([bytes([byte]) for byte in whole])])
    assert await chat(client) == [
        ToolCall("c", "a.b", {"entity_id": "ü"}),
        TextDelta("Küche"),
        Finish("stop"),
    ]


async def test_answer_without_done(client: HomeLlmClient, server: ChatServer) -> None:
    """A finish reason is enough of an end."""
    server.script([Answer([chunk({"content": "Hi"}), chunk({}, "stop")])])
    assert await chat(client) == [TextDelta("Hi"), Finish("stop")]


@pytest.mark.parametrize("cut", [False, True])
async def test_cut_answer(client: HomeLlmClient, server: ChatServer, cut: bool) -> None:
    """A stream that ends in the middle is a connection error, and its open call is never handed out."""
    server.script([Answer([chunk({"content": "Hi"}), call("a.b", {})], cut=cut)])
    async with aclosing(client.async_chat(REQUEST)) as events:
        assert await anext(events) == TextDelta("Hi")
        with pytest.raises(HomeLlmConnectionError):
            await anext(events)


@pytest.mark.parametrize(
    ("script", "expected", "message"),
    [
        (error(400, "n_ctx is 2048, the prompt has 3000 tokens"), HomeLlmResponseError, "3000 tokens"),
        (error(401, "no"), HomeLlmAuthenticationError, "no"),
        (error(403, "no"), HomeLlmAuthenticationError, "no"),
        (error(503, "Downloading, 43 %"), HomeLlmUnavailableError, "43 %"),
        (error(429, "busy"), HomeLlmUnavailableError, "busy"),
        (error(500, "boom"), HomeLlmResponseError, "boom"),
        (Answer([b'{"error": "text"}'], 500, "application/json"), HomeLlmResponseError, "text"),
        (Answer([b'{"detail": "nope"}'], 404, "application/json"), HomeLlmResponseError, "nope"),
        (Answer([b"[]"], 500, "application/json"), HomeLlmResponseError, "HTTP 500"),
        (Answer([b"<html>x</html>"], 502, "text/html"), HomeLlmUnavailableError, "HTTP 502"),
        (Answer([b"plain words"], 500, "text/plain"), HomeLlmResponseError, "plain words"),
        (Answer([b"<html>x</html>"], 200, "text/html"), HomeLlmResponseError, "did not stream"),
        (Answer([b'{"choices": []}'], 200, "application/json"), HomeLlmResponseError, "did not stream"),
        (Answer([event({"error": {"message": "out of memory"}})]), HomeLlmResponseError, "out of memory"),
        (Answer([event({"error": {"message": "m", "code": 503}})]), HomeLlmUnavailableError, "m"),
        (Answer([event({"error": {"message": "m", "code": 401}})]), HomeLlmAuthenticationError, "m"),
        (Answer([event({"error": "words"})]), HomeLlmResponseError, "words"),
        (Answer([event("{broken")]), HomeLlmResponseError, "not JSON"),
        (Answer([event("[]")]), HomeLlmResponseError, "not an object"),
        (Answer([b"data: \xff\n\n"]), HomeLlmResponseError, "event stream"),
        (Answer([chunk({"content": 1})]), HomeLlmResponseError, "cannot be read"),
        (Answer([event("")]), HomeLlmConnectionError, "ended before"),
    ],
)
async def test_errors(
    client: HomeLlmClient, server: ChatServer, script: Answer, expected: type[HomeLlmError], message: str
) -> None:
    """Everything that a server can do wrong ends in one of our errors, with words."""
    server.script([script])
    with pytest.raises(HomeLlmError, match=message) as caught:
        await chat(client)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("header", "seconds"), [({"Retry-After": "7"}, 7), ({}, None), ({"Retry-After": "Fri, 31 Dec"}, None)]
)
async def test_retry_after(
    client: HomeLlmClient, server: ChatServer, header: dict[str, str], seconds: float | None
) -> None:
    """The time to wait is kept where it is given in seconds."""
    server.script([error(503, "loading", **header)])
    with pytest.raises(HomeLlmUnavailableError) as caught:
        await chat(client)
    assert caught.value.retry_after == seconds


async def test_leaving_early_closes_the_connection(client: HomeLlmClient, server: ChatServer) -> None:
    """A consumer that stops reading stops the generation."""
    server.script([Answer([chunk({"content": "Hi"})], hang=True)])
    async with aclosing(client.async_chat(REQUEST)) as events:
        assert await anext(events) == TextDelta("Hi")
    async with asyncio.timeout(5):
        await server.aborted.wait()


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://host:5000", "http://host:5000"),
        (" http://host:5000/ ", "http://host:5000"),
        ("http://host:5000/v1/", "http://host:5000"),
        ("https://host/llm/v1", "https://host/llm"),
    ],
)
def test_normalize_url(url: str, normal: str) -> None:
    """Addresses are stored in one form."""
    assert normalize_url(url) == normal


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://host:5000/v1", ("host", 5000)),
        ("http://HOST", ("host", 80)),
        ("https://host", ("host", 443)),
        ("http://host:99999", ("host", 80)),
    ],
)
def test_host_and_port(url: str, place: tuple[str, int]) -> None:
    """The place behind an address is compared, not its spelling."""
    assert host_and_port(url) == place
