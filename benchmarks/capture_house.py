"""Ask a real Home Assistant over its demo house for the prompt and the tools that it gives a conversation agent.

Runs in Home Assistant's environment, from the repository's root:

    .venv-ha/bin/python -m benchmarks.capture_house FILE

The file holds the same house twice: as Home Assistant's Assist API describes it, and in the compact home format.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import homeassistant  # noqa: F401  first: it installs the aliases that its integrations import
import probatio
from homeassistant import bootstrap, loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.components import conversation, intent
from homeassistant.components.conversation.chat_log import ChatLog
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity, async_should_expose
from homeassistant.config_entries import ConfigEntries
from homeassistant.const import __version__ as home_assistant_version
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import area_registry, device_registry, entity_registry, floor_registry, llm
from homeassistant.setup import async_setup_component

from custom_components.home_llm.assist import async_allowed_values
from custom_components.home_llm.home_format import DEFAULT_INSTRUCTIONS, example_messages
from custom_components.home_llm.home_services import HomeServicesAPI, HomeServicesInstance

ASSISTANT = conversation.DOMAIN

# What a house of middling size exposes, out of the demo integration's hundred entities.
EXPOSED = (
    "binary_sensor.basement_floor_wet",
    "button.push",
    "climate.ecobee",
    "climate.heatpump",
    "cover.garage_door",
    "cover.hall_window",
    "fan.ceiling_fan",
    "fan.living_room_fan",
    "humidifier.dehumidifier",
    "humidifier.humidifier",
    "light.bed_light",
    "light.ceiling_lights",
    "light.kitchen_lights",
    "light.living_room_rgbww_lights",
    "light.office_rgbw_lights",
    "lock.front_door",
    "lock.kitchen_door",
    "media_player.bedroom",
    "media_player.living_room",
    "sensor.outside_humidity",
    "sensor.outside_temperature",
    "switch.ac",
    "switch.decorative_lights",
    "vacuum.demo_vacuum_0_ground_floor",
    "valve.back_garden",
    "weather.demo_weather_north",
)
CALENDARS = ("calendar.calendar_1", "calendar.calendar_2")
ROOMS = {
    "Kitchen": ("light.kitchen_lights", "light.ceiling_lights"),
    "Bedroom": ("light.bed_light",),
    "Living Room": ("light.living_room_rgbww_lights",),
}
SCRIPT = {
    "movie_night": {
        "alias": "Movie night",
        "description": "Dim the lights and start the projector",
        "fields": {"brightness": {"description": "How bright", "selector": {"number": {"min": 0, "max": 100}}}},
        "sequence": [],
    }
}


async def capture() -> dict[str, Any]:
    """Return the house."""
    with tempfile.TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)
        try:
            await _set_up(hass)
            speaker = await _furnish(hass)
            house = {
                "home_assistant": home_assistant_version,
                "entities": sum(
                    async_should_expose(hass, ASSISTANT, entity) for entity in hass.states.async_entity_ids()
                ),
                "assist": await _assist(hass, speaker),
                "home": await _home(hass, speaker),
            }
        finally:
            await hass.async_stop(force=True)
    return house


async def _set_up(hass: HomeAssistant) -> None:
    """Bring up Home Assistant's core, and the demo house in it."""
    loader.async_setup(hass)
    hass.config.skip_pip = True
    hass.config_entries = ConfigEntries(hass, {})
    hass.config.latitude, hass.config.longitude = 52.37, 4.89
    if not await bootstrap.async_load_base_functionality(hass):
        raise RuntimeError("Home Assistant's registries cannot be loaded")
    hass.auth = await auth_manager_from_config(hass, [], [])
    for domain, config in (
        ("homeassistant", {}),
        ("http", {"server_host": ["127.0.0.1"], "server_port": _free_port()}),
        ("conversation", {}),
        ("intent", {}),
        ("llm", {}),
        ("script", SCRIPT),
        ("demo", {}),
    ):
        if not await async_setup_component(hass, domain, {domain: config}):
            raise RuntimeError(f"Home Assistant cannot set up {domain}")
    await hass.async_start()
    await hass.async_block_till_done()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _furnish(hass: HomeAssistant) -> str:
    """Expose the entities, put them into rooms, and return the device id of a speaker in the kitchen."""
    known = set(hass.states.async_entity_ids())
    if missing := {*EXPOSED, *CALENDARS} - known:
        raise RuntimeError(f"the demo house lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(known))}")
    exposed = {*EXPOSED, *CALENDARS, "script.movie_night"}
    for entity_id in known:
        async_expose_entity(hass, ASSISTANT, entity_id, should_expose=entity_id in exposed)
    floor = floor_registry.async_get(hass).async_create("Ground floor")
    areas = area_registry.async_get(hass)
    devices = device_registry.async_get(hass)
    entities = entity_registry.async_get(hass)
    for room, members in ROOMS.items():
        area = areas.async_get_or_create(room)
        areas.async_update(area.id, floor_id=floor.floor_id)
        for entity_id in members:
            entry = entities.async_get(entity_id)
            if entry is None:
                raise RuntimeError(f"{entity_id} is not in the entity registry")
            if entry.device_id:
                devices.async_update_device(entry.device_id, area_id=area.id)
            else:
                entities.async_update_entity(entity_id, area_id=area.id)
    (demo,) = hass.config_entries.async_entries("demo")
    speaker = devices.async_get_or_create(
        config_entry_id=demo.entry_id, identifiers={("demo", "speaker")}, name="Kitchen speaker"
    )
    devices.async_update_device(speaker.id, area_id=areas.async_get_or_create("Kitchen").id)
    intent.async_register_timer_handler(hass, speaker.id, lambda _event, _timer: None)
    await hass.async_block_till_done()
    return speaker.id


