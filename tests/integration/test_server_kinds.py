"""Other servers: which kind they are, what they have loaded, and talking to them over text completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from custom_components.home_llm.chat_events import Finish, ReasoningDelta, TextDelta, ToolCall
from custom_components.home_llm.client import (
    HomeLlmAuthenticationError,
    HomeLlmClient,
    HomeLlmConnectionError,
    HomeLlmRedirectError,
    HomeLlmResponseError,
    ServerKind,
    TextMode,
)
from custom_components.home_llm.model_names import near_name, unknown_model
from custom_components.home_llm.prompt_templates import PromptTemplate
from custom_components.home_llm.text_tools import CallFormat
from tests.integration.chat_server import Answer, event
from tests.integration.other_servers import OtherServer, text

TOOL = {
    "type": "function",
    "function": {
        "name": "light.turn_on",
        "parameters": {"type": "object", "properties": {"entity_id": {"type": "string"}}},
    },
}
CALL = '{"name": "light.turn_on", "arguments": {"entity_id": "light.a"}}'


@pytest.fixture(name="other")
async def other_fixture(socket_enabled: None, hass: HomeAssistant) -> AsyncGenerator[OtherServer]:
    """Run a server that is not ours."""
    async with OtherServer() as server:
        yield server


def client_of(hass: HomeAssistant, server: OtherServer, **kwargs: Any) -> HomeLlmClient:
    """Return a client."""
    return HomeLlmClient(async_get_clientsession(hass), server.url, **kwargs)


async def test_any_openai_server(hass: HomeAssistant, other: OtherServer) -> None:
    """A server that answers none of the questions speaks the OpenAI API and no more."""
    info = await client_of(hass, other).async_server_info()
    assert info.kind is ServerKind.OPENAI
    assert not info.is_home_llm


async def test_llama_server(hass: HomeAssistant, other: OtherServer) -> None:
    """Its properties tell it, and the context that its model really has."""
    other.props = {"default_generation_settings": {"n_ctx": 4096}, "build_info": "b1"}
    info = await client_of(hass, other).async_server_info()
    assert info.kind is ServerKind.LLAMA_SERVER
    assert info.models[0].context_size == 4096


async def test_ollama(hass: HomeAssistant, other: OtherServer) -> None:
    """Its version tells it."""
    other.ollama_version = "0.12.0"
    assert (await client_of(hass, other).async_server_info()).kind is ServerKind.OLLAMA


async def test_webui(hass: HomeAssistant, other: OtherServer) -> None:
    """It is believed before those that it imitates, and the model that it has loaded is the default."""
    other.become_webui("b.gguf", "a.gguf")
    other.ollama_version = "0.1.0"
    info = await client_of(hass, other).async_server_info()
    assert info.kind is ServerKind.WEBUI
    assert info.model_ids == ["b.gguf", "a.gguf"]
    other.loaded = None
    assert (await client_of(hass, other).async_server_info()).model_ids == ["a.gguf", "b.gguf"]


async def test_a_kind_that_was_chosen(hass: HomeAssistant, other: OtherServer) -> None:
    """What the user says counts, also against the server's own answers."""
    other.ollama_version = "0.12.0"
    assert (await client_of(hass, other, kind=ServerKind.OPENAI).async_server_info()).kind is ServerKind.OPENAI
    ours = await client_of(hass, other, kind=ServerKind.HOME_LLM).async_server_info()
    assert ours.is_home_llm


async def test_loading_a_model(hass: HomeAssistant, other: OtherServer) -> None:
    """Models are listed and loaded with the admin key, which the API key does not replace."""
    other.become_webui("a.gguf", "b.gguf")
    other.api_key, other.admin_key = "key", "admin"
    client = client_of(hass, other, api_key="key", admin_key="admin")
    assert await client.async_loadable_models() == ["a.gguf", "b.gguf"]
    await client.async_load_model("b.gguf")
    assert await client.async_loaded_model() == "b.gguf"
    with pytest.raises(HomeLlmResponseError, match="Failed to load"):
        await client.async_load_model("c.gguf")
    with pytest.raises(HomeLlmAuthenticationError):
        await client_of(hass, other, api_key="key").async_load_model("a.gguf")


