"""What is not exposed is out of reach, also of a server that sends whatever calls it likes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import llm

from custom_components.home_llm.actions import Action, async_perform
from custom_components.home_llm.errors import AgentError
from custom_components.home_llm.exposure import async_exposed_device
from custom_components.home_llm.service_catalogue import CATALOGUE, group_members, offered_targets
from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import say

CALLS = 1000
TARGETS = (
    "light.safe_light",
    "lock.safe",
    "light.kitchen_light",
    "light.bedroom_light",
    "switch.pump",
    "area.kitchen",
    "area.Kitchen",
    "floor.ground",
    "area.safe_light",
    "light.unknown",
    "all",
    "light.*",
    "group.all_lights",
    "",
    None,
    ["light.safe_light"],
    {"area_id": "kitchen"},
)
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"brightness": 40},
    {"entity_id": "light.safe_light"},
    {"area_id": "kitchen"},
    {"device_id": "x"},
    {"label_id": "x"},
    {"target": {"entity_id": "light.safe_light"}},
    {"position": 50},
)


@pytest.mark.usefixtures("house")
async def test_a_thousand_calls(hass: HomeAssistant, server: ChatServer) -> None:
    """Of any calls on anything, only those on exposed entities are made."""
    kitchen = ar.async_get(hass).async_create("Kitchen")
    for entity_id in ("light.safe_light", "light.kitchen_light"):
        er.async_get(hass).async_update_entity(entity_id, area_id=kitchen.id)
    hass.states.async_set("lock.safe", "locked")
    async_expose_entity(hass, "conversation", "lock.safe", should_expose=False)
    entry = make_entry(server, confirm=[])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    touched: set[str] = set()
    given: set[str] = set()

    @callback
    def called(event: Event[Any]) -> None:
        touched.update(_targets(event.data["service_data"]))
        given.update(event.data["service_data"])

    hass.bus.async_listen("call_service", called)
    source = random.Random(40)
    names = [service.name for service in CATALOGUE] + ["homeassistant.turn_on", "light.toggle", "homeassistant.restart"]
    names += ["light.turn_on", "light.turn_off", "switch.turn_on"] * 20
    for _turn in range(CALLS // 10):
        calls = [
            call(
                source.choice(names),
                {"entity_id": source.choice(TARGETS), **source.choice(ARGUMENTS)},
                index,
            )
            for index in range(10)
        ]
        server.script([answer(*calls, "Ok."), answer("Ok.")])
        await say(hass, "hm")
    assert touched == {"light.kitchen_light", "light.bedroom_light", "switch.pump"}
    assert given == {"entity_id", "brightness_pct"}


@pytest.mark.usefixtures("house")
async def test_three_places(hass: HomeAssistant) -> None:
    """The values of the grammar, the resolver and the executor each know for themselves what is exposed."""
    service = next(service for service in CATALOGUE if service.name == "light.turn_on")
    device = async_exposed_device(hass, "conversation", "light.kitchen_light")
    assert device is not None
    assert offered_targets(service, [device]) == ["light.kitchen_light", "all"]
    assert group_members(service, "area.kitchen", [device]) == []
    assert async_exposed_device(hass, "conversation", "light.safe_light") is None
    assert async_exposed_device(hass, "conversation", "light.no_such_light") is None
    # Something was resolved, and then hidden.
    action = Action(service, device.entity_id, "Kitchen Light", (device,), ({"entity_id": device.entity_id},), {})
    async_expose_entity(hass, "conversation", "light.kitchen_light", should_expose=False)
    context = llm.LLMContext("home_llm", None, "en", "conversation", None)
    with pytest.raises(AgentError) as caught:
        await async_perform(hass, action, context)
    assert caught.value.translation_placeholders == {"device": "light.kitchen_light"}


def _targets(data: dict[str, Any]) -> list[str]:
    targets = data.get("entity_id", [])
    return [targets] if isinstance(targets, str) else list(targets)
