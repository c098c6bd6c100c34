"""Setting up a server, losing it, and unloading it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers import llm
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.home_llm.const import UPDATE_INTERVAL_CONNECTED, UPDATE_INTERVAL_DISCONNECTED
from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry

AGENT = "conversation.al"


async def pass_time(hass: HomeAssistant, delta: timedelta) -> None:
    """Let Home Assistant's clock go on."""
    async_fire_time_changed(hass, dt_util.utcnow() + delta + timedelta(seconds=1))
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_setup(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An agent is a service device named like the agent, with an entity of the same name."""
    assert entry.state is ConfigEntryState.LOADED
    subentry_id = next(iter(entry.subentries))
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(("home_llm", subentry_id), entry.entry_id)
    assert device is not None
    assert device.name == "Al"
    assert device.model == "embedded"
    assert device.sw_version == "0.1.0"
    assert device.entry_type is dr.DeviceEntryType.SERVICE
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.attributes["supported_features"] == 1


async def test_unload_leaves_nothing(hass: HomeAssistant, server: ChatServer) -> None:
    """After unloading there is no listener, no timer, no API, no issue and no state of ours."""
    server.owned_by = "user"
    apis = {api.id for api in llm.async_get_apis(hass)}
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    coordinator = entry.runtime_data
    assert any(domain == "home_llm" for domain, _ in ir.async_get(hass).issues)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert not entry.update_listeners
    assert not list(coordinator.async_contexts())
    assert not any(domain == "home_llm" for domain, _ in ir.async_get(hass).issues)
    assert not [key for key in hass.data if str(key).startswith("home_llm")]
    assert {api.id for api in llm.async_get_apis(hass)} == apis
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get(AGENT) is None


async def test_a_server_that_is_not_there_yet(hass: HomeAssistant, server: ChatServer) -> None:
    """Setup is tried again."""
    await server.stop()
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "cannot_connect"


async def test_a_refused_key_at_start(hass: HomeAssistant, server: ChatServer) -> None:
    """Setup fails and asks for a new key."""
    server.api_key = "secret"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    server.api_key = "other"
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]


async def test_a_server_that_goes_away_and_comes_back(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The agent is unavailable within a poll, looked for every minute, and said to be lost only once."""
    assert entry.runtime_data.update_interval == UPDATE_INTERVAL_CONNECTED
    await server.stop()
    await pass_time(hass, UPDATE_INTERVAL_CONNECTED)
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE
    assert entry.runtime_data.update_interval == UPDATE_INTERVAL_DISCONNECTED
    await pass_time(hass, UPDATE_INTERVAL_DISCONNECTED)
    assert caplog.text.count("Error fetching Home LLM data") == 1

    await server.start()
    await pass_time(hass, UPDATE_INTERVAL_DISCONNECTED)
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.state != STATE_UNAVAILABLE
    assert entry.runtime_data.update_interval == UPDATE_INTERVAL_CONNECTED


async def test_a_server_that_downloads_is_looked_at_often(hass: HomeAssistant, server: ChatServer) -> None:
    """The agent is there while the model downloads, and the server is asked every minute."""
    server.models = []
    server.health = {"status": "downloading", "message": "x", "version": "0.1.0"}
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.update_interval == UPDATE_INTERVAL_DISCONNECTED
    assert entry.runtime_data.data.is_home_llm


async def test_a_key_that_is_refused_later(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A server that changes its key while it is used asks for the new one."""
    server.api_key = "new"
    await pass_time(hass, UPDATE_INTERVAL_CONNECTED)
    assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]


async def test_home_services_on_another_server_are_a_repair(hass: HomeAssistant, server: ChatServer) -> None:
    """The agent is reported while the server is another, and no longer when it is ours again."""
    server.owned_by = "user"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    issues = [issue for (domain, _), issue in ir.async_get(hass).issues.items() if domain == "home_llm"]
    assert [(issue.translation_key, issue.translation_placeholders) for issue in issues] == [
        ("home_mode_unsupported", {"agent": "Al", "server": "Home LLM"})
    ]
    server.owned_by = "home-llm"
    await entry.runtime_data.async_refresh()
    assert not any(domain == "home_llm" for domain, _ in ir.async_get(hass).issues)