async def test_redirects_are_not_followed(hass: HomeAssistant, other: OtherServer) -> None:
    """A redirect names the new address, without what may be secret in it."""
    other.trouble = "redirect"
    other.location = "https://me:secret@example.org/llm/v1/models?key=1"
    with pytest.raises(HomeLlmRedirectError) as caught:
        await client_of(hass, other).async_models()
    assert caught.value.location == "https://example.org/llm"
    other.location = "http://[broken"
    with pytest.raises(HomeLlmRedirectError):
        await client_of(hass, other).async_models()


@pytest.mark.parametrize("trouble", ["hang", "close"])
async def test_no_answer(
    hass: HomeAssistant, other: OtherServer, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs or hangs up is a connection error, within the time limit."""
    limits = aiohttp.ClientTimeout(total=0.2)
    monkeypatch.setattr("custom_components.home_llm.client.REQUEST_TIMEOUT", limits)
    other.trouble = trouble
    with pytest.raises(HomeLlmConnectionError):
        await client_of(hass, other).async_models()


def text_client(
    hass: HomeAssistant,
    server: OtherServer,
    call_format: CallFormat = CallFormat.TOOL_CALL,
    template: PromptTemplate = PromptTemplate.CHATML,
) -> HomeLlmClient:
    """Return a client that uses text completions."""
    return client_of(hass, server, text=TextMode(template, call_format))


async def test_text_completions(hass: HomeAssistant, other: OtherServer) -> None:
    """The conversation becomes one prompt with the tools in it, and the answer becomes the same events as of a chat."""
    other.script([text("<think>hm</think>\n<tool_", f"call>{CALL}</tool_call>", "\nDone.")])
    request = {
        "model": "m",
        "max_tokens": 5,
        "temperature": 0,
        "tools": [TOOL],
        "tool_choice": "auto",
        "home_llm": {"allowed_values": {}},
        "messages": [
            {"role": "system", "content": "You are Al."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "function": {"name": "light.turn_on", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "{}"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "on"},
        ],
    }
    events = [event async for event in text_client(hass, other).async_chat(request)]
    assert events[0] == ReasoningDelta("hm")
    assert isinstance(events[1], ToolCall)
    assert (events[1].name, events[1].arguments) == ("light.turn_on", {"entity_id": "light.a"})
    assert events[2:] == [TextDelta("Done."), Finish("stop")]
    (sent,) = other.completions
    prompt = sent.pop("prompt")
    assert sent == {
        "model": "m",
        "max_tokens": 5,
        "temperature": 0,
        "stop": ["<|im_end|>", "<|im_start|>"],
        "stream": True,
    }
    assert prompt.startswith('<|im_start|>system\nYou are Al.\n\nTools: [{"type": "function"')
    assert prompt.endswith(
        "<|im_start|>user\na\nb<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>{"name": "light.turn_on", "arguments": {}}</tool_call><|im_end|>\n'
        "<|im_start|>tool\n<tool_response>{}</tool_response><|im_end|>\n"
        "<|im_start|>user\non<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_home_services_over_text_completions(hass: HomeAssistant, other: OtherServer) -> None:
    """Calls are written as lines before their sentence, successes are not told, and services stand there already."""
    other.script([text("light.turn_on(light.a)\n", "Turning on.")])
    call = {"id": "1", "function": {"name": "light.turn_on", "arguments": '{"entity_id": "light.a"}'}}
    request = {
        "tools": [TOOL],
        "home_llm": {"tool_markup": "home", "render_tools": False},
        "stop": "###",
        "messages": [
            {"role": "system", "content": "Services: light.turn_on"},
            {"role": "user", "content": "on"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": '{"data": {"result": "done"}, "error": false}'},
            {"role": "assistant", "content": "Turning on."},
            {"role": "user", "content": "again"},
        ],
    }
    client = text_client(hass, other, CallFormat.JSON, PromptTemplate.VICUNA)
    events = [event async for event in client.async_chat(request)]
    assert isinstance(events[0], ToolCall)
    assert events[1:] == [TextDelta("Turning on."), Finish("stop")]
    (sent,) = other.completions
    assert sent["stop"] == ["</s>", "USER:", "###"]
    assert sent["prompt"] == (
        "Services: light.turn_on\n\nUSER: on\nASSISTANT: light.turn_on(light.a)\nTurning on.</s>\n"
        "USER: again\nASSISTANT:"
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (Answer([event({"choices": [{"text": 1}]})]), "text is not text"),
        (Answer([event({"choices": 1})]), "not a list"),
        (text("<tool_call>{"), "cannot be read"),
    ],
)
async def test_answers_that_are_no_completions(
    hass: HomeAssistant, other: OtherServer, script: Answer, message: str
) -> None:
    """What cannot be read is a response error."""
    other.script([script])
    request = {"messages": [{"role": "user", "content": "on"}], "tools": [TOOL]}
    with pytest.raises(HomeLlmResponseError, match=message):
        _ = [event async for event in text_client(hass, other).async_chat(request)]


async def test_a_completion_without_a_finish_reason(hass: HomeAssistant, other: OtherServer) -> None:
    """The end of the stream is an end; chunks that say nothing are passed over."""
    other.script([Answer([event({"choices": []}), event({"choices": [{"text": "Hi"}]}), event("[DONE]")])])
    request = {"messages": [{"role": "user", "content": "on"}]}
    assert [event async for event in text_client(hass, other).async_chat(request)] == [
        TextDelta("Hi"),
        Finish("stop"),
    ]


async def test_a_completion_that_is_cut(hass: HomeAssistant, other: OtherServer) -> None:
    """A call that the token limit cut off is dropped, and a connection that ends early is an error."""
    request = {"messages": [{"role": "user", "content": "on"}], "tools": [TOOL]}
    other.script([text("Well. ", "<tool_call>{", finish="length"), Answer([event({"choices": [{"text": "a"}]})])])
    client = text_client(hass, other)
    assert [event async for event in client.async_chat(request)] == [TextDelta("Well. "), Finish("length")]
    with pytest.raises(HomeLlmConnectionError):
        _ = [event async for event in client.async_chat(request)]


async def test_pictures_over_text_completions(hass: HomeAssistant, other: OtherServer) -> None:
    """A picture is refused in words before anything is sent."""
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
    request = {"messages": [{"role": "user", "content": content}]}
    with pytest.raises(HomeLlmResponseError, match="pictures"):
        _ = [event async for event in text_client(hass, other).async_chat(request)]
    assert not other.completions


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Home-3B-V3", "home-3b-v3"),
        ("home3b", "home-3b-v3"),
        ("qwen2.5", "qwen2.5:0.5b"),
        ("qwen25-0.5b", "qwen2.5:0.5b"),
        ("llama-3.2-3b", "bartowski/Llama-3.2-3B-Instruct-GGUF"),
        ("zzz", None),
    ],
)
def test_near_names(name: str, near: str | None) -> None:
    """The name that was meant is found whatever its case, its separators and what stands around it."""
    names = ["home-3b-v3", "qwen2.5:0.5b", "bartowski/Llama-3.2-3B-Instruct-GGUF"]
    assert near_name(name, names) == near


def test_exact_names() -> None:
    """A name is right letter by letter or not at all."""
    assert unknown_model("a", ["b", "a"]) is None
    problem = unknown_model("A", ["a"])
    assert problem is not None
    assert (problem.key, problem.placeholders["suggestion"]) == ("unknown_model_near", "a")
    problem = unknown_model("x", [])
    assert problem is not None
    assert problem.key == "unknown_model"
