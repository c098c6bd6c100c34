"""Diagnostics."""

from __future__ import annotations

from homeassistant.core import HomeAssistant

from custom_components.home_llm.diagnostics import async_get_config_entry_diagnostics
from custom_components.home_llm.measure import Answer
from custom_components.home_llm.metrics import Queue
from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry


async def test_diagnostics(hass: HomeAssistant, server: ChatServer) -> None:
    """They tell what server and agents there are, and neither the key nor the prompt."""
    server.api_key = "the-key"
    entry = make_entry(server, prompt="the-prompt")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["state"] == "loaded"
    assert diagnostics["data"] == {"url": server.url, "api_key": "**REDACTED**"}
    assert diagnostics["last_update_success"]
    assert diagnostics["last_error"] is None
    assert diagnostics["server"]["is_home_llm"]
    assert diagnostics["server"]["models"][0]["model_id"] == "embedded"
    assert diagnostics["agents"][0]["data"] == {"tool_mode": "home", "prompt": "**REDACTED**"}
    assert diagnostics["totals"]["answers"] == 0
    assert diagnostics["queue"] is None
    assert diagnostics["problems"] == []
    assert "the-key" not in str(diagnostics)
    assert "the-prompt" not in str(diagnostics)


async def test_diagnostics_of_a_server_that_is_away(hass: HomeAssistant, server: ChatServer) -> None:
    """They can be had when nothing works, which is when they are wanted; an address loses its password."""
    await server.stop()
    entry = make_entry(server)
    entry.add_to_hass(hass)
    with_password = server.url.replace("http://", "http://me:the-password@")
    hass.config_entries.async_update_entry(entry, data={"url": with_password})
    await hass.config_entries.async_setup(entry.entry_id)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["state"] == "setup_retry"
    assert diagnostics["data"] == {"url": server.url}
    assert "the-password" not in str(diagnostics)


async def test_diagnostics_tell_problems_and_costs(hass: HomeAssistant, server: ChatServer) -> None:
    """They tell which repairs are open, but not what the server said, and what the last answer took."""
    server.owned_by = "user"
    server.metrics = "llamacpp:requests_processing 1"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={"url": server.url, "admin_key": "the-key"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    entry.runtime_data.problems.report("server_gone", message="the-prompt")
    entry.runtime_data.totals.add(Answer(0.5, 1.0, 10, 5, 2, 4.0))
    entry.runtime_data.queue = Queue(1, 0)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["problems"] == ["home_mode_unsupported", "server_gone"]
    assert diagnostics["totals"]["last"]["seconds_to_first_token"] == 0.5
    assert diagnostics["queue"] == {"running": 1, "waiting": 0}
    assert "the-key" not in str(diagnostics)
    assert "the-prompt" not in str(diagnostics)
