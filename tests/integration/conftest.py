"""Fixtures of the integration's tests: a real Home Assistant, a house, and a scripted server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.light import LightEntity
from homeassistant.components.light.const import ATTR_BRIGHTNESS, ColorMode
from homeassistant.components.switch import SwitchEntity
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, setup_test_component_platform

import custom_components  # noqa: F401  before the hass fixture puts its own folder of that name first
from tests.integration.chat_server import ChatServer


class Lamp(LightEntity):
    """A lamp that only remembers what it was told."""

    _attr_should_poll = False

    def __init__(self, name: str, *, dimmable: bool = False, available: bool = True) -> None:
        """Start switched off."""
        mode = ColorMode.BRIGHTNESS if dimmable else ColorMode.ONOFF
        self._attr_name = name
        self._attr_unique_id = name
        self._attr_is_on = False
        self._attr_color_mode = mode
        self._attr_supported_color_modes = {mode}
        self._attr_available = available

    async def async_turn_on(self, **kwargs: object) -> None:
        """Turn on."""
        self._attr_is_on = True
        if isinstance(brightness := kwargs.get(ATTR_BRIGHTNESS), int):
            self._attr_brightness = brightness
        self.async_write_ha_state()

    async def async_turn_off(self, **kwargs: object) -> None:
        """Turn off."""
        self._attr_is_on = False
        self.async_write_ha_state()


class BrokenSwitch(SwitchEntity):
    """A switch that cannot be reached when it is switched on, and crashes when it is switched off."""

    _attr_should_poll = False
    _attr_name = "Pump"
    _attr_unique_id = "pump"
    _attr_is_on = False

    async def async_turn_on(self, **kwargs: object) -> None:
        """Fail as a well-behaved integration does."""
        message = "Zigbee device is not reachable"
        raise HomeAssistantError(message)

    async def async_turn_off(self, **kwargs: object) -> None:
        """Fail as a bug does."""
        message = "list index out of range"
        raise IndexError(message)


@pytest.fixture(name="core")
async def core_fixture(enable_custom_integrations: None, hass: HomeAssistant) -> None:
    """Set up what every conversation agent needs."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    assert await async_setup_component(hass, "intent", {})


@pytest.fixture(name="server")
async def server_fixture(socket_enabled: None, core: None) -> AsyncGenerator[ChatServer]:
    """Run a scripted server."""
    async with ChatServer() as server:
        yield server


@pytest.fixture(name="house")
async def house_fixture(hass: HomeAssistant, core: None) -> None:
    """Build a small house; the safe is not exposed to the assistant."""
    lamps = [
        Lamp("Kitchen Light", dimmable=True),
        Lamp("Bedroom Light"),
        Lamp("Safe Light"),
        Lamp("Attic Light", available=False),
    ]
    setup_test_component_platform(hass, "light", lamps)
    setup_test_component_platform(hass, "switch", [BrokenSwitch()])
    for domain in ("light", "switch"):
        assert await async_setup_component(hass, domain, {domain: {"platform": "test"}})
    await hass.async_block_till_done()
    hass.states.async_set(
        "sensor.outside", "12.5", {"friendly_name": "Outside Temperature", "unit_of_measurement": "°C"}
    )
    for entity_id in ("light.kitchen_light", "light.bedroom_light", "light.attic_light", "switch.pump"):
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    async_expose_entity(hass, "conversation", "sensor.outside", should_expose=True)
    async_expose_entity(hass, "conversation", "light.safe_light", should_expose=False)


def make_entry(server: ChatServer, **agent: object) -> MockConfigEntry:
    """Return an entry for a server with one agent."""
    data = {"url": server.url}
    if server.api_key is not None:
        data["api_key"] = server.api_key
    return MockConfigEntry(
        domain="home_llm",
        title="Home LLM",
        data=data,
        subentries_data=[
            ConfigSubentryData(
                subentry_type="conversation",
                title="Al",
                data={"tool_mode": "home", **agent},
                unique_id=None,
            )
        ],
    )


@pytest.fixture(name="entry")
async def entry_fixture(hass: HomeAssistant, server: ChatServer) -> MockConfigEntry:
    """Set up a server with an agent that uses home services."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry
