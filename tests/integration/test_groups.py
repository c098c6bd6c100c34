"""Home services on areas and floors."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conversing import is_on, say, speech

pytestmark = pytest.mark.usefixtures("house")


@pytest.fixture(name="areas", autouse=True)
async def areas_fixture(hass: HomeAssistant, house: None) -> None:
    """Put the lamps into areas of a floor; the safe is in the kitchen, and is not exposed."""
    floor = fr.async_get(hass).async_create("Ground floor", aliases={"Downstairs"})
    areas = ar.async_get(hass)
    kitchen = areas.async_create("Kitchen", aliases={"Galley"}, floor_id=floor.floor_id)
    bedroom = areas.async_create("Bedroom", floor_id=floor.floor_id)
    areas.async_create("Cellar")
    entities = er.async_get(hass)
    for entity_id, area in (
        ("light.kitchen_light", kitchen),
        ("light.safe_light", kitchen),
        ("light.attic_light", kitchen),
        ("light.bedroom_light", bedroom),
        ("switch.pump", bedroom),
    ):
        entities.async_update_entity(entity_id, area_id=area.id)
    await hass.async_block_till_done()


async def test_the_prompt_and_the_tools(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Areas and floors with exposed devices are told in one line each, and are values of the grammar."""
    server.script([answer("Hi.")])
    await say(hass, "hello")
    request = server.requests[0]
    prompt = request["messages"][0]["content"]
    assert (
        "\nAreas: all, area.bedroom, area.kitchen 'Galley'\n"
        "Floors: floor.ground_floor 'Downstairs' (area.bedroom, area.kitchen)\nDevices:\n" in prompt
    )
    targets = {
        tool["function"]["name"]: tool["function"]["parameters"]["properties"]["entity_id"]["enum"]
        for tool in request["tools"]
    }
    assert targets["light.turn_on"] == [
        "light.attic_light",
        "light.bedroom_light",
        "light.kitchen_light",
        "area.bedroom",
        "area.kitchen",
        "floor.ground_floor",
        "all",
    ]
    assert targets["switch.turn_on"] == ["switch.pump", "area.bedroom", "floor.ground_floor", "all"]
    properties = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in request["tools"]}
    # All but `all`, and last.
    assert list(properties["light.turn_on"])[-1] == "except"
    assert properties["light.turn_on"]["except"]["items"]["enum"] == targets["light.turn_on"][:-1]
    # Of the only switch nothing would be left.
    assert "except" not in properties["switch.turn_on"]
    assert "cellar" not in str(request).casefold()
    assert "safe" not in str(request["tools"])
    examples = [message["content"] for message in request["messages"][1:-1]]
    assert "light.turn_off(area.kitchen)\nTurning off the lights in the Kitchen." in examples


@pytest.mark.parametrize(
    ("target", "lit"),
    [
        ("area.kitchen", ["light.kitchen_light"]),
        ("floor.ground_floor", ["light.bedroom_light", "light.kitchen_light"]),
        ("all", ["light.bedroom_light", "light.kitchen_light"]),
        # Another server has no grammar, and its model may write what people say.
        ("area.Galley", ["light.kitchen_light"]),
        ("floor.downstairs", ["light.bedroom_light", "light.kitchen_light"]),
    ],
)
async def test_a_group(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, target: str, lit: list[str]
) -> None:
    """A call on a group is one on all exposed devices there that can do it now, and on nothing else."""
    calls: list[Any] = []
    hass.bus.async_listen("call_service", lambda event: calls.append(event.data["service_data"]["entity_id"]))
    server.script([answer(call("light.turn_on", {"entity_id": target}), "Lights on.")])
    assert speech(await say(hass, "lights")) == "Lights on."
    await hass.async_block_till_done()
    assert calls == [lit]
    assert sorted(entity_id for entity_id in hass.states.async_entity_ids("light") if is_on(hass, entity_id)) == lit


