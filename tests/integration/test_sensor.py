"""Sensors of the server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.home_llm.client import HomeLlmConnectionError
from custom_components.home_llm.const import UPDATE_INTERVAL_CONNECTED
from custom_components.home_llm.server_routes import async_queue
from tests.integration.chat_server import Answer, ChatServer, chunk, event
from tests.integration.conftest import make_entry
from tests.integration.conversing import say

TIMINGS = {"cache_n": 90, "prompt_n": 10, "predicted_n": 20, "predicted_per_second": 42.5}


def value(hass: HomeAssistant, key: str) -> str | None:
    """Return the state of a sensor, None where there is none."""
    state = hass.states.get(f"sensor.home_llm_server_{key}")
    return state.state if state else None


def timed_answer() -> Answer:
    """Return an answer with the timings of a Home LLM server."""
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": TIMINGS}
    return Answer([chunk({"content": "Hello."}), event(finish), event("[DONE]")])


async def test_sensors_of_the_last_answer(hass: HomeAssistant, house: None, entry: MockConfigEntry) -> None:
    """They are unknown before an answer and show it afterwards, on a device of the server."""
    assert value(hass, "model") == "embedded"
    assert value(hass, "time_to_first_token") == STATE_UNKNOWN
    assert value(hass, "tokens_per_second") == STATE_UNKNOWN
    registered = er.async_get(hass).async_get("sensor.home_llm_server_model")
    assert registered is not None
    assert registered.entity_category is EntityCategory.DIAGNOSTIC
    device = dr.async_get(hass).async_get_device_by_identifier(("home_llm", entry.entry_id), entry.entry_id)
    assert device is not None
    assert device.name == "Home LLM server"
    assert device.sw_version == "0.1.0"


async def enable_all(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Enable the sensors that are disabled by default, as a person would."""
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()


async def test_all_sensors(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """With the noisy ones enabled, an answer shows in all of them; tokens add up."""
    server.metrics = "llamacpp:requests_processing 1\nllamacpp:requests_deferred 2\n"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await enable_all(hass, entry)
    assert value(hass, "tokens_used") == "0"
    assert value(hass, "cache_hit_rate") == STATE_UNKNOWN
    server.script([timed_answer(), timed_answer()])
    await say(hass, "hello")
    await say(hass, "hello")
    assert value(hass, "tokens_per_second") == "42.5"
    assert value(hass, "cache_hit_rate") == "90.0"
    assert value(hass, "tokens_used") == "240"
    first = value(hass, "time_to_first_token")
    assert first is not None
    assert 0 < float(first) < 5
    async_fire_time_changed(hass, dt_util.utcnow() + UPDATE_INTERVAL_CONNECTED + timedelta(seconds=1))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert value(hass, "requests_in_queue") == "3"


async def test_noisy_sensors_are_disabled(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """They are registered but not there, and the metrics that nobody wants are not asked for."""
    assert value(hass, "requests_in_queue") is None
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    disabled = {
        entity.translation_key for entity in entities if entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    }
    assert disabled == {"cache_hit_rate", "queue", "tokens_used"}
    assert entry.runtime_data.queue is None


async def test_a_server_without_metrics(hass: HomeAssistant, server: ChatServer) -> None:
    """Its slots tell the queue, and without them only that is unavailable; a server that is away has no values."""
    server.owned_by = "user"
    server.health = None
    entry = make_entry(server, tool_mode="assist")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await enable_all(hass, entry)
    assert value(hass, "requests_in_queue") == STATE_UNAVAILABLE
    assert value(hass, "model") == "embedded"
    server.slots = [{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}]
    await entry.runtime_data.async_refresh()
    assert value(hass, "requests_in_queue") == "1"
    server.slots = None
    await server.stop()
    with pytest.raises(HomeLlmConnectionError):
        await async_queue(entry.runtime_data.client)
    await entry.runtime_data.async_refresh()
    assert value(hass, "model") == STATE_UNAVAILABLE