async def _provided(hass: HomeAssistant, speaker: str, api: str | llm.API, prompt: str | None) -> ChatLog:
    """Return a chat log that Home Assistant has prepared for a command from the speaker."""
    log = ChatLog(hass, "bench")
    await log.async_provide_llm_data(
        llm.LLMContext(platform="home_llm", context=Context(), language="en", assistant=ASSISTANT, device_id=speaker),
        api,
        prompt,
    )
    return log


def _system_prompt(log: ChatLog) -> str:
    (content,) = (item for item in log.content if isinstance(item, conversation.SystemContent))
    return content.content


async def _assist(hass: HomeAssistant, speaker: str) -> dict[str, Any]:
    """Return the request of an agent with the Assist API, but for the command."""
    log = await _provided(hass, speaker, llm.LLM_API_ASSIST, None)
    api = log.llm_api
    if api is None:
        raise RuntimeError("Home Assistant gave no LLM API")
    tools = []
    for tool in api.tools:
        function: dict[str, Any] = {
            "name": tool.name,
            "parameters": probatio.to_openapi(
                tool.parameters, custom_serializer=api.custom_serializer, openapi_version="3.1.0"
            ),
        }
        if tool.description:
            function["description"] = tool.description
        tools.append({"type": "function", "function": function})
    return {
        "messages": [{"role": "system", "content": _system_prompt(log)}],
        "tools": tools,
        "allowed_values": async_allowed_values(hass, ASSISTANT),
    }


async def _home(hass: HomeAssistant, speaker: str) -> dict[str, Any]:
    """Return the request of an agent in the compact home format, but for the command."""
    log = await _provided(hass, speaker, HomeServicesAPI(hass), DEFAULT_INSTRUCTIONS)
    api = log.llm_api
    if not isinstance(api, HomeServicesInstance):
        raise TypeError("the compact format's API is not the integration's")
    return {
        "messages": [
            {"role": "system", "content": _system_prompt(log)},
            *example_messages(api.examples),
        ],
        "tools": api.openai_tools,
    }


def main(target: Path) -> None:
    """Write the house to a file."""
    house = asyncio.run(capture())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(house, indent=1), "utf-8")


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    main(Path(sys.argv[1]))