async def test_arguments(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A device that cannot take an argument is passed over when others can; where none can, that is said."""
    floor = {"entity_id": "floor.ground_floor", "brightness": 40}
    bedroom = {"entity_id": "area.bedroom", "brightness": 40}
    server.script([answer(call("light.turn_on", floor), "Ok."), *[answer(call("light.turn_on", bedroom), "Ok.")] * 2])
    await say(hass, "dim the lights")
    state = hass.states.get("light.kitchen_light")
    assert state is not None
    assert state.attributes["brightness"] == 102
    assert not is_on(hass, "light.bedroom_light")
    assert speech(await say(hass, "dim the lights")) == "40 is not a possible brightness for Bedroom."


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("light.turn_on", "area.cellar", "I have no access to area.cellar."),
        ("light.turn_on", "area.attic", "I have no access to area.attic."),
        ("light.turn_on", "floor.", "I have no access to floor.."),
        ("light.turn_on", "area.all", "I have no access to area.all."),
        ("light.turn_on", "All", "I have no access to All."),
        ("lock.unlock", "all", "the whole house cannot do lock.unlock."),
        ("cover.open_cover", "all", "the whole house cannot do cover.open_cover."),
        ("switch.turn_on", "area.kitchen", "Kitchen cannot do switch.turn_on."),
        ("lock.unlock", "area.kitchen", "Kitchen cannot do lock.unlock."),
        ("scene.turn_on", "area.kitchen", "Kitchen cannot do scene.turn_on."),
    ],
)
async def test_groups_that_are_refused(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, name: str, target: str, said: str
) -> None:
    """An area without exposed devices is as unknown as one that does not exist, and nothing is unlocked by the room."""
    server.script([answer(call(name, {"entity_id": target}), "Ok.")] * 2)
    assert speech(await say(hass, "do it")) == said


@pytest.mark.parametrize(
    ("target", "exceptions", "lit"),
    [
        ("all", ["light.kitchen_light"], ["light.bedroom_light"]),
        ("all", ["area.kitchen"], ["light.bedroom_light"]),
        ("floor.ground_floor", ["area.bedroom"], ["light.kitchen_light"]),
        # Another server has no grammar: a name, and a word where a list should be.
        ("floor.ground_floor", ["area.Galley", "switch.pump"], ["light.bedroom_light"]),
        ("all", "area.bedroom", ["light.kitchen_light"]),
        # What is not in the group is left out anyway.
        ("area.kitchen", ["area.bedroom"], ["light.kitchen_light"]),
    ],
)
async def test_exceptions(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, target: str, exceptions: Any, lit: list[str]
) -> None:
    """Entities, areas and floors can be left out of a group."""
    calls = async_mock_service(hass, "light", "turn_on")
    arguments = {"entity_id": target, "except": exceptions}
    server.script([answer(call("light.turn_on", arguments), "Ok.")])
    assert speech(await say(hass, "lights")) == "Ok."
    assert [made.data["entity_id"] for made in calls] == [lit]
    assert "except" not in calls[0].data


@pytest.mark.parametrize(
    ("target", "exceptions", "said"),
    [
        ("area.bedroom", ["light.bedroom_light"], "Nothing is left of Bedroom with these exceptions."),
        ("all", ["floor.ground_floor"], "Nothing is left of the whole house with these exceptions."),
        ("light.bedroom_light", ["area.kitchen"], "Only an area, a floor or the whole house can have exceptions, "),
        ("all", ["light.safe_light"], "I have no access to light.safe_light."),
        ("all", ["area.cellar"], "I have no access to area.cellar."),
        ("all", ["all"], "I have no access to all."),
        ("all", [], "[] is not a possible except for the whole house."),
        ("all", [1], "[1] is not a possible except for the whole house."),
        ("all", {"area": "kitchen"}, "{\u2019area\u2019: \u2019kitchen\u2019} is not a possible except for"),
    ],
)
async def test_exceptions_that_are_refused(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, target: str, exceptions: Any, said: str
) -> None:
    """Rather nothing is done than something that was to be left out."""
    calls = async_mock_service(hass, "light", "turn_on")
    server.script([answer(call("light.turn_on", {"entity_id": target, "except": exceptions}), "Ok.")] * 2)
    assert speech(await say(hass, "lights")).startswith(said)
    assert not calls


async def test_everything(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Lamps and switches go off together through Home Assistant's own service; a single device has its own."""
    calls = async_mock_service(hass, "homeassistant", "turn_off")
    everything = "homeassistant.turn_off"
    server.script([answer(call(everything, {"entity_id": "all", "except": ["area.kitchen"]}), "Good night.")])
    assert speech(await say(hass, "turn off everything except in the kitchen")) == "Good night."
    server.script([answer(call(everything, {"entity_id": "area.bedroom"}), "Off.")])
    assert speech(await say(hass, "turn off everything in the bedroom")) == "Off."
    assert [made.data for made in calls] == [{"entity_id": ["light.bedroom_light", "switch.pump"]}] * 2
    server.script([answer(call(everything, {"entity_id": "light.bedroom_light"}), "Off.")] * 2)
    assert speech(await say(hass, "off")) == "Bedroom Light cannot do homeassistant.turn_off."
    server.script([answer(call(everything, {"entity_id": "area.bedroom"}), "Off.")] * 2)
    assert speech(await say(hass, "turn off everything in the bathroom")) == "Did you mean Bedroom?"
    assert len(calls) == 2
    request = server.requests[0]
    assert ", homeassistant.turn_off\n" in request["messages"][0]["content"]
    offered = next(tool["function"] for tool in request["tools"] if tool["function"]["name"] == everything)
    assert offered["parameters"]["properties"]["entity_id"]["enum"] == [
        "area.bedroom",
        "area.kitchen",
        "floor.ground_floor",
        "all",
    ]


async def test_everything_really_off(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """What is called is a service that Home Assistant has."""
    await hass.services.async_call("light", "turn_on", {"entity_id": "light.bedroom_light"}, blocking=True)
    arguments = {"entity_id": "all", "except": ["switch.pump"]}
    server.script([answer(call("homeassistant.turn_off", arguments), "Off.")])
    assert speech(await say(hass, "everything off")) == "Off."
    assert not is_on(hass, "light.bedroom_light")


@pytest.mark.parametrize(
    "words",
    [
        "turn off all lights except in the kitchen",
        "all lights off, only the kitchen stays lit",
        "turn off the lights and keep the kitchen light",
        "turn off all the lights in the house, the kitchen light stays",
    ],
)
async def test_exceptions_raise_no_doubt(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, words: str
) -> None:
    """What is named because it is left out is not what was meant instead."""
    calls = async_mock_service(hass, "light", "turn_off")
    arguments = {"entity_id": "all", "except": ["area.kitchen"]}
    server.script([answer(call("light.turn_off", arguments), "Ok.")] * 2)
    assert speech(await say(hass, words)) == "Ok."
    assert [made.data["entity_id"] for made in calls] == [["light.bedroom_light"]]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "das ganze Haus kann lock.unlock nicht."),
        ("es", "toda la casa no puede hacer lock.unlock."),
        ("fr", "toute la maison ne peut pas faire lock.unlock."),
        ("pl", "cały dom nie obsługuje lock.unlock."),
        ("it", "the whole house cannot do lock.unlock."),
    ],
)
async def test_how_the_whole_house_is_spoken_of(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, language: str, said: str
) -> None:
    """The target that has no name in the registries has one in each of our languages."""
    server.script([answer(call("lock.unlock", {"entity_id": "all"}), "Ok.")] * 2)
    assert speech(await say(hass, "hm", language)) == said


