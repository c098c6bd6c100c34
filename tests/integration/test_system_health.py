"""What the page "System information" shows."""

from __future__ import annotations

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info

from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry


async def test_a_server_of_ours(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """State, model and version are told, and later that the server is away."""
    assert await async_setup_component(hass, "system_health", {})
    info = await get_system_health_info(hass, "home_llm")
    assert info == {"servers": 1, "agents": 1, "Home LLM": "ok, embedded, version 0.1.0"}
    await server.stop()
    await entry.runtime_data.async_refresh()
    assert (await get_system_health_info(hass, "home_llm"))["Home LLM"] == "unreachable"
    await hass.config_entries.async_unload(entry.entry_id)
    assert (await get_system_health_info(hass, "home_llm"))["Home LLM"] == "not_loaded"


async def test_another_server(hass: HomeAssistant, server: ChatServer) -> None:
    """A server without health of its own is named with its model."""
    server.owned_by = "user"
    entry = make_entry(server, tool_mode="assist")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert await async_setup_component(hass, "system_health", {})
    assert (await get_system_health_info(hass, "home_llm"))["Home LLM"] == "ok, embedded"
