"""Houses in a real Home Assistant: as they are meant to be, one after the other, and put back after a call."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from home_llm_lab.example import Call
from home_llm_lab.homes import make_house, restate
from home_llm_lab.house import Area, Floor, House, Thing
from home_llm_lab.virtual.snapshot import Watch, snapshot
from home_llm_lab.virtual.speaking import Speaking
from home_llm_lab.virtual.world import open_house, open_world

LAMP = Thing(
    "light.kitchen_light",
    "Kitchen Light",
    "ceiling_light",
    "kitchen",
    "off",
    {"supported_color_modes": ["brightness"], "supported_features": 0},
    aliases=("Cooking Lamp",),
)
HOUSE = House(
    1,
    "en",
    (Floor("downstairs", "Ground Floor"),),
    (Area("kitchen", "Kitchen", ("Galley",), "downstairs", "kitchen"),),
    (
        LAMP,
        Thing("light.secret", "Secret", "lamp", "kitchen", "on", {"supported_color_modes": ["onoff"]}, exposed=False),
        Thing("todo.shopping", "Shopping List", "todo", None, "1", {"supported_features": 7, "items": ("milk",)}),
        Thing("scene.relax", "Relax", "scene", None, "unknown", {}),
    ),
    timers=True,
)


@pytest.fixture(autouse=True)
def integration(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration."""


async def test_things_are_reported_as_the_house_has_them():
    """State, name and attributes of every thing are those of the house, in each of its moments."""
    async with open_world() as world:
        for seed in range(12):
            house = make_house(seed, "en")
            async with world.open(house) as residence:
                for _ in range(2):
                    for thing in residence.house.things:
                        _compare(world.hass.states.get(thing.entity_id), thing)
                    residence.become(restate(house, random.Random(seed)))


async def test_what_is_hidden_for_a_moment_is_in_no_prompt():
    """A device that the assistant may not know of in one moment has no line then, and has it again afterwards."""
    dark = replace(HOUSE, things=tuple(replace(thing, exposed=False) for thing in HOUSE.things))
    async with open_house(HOUSE) as residence:
        prompts = []
        for house in (HOUSE, dark, HOUSE):
            residence.become(house)
            prompts.append((await Speaking.begin(residence)).house_prompt)
    assert "light.kitchen_light" in prompts[0]
    assert "light.kitchen_light" not in prompts[1]
    assert prompts[2] == prompts[0]


async def test_nothing_of_a_house_is_left_for_the_next():
    """Where a house has moved out there is nothing, and the same house can come again."""
    async with open_world() as world:
        for _ in range(2):
            async with world.open(HOUSE) as residence:
                assert set(residence.entities) == {thing.entity_id for thing in HOUSE.things}
            assert not world.hass.states.async_all()


async def test_timers_of_one_house_are_not_those_of_the_next():
    """Satellites are the same devices in every house, but have timers only where the house has."""
    async with open_world() as world:
        for timers in (True, False):
            async with world.open(replace(HOUSE, timers=timers)) as residence:
                speaking = await Speaking.begin(residence)
                assert ("assist.start_timer" in speaking.house_prompt) is timers


async def test_the_integration_describes_the_house():
    """The prompt is the integration's own, with areas, floors, aliases and timers, and without what is not exposed."""
    async with open_house(HOUSE) as residence:
        speaking = await Speaking.begin(residence)
    prompt = speaking.prompt("al", "en")
    assert prompt.startswith("You are 'Al'")
    assert "light.kitchen_light 'Kitchen Light, Cooking Lamp' = off" in prompt
    assert "area.kitchen 'Galley'" in prompt
    assert "assist.start_timer" in prompt
    assert "secret" not in prompt
    assert speaking.tail("kitchen", "2026-11-20T16:05:00", "en") == (
        "\nThe user is in this area: Kitchen.\nIt is Friday, 2026-11-20, 16:05."
    )


@pytest.mark.parametrize(
    ("call", "entity_id", "telling"),
    [
        (Call("light.turn_on", "area.kitchen", {"brightness": 40}), "light.kitchen_light", ("brightness", 102)),
        (Call("todo.add_item", "todo.shopping", {"item": "eggs"}), "todo.shopping", ("items", ("milk", "eggs"))),
        (Call("todo.complete_item", "todo.shopping", {"item": "milk"}), "todo.shopping", ("state", "0")),
        (Call("scene.turn_on", "scene.relax"), "scene.relax", ("state", "activated")),
    ],
)
async def test_a_call_changes_what_it_is_on_and_can_be_undone(call, entity_id, telling):
    """Only the device of a call changes, and is as before once the house is put back."""
    async with open_house(HOUSE) as residence:
        before = snapshot(residence)
        watch = Watch(residence)
        speaking = await Speaking.begin(residence)
        assert await speaking.perform(call, area_id=None, language="en") is None
        name, value = telling
        changes = watch.changes()
        assert set(changes) == {entity_id}
        assert changes[entity_id][1][name] == value
        residence.restore()
        assert snapshot(residence) == before


async def test_what_is_not_exposed_is_refused():
    """A call on a hidden lamp is answered in words, and changes nothing."""
    async with open_house(HOUSE) as residence:
        speaking = await Speaking.begin(residence)
        watch = Watch(residence)
        error = await speaking.perform(Call("light.turn_off", "light.secret"), area_id=None, language="en")
        assert error
        assert "light.secret" in error
        assert not watch.changes()


async def test_a_broken_device_fails_as_it_says():
    """A fault of the device comes back as the integration puts it."""
    async with open_house(HOUSE) as residence:
        speaking = await Speaking.begin(residence)
        with residence.broken("no route to host"):
            error = await speaking.perform(Call("light.turn_on", LAMP.entity_id), area_id=None, language="en")
        assert error is not None
        assert "Kitchen Light" in error
        assert "no route to host" in error


async def test_timers_of_satellites_start_and_end():
    """A spoken timer needs a satellite, starts there, and is gone when the house is put back."""
    async with open_house(HOUSE) as residence:
        speaking = await Speaking.begin(residence)
        start = Call("assist.start_timer", None, {"duration": "5 minutes"})
        cancel = Call("assist.cancel_timer")
        assert await speaking.perform(cancel, area_id="kitchen", language="en")
        assert await speaking.perform(start, area_id="kitchen", language="en") is None
        assert await speaking.perform(cancel, area_id="kitchen", language="en") is None
        assert await speaking.perform(start, area_id="kitchen", language="en") is None
        residence.restore()
        assert await speaking.perform(cancel, area_id="kitchen", language="en")


def _compare(state, thing):
    assert state is not None
    assert state.state == thing.state
    assert state.attributes["friendly_name"] == thing.name
    if thing.state == "unavailable":
        return
    for name, value in thing.attributes.items():
        # Items of a list are no attribute, and colours are rounded on their way.
        if name not in ("items", "rgb_color") and value is not None:
            assert state.attributes.get(name) == value, (thing.entity_id, name)