async def test_the_whole_house_is_held_against_what_was_said(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """Who speaks of the house means all of it; who speaks of a room does not."""
    off = {"entity_id": "all"}
    calls = async_mock_service(hass, "light", "turn_off")
    server.script([answer(call("light.turn_off", off), "Off.")])
    assert speech(await say(hass, "turn off all the lights in the house")) == "Off."
    server.script([answer(call("light.turn_off", off), "Off.")] * 2)
    assert speech(await say(hass, "turn off the lights in the kitchen")).endswith("I understood the whole house.")
    assert len(calls) == 1


async def test_a_group_that_is_not_there(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Where no device can be reached, that is said."""
    hass.states.async_set("light.kitchen_light", "unavailable")
    server.script([answer(call("light.turn_on", {"entity_id": "area.kitchen"}), "Ok.")] * 2)
    assert speech(await say(hass, "light in the kitchen")) == "Kitchen is not available right now."


async def test_doors_are_opened_one_by_one(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Opening what is in a room opens blinds, and no garage door; closing closes both."""
    opened = async_mock_service(hass, "cover", "open_cover")
    closed = async_mock_service(hass, "cover", "close_cover")
    entities = er.async_get(hass)
    area = ar.async_get(hass).async_get_area_by_name("Kitchen")
    assert area is not None
    for name, device_class in (("gate", "garage"), ("blind", "blind")):
        made = entities.async_get_or_create("cover", "test", name, suggested_object_id=name)
        entities.async_update_entity(made.entity_id, area_id=area.id)
        hass.states.async_set(made.entity_id, "open", {"device_class": device_class, "friendly_name": name})
        async_expose_entity(hass, "conversation", made.entity_id, should_expose=True)
    kitchen = {"entity_id": "area.kitchen"}
    server.script([answer(call("cover.open_cover", kitchen), "Ok."), answer(call("cover.close_cover", kitchen), "Ok.")])
    await say(hass, "open up")
    await say(hass, "close all")
    assert [made.data["entity_id"] for made in opened] == [["cover.blind"]]
    assert [made.data["entity_id"] for made in closed] == [["cover.blind", "cover.gate"]]


async def test_what_the_speaker_may_do_goes_with_the_call(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A call on a group is made in the speaker's name too."""
    calls: list[ServiceCall] = async_mock_service(hass, "light", "turn_off")
    context = Context()
    server.script([answer(call("light.turn_off", {"entity_id": "area.bedroom"}), "Ok.")])
    await say(hass, "lights off", context=context)
    assert calls[0].context is context
