"""Keeping prompts warm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.home_llm.const import UPDATE_INTERVAL_CONNECTED, WARM_COOLDOWN
from tests.integration.chat_server import ChatServer, answer
from tests.integration.conftest import make_entry
from tests.integration.conversing import AGENT, say


@pytest.fixture(name="agent")
async def agent_fixture(hass: HomeAssistant, house: None, server: ChatServer) -> MockConfigEntry:
    """Set up a house and an agent, and wait for what is warmed at the start."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    return entry


async def pass_time(hass: HomeAssistant, delta: timedelta = WARM_COOLDOWN) -> None:
    """Let Home Assistant's clock go on."""
    async_fire_time_changed(hass, dt_util.utcnow() + delta + timedelta(seconds=1))
    await hass.async_block_till_done(wait_background_tasks=True)


def prompt(request: dict[str, Any]) -> dict[str, Any]:
    """Return what the server makes the prompt of."""
    return {key: request.get(key) for key in ("model", "tools", "home_llm")}


async def test_at_start(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """The prefix is read once, and is what the next turn begins with, byte for byte."""
    (warmed,) = server.warmed
    server.script([answer("Hello.")])
    await say(hass, "hello")
    (request,) = server.requests
    assert prompt(warmed) == prompt(request)
    assert warmed["messages"] == request["messages"][:-1]
    assert request["messages"][-1] == {"role": "user", "content": "hello"}
    assert warmed["messages"][-1]["role"] != "user"


async def test_not_before_home_assistant_has_started(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """While integrations still come up, the prompt would be another one soon."""
    hass.set_state(CoreState.starting)
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert server.warmed == []
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(server.warmed) == 1


async def test_when_the_model_is_ready(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """A server that loads is left alone until it has loaded; another model is warmed again."""
    assert server.health is not None
    server.health["status"] = "loading"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert server.warmed == []
    await pass_time(hass)
    assert server.warmed == []
    server.health["status"] = "ok"
    for _ in range(2):
        await entry.runtime_data.async_refresh()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert len(server.warmed) == 1
    server.health["model"] = "another"
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(server.warmed) == 2


async def test_when_the_server_comes_back(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """It may have been started anew, so that it reads the same prompt again."""
    await server.stop()
    await agent.runtime_data.async_refresh()
    await server.start()
    await agent.runtime_data.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(server.warmed) == 2
    assert server.warmed[0] == server.warmed[1]


def _expose(hass: HomeAssistant) -> None:
    async_expose_entity(hass, "conversation", "light.safe_light", should_expose=True)


def _rename(hass: HomeAssistant) -> None:
    er.async_get(hass).async_update_entity("light.kitchen_light", name="Chandelier")


def _move(hass: HomeAssistant) -> None:
    area = ar.async_get(hass).async_create("Cellar")
    er.async_get(hass).async_update_entity("light.bedroom_light", area_id=area.id)


@pytest.mark.parametrize("change", [_expose, _rename, _move])
async def test_when_the_house_changes(
    hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer, change: Callable[[HomeAssistant], None]
) -> None:
    """A change is waited for to be the last one, and then the new prompt is read once."""
    change(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(server.warmed) == 1
    await pass_time(hass)
    assert len(server.warmed) == 2
    assert server.warmed[0] != server.warmed[1]
    await pass_time(hass, UPDATE_INTERVAL_CONNECTED)
    assert len(server.warmed) == 2


async def test_what_does_not_change_the_prompt(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """A new area without devices is noticed but not read, and a state or an icon is not even noticed."""
    ar.async_get(hass).async_create("Roof")
    await pass_time(hass)
    er.async_get(hass).async_update_entity("light.kitchen_light", icon="mdi:lamp")
    await hass.services.async_call("light", "turn_on", {"entity_id": "light.kitchen_light"}, blocking=True)
    assert agent.runtime_data.warmth._cancel_timer is None
    assert len(server.warmed) == 1


async def test_when_the_agent_changes(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """Other instructions are read at once."""
    (subentry,) = agent.subentries.values()
    hass.config_entries.async_update_subentry(agent, subentry, data={**subentry.data, "prompt": "Be a pirate."})
    await hass.async_block_till_done(wait_background_tasks=True)
    assert "Be a pirate." in server.warmed[-1]["messages"][0]["content"]


async def test_on_wake_word(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """Preparing the agent reads the prompt, also one that was read before: the server may have forgotten it."""
    # Two satellites that hear the same word are one reason.
    await asyncio.gather(*(conversation.async_prepare_agent(hass, AGENT, "en") for _ in range(2)))
    assert len(server.warmed) == 2
    # Warming is no concern of the person who speaks.
    await server.stop()
    await conversation.async_prepare_agent(hass, AGENT, "en")


async def test_another_server_is_not_warmed(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """The route is ours."""
    server.owned_by = "user"
    server.health = None
    entry = make_entry(server, tool_mode="assist")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await conversation.async_prepare_agent(hass, AGENT, "en")
    await pass_time(hass)
    assert server.warmed == []


@pytest.mark.parametrize("mode", ["assist", "home"])
async def test_an_older_server(
    hass: HomeAssistant, house: None, server: ChatServer, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server without the route is no error; nor is a prompt that cannot be made."""
    caplog.set_level(logging.DEBUG, "custom_components.home_llm")
    server.warm_answer = None
    entry = make_entry(server, tool_mode=mode, prompt="{{ nonsense(" if mode == "assist" else "Hello")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert "Could not warm Al" in caplog.text
    assert "Traceback" not in caplog.text


async def test_unloading_stops_it(hass: HomeAssistant, agent: MockConfigEntry, server: ChatServer) -> None:
    """No timer, no listener and no agent is left."""
    _expose(hass)
    warmth = agent.runtime_data.warmth
    assert warmth._cancel_timer is not None
    assert await hass.config_entries.async_unload(agent.entry_id)
    assert warmth._cancel_timer is None
    assert warmth._agents == {}
    _rename(hass)
    await pass_time(hass)
    assert len(server.warmed) == 1
