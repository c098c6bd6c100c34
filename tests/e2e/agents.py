"""An agent of a real server, set up without the ways of discovery."""

from __future__ import annotations

from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import Server


async def add_agent(hass: HomeAssistant, server: Server, port: int | None = None, **options: Any) -> str:
    """Return the entity of a new agent of a server, or of what stands before it on another port."""
    entry = MockConfigEntry(
        domain="home_llm",
        title="Home LLM",
        data={"url": f"http://127.0.0.1:{port or server.port}", "api_key": server.api_key},
        subentries_data=[
            ConfigSubentryData(
                subentry_type="conversation", title="Al", data={"tool_mode": "home", **options}, unique_id=None
            )
        ],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return "conversation.al"
