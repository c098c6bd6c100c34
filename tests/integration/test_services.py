"""The actions of the integration."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.integration.chat_server import Answer, ChatServer, answer, call, error, event
from tests.integration.conversing import AGENT, KITCHEN, is_on


async def act(hass: HomeAssistant, service: str, **data: Any) -> Any:
    """Run an action and return its response."""
    return await hass.services.async_call("home_llm", service, data, blocking=True, return_response=True)


def counted(reply: Answer, **usage: int) -> Answer:
    """Return an answer that tells its usage before it ends."""
    details = {"cached_tokens": usage.pop("cached_tokens")} if "cached_tokens" in usage else None
    chunk = event({"choices": [], "usage": {**usage, "prompt_tokens_details": details}})
    return Answer([*reply.parts[:-1], chunk, reply.parts[-1]])


async def test_ask(hass: HomeAssistant, house: None, entry: MockConfigEntry, server: ChatServer) -> None:
    """The response tells what was said and done, and what both rounds took together."""
    server.script(
        [
            counted(
                answer(call("light.turn_on", {"entity_id": "light.attic_light"}), finish="tool_calls"),
                prompt_tokens=100,
                completion_tokens=10,
                cached_tokens=90,
            ),
            counted(answer(call("light.turn_on", KITCHEN), "Turned on."), prompt_tokens=120, completion_tokens=12),
        ]
    )
    response = await act(hass, "ask", entity_id=AGENT, text="turn on the lights")
    assert response["text"] == "Turned on."
    assert response["error"] is None
    assert response["calls"] == [
        {"tool": "light.turn_on", "arguments": {"entity_id": "light.attic_light"}, "success": False},
        {"tool": "light.turn_on", "arguments": KITCHEN, "success": True},
    ]
    assert response["tokens"] == {"prompt": 220, "cached": 90, "completion": 22}
    assert 0 <= response["latency"]["first_token"] <= response["latency"]["total"]
    assert response["latency"]["tokens_per_second"] > 0
    assert response["continue_conversation"] is False
    assert is_on(hass, "light.kitchen_light")


async def test_ask_again(hass: HomeAssistant, house: None, entry: MockConfigEntry, server: ChatServer) -> None:
    """A conversation goes on, and tells only what the last turn did; a failed turn leaves no trace in it."""
    server.script([answer(call("light.turn_on", KITCHEN), "Done it."), error(500, "oops"), answer("As I said?")])
    first = await act(hass, "ask", entity_id=AGENT, text="turn it on")
    conversation_id = first["conversation_id"]
    failed = await act(hass, "ask", entity_id=AGENT, text="well", conversation_id=conversation_id)
    assert failed["error"] == "unknown"
    assert "oops" in failed["text"]
    assert failed["tokens"] == {"prompt": None, "cached": None, "completion": None}
    assert failed["latency"]["first_token"] is None
    again = await act(
        hass, "ask", entity_id=AGENT, text="what did you do", conversation_id=conversation_id, language="de"
    )
    assert again["text"] == "As I said?"
    assert again["calls"] == []
    assert again["continue_conversation"] is True
    said = [message["content"] for message in server.requests[-1]["messages"] if message["role"] == "user"]
    assert said[-2:] == ["turn it on", "what did you do"]


@pytest.mark.parametrize("service", ["ask", "warm"])
@pytest.mark.parametrize("entity_id", ["conversation.home_assistant", "light.kitchen_light", "conversation.nobody"])
async def test_not_an_agent(
    hass: HomeAssistant, house: None, entry: MockConfigEntry, service: str, entity_id: str
) -> None:
    """Entities of others are refused by name."""
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, service, entity_id=entity_id, **({"text": "hello"} if service == "ask" else {}))
    assert raised.value.translation_key == "not_an_agent"


async def test_agents_that_are_not_there(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An agent whose server is not loaded, and one that is disabled, cannot be asked."""
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError):
        await act(hass, "ask", entity_id=AGENT, text="hello")
    er.async_get(hass).async_update_entity(AGENT, disabled_by=er.RegistryEntryDisabler.USER)
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, "ask", entity_id=AGENT, text="hello")
    assert raised.value.translation_key == "not_an_agent"


async def test_load_model(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The model is loaded with the key that is given, and the response is what the server says afterwards."""
    assert server.health is not None
    server.health["model"] = "Home-1B-v3"
    response = await act(hass, "load_model", model="home-1b-v3", context_size=4096, admin_key="boss")
    assert server.loads == [("Bearer boss", {"model_name": "home-1b-v3", "args": {"ctx_size": 4096}})]
    assert response["model"] == "Home-1B-v3"
    assert response["context_size"] == 2048
    assert response["seconds"] >= 0


async def test_load_model_with_the_stored_key(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The admin key of the server is used where it has one, and its API key otherwise."""
    server.api_key = "api"
    for data in ({"api_key": "api"}, {"api_key": "api", "admin_key": "stored"}):
        hass.config_entries.async_update_entry(entry, data={"url": server.url, **data})
        await hass.async_block_till_done()
        await act(hass, "load_model", config_entry_id=entry.entry_id, model="x")
    assert server.loads == [("Bearer api", {"model_name": "x"}), ("Bearer stored", {"model_name": "x"})]


@pytest.mark.parametrize(("status", "key"), [(404, "load_failed"), (401, "invalid_auth"), (503, "unavailable")])
async def test_load_model_fails(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, status: int, key: str
) -> None:
    """What the server says is in the error."""
    server.load_status = status
    server.load_answer = {"error": {"message": "No way."}}
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass, "load_model", model="x")
    assert raised.value.translation_key == key
    assert "No way." in str(raised.value)


async def test_load_model_of_something_else(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """An answer that is no JSON, as a proxy's page, is not taken for a success."""
    server.load_answer = b"<html>Welcome</html>"
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass, "load_model", model="x")
    assert raised.value.translation_key == "load_failed"


async def test_warm(hass: HomeAssistant, house: None, entry: MockConfigEntry, server: ChatServer) -> None:
    """The response tells how much there was to read, also when it had been read before."""
    server.warm_answer = {"usage": {"prompt_tokens": 300, "prompt_tokens_details": {"cached_tokens": 299}}}
    response = await act(hass, "warm", entity_id=AGENT)
    warmed = response["agents"][AGENT]
    assert warmed.pop("seconds") >= 0
    assert warmed == {"prompt_tokens": 300, "cached_tokens": 299}
    before = len(server.warmed)
    await hass.services.async_call("home_llm", "warm", {"entity_id": [AGENT]}, blocking=True)
    assert len(server.warmed) == before + 1


async def test_warm_fails(hass: HomeAssistant, house: None, entry: MockConfigEntry, server: ChatServer) -> None:
    """Here an error is raised, and a server of another kind is said to be one."""
    server.warm_status = 503
    server.warm_answer = {"error": {"message": "Loading."}}
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass, "warm", entity_id=AGENT)
    assert raised.value.translation_key == "unavailable"
    server.owned_by = "user"
    await entry.runtime_data.async_refresh()
    with pytest.raises(HomeAssistantError) as raised:
        await act(hass, "warm", entity_id=AGENT)
    assert raised.value.translation_key == "warm_unsupported"


async def test_the_actions_are_there_without_a_server(hass: HomeAssistant, core: None) -> None:
    """An automation that uses one is valid also while the server is not set up."""
    assert await async_setup_component(hass, "home_llm", {})
    assert set(hass.services.async_services_for_domain("home_llm")) == {"ask", "load_model", "warm"}
