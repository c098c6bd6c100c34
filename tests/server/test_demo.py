"""The simulated house, without a model."""

import pytest

from home_llm.demo import House
from home_llm.demo.house import UnknownActionError
from home_llm.demo.turn import describe, request


def changed(house: House) -> dict[str, str]:
    """Return what differs from the house as it was at first."""
    first = House().devices
    return {name: device.shown_state for name, device in house.devices.items() if device != first[name]}


@pytest.mark.parametrize(
    ("service", "on", "arguments", "after"),
    [
        ("light.turn_on", "light.kitchen_light", {"brightness": 40}, {"light.kitchen_light": "on;brightness=40"}),
        ("light.turn_on", "light.hall_light", {"brightness_step": -30}, {"light.hall_light": "on;brightness=70"}),
        ("light.turn_off", "area.hall", {}, {"light.hall_light": "off"}),
        ("light.turn_off", "floor.upstairs", {}, {"light.bathroom_light": "off"}),
        (
            "homeassistant.turn_off",
            "floor.downstairs",
            {"except": ["area.hall"]},
            {"light.living_room_lamp": "off", "media_player.living_room_tv": "off"},
        ),
        (
            "light.turn_off",
            "all",
            {"except": ["floor.upstairs", "light.hall_light"]},
            {"light.living_room_lamp": "off"},
        ),
        ("climate.set_temperature", "all", {"temperature": 22}, {"climate.hall_thermostat": "heat;temperature=22"}),
    ],
)
def test_calls(service: str, on: str, arguments: dict[str, object], after: dict[str, str]) -> None:
    """A call changes the devices that are meant, and nothing else."""
    house = House()
    house.call(service, on, arguments)
    assert changed(house) == after


@pytest.mark.parametrize(
    ("service", "on", "arguments"),
    [
        ("light.explode", "light.hall_light", {}),
        ("light.turn_on", "light.attic", {}),
        ("light.turn_on", "area.attic", {}),
        ("lock.unlock", "all", {}),
        ("homeassistant.turn_off", "light.hall_light", {}),
        ("light.turn_off", "light.hall_light", {"except": ["area.kitchen"]}),
        ("light.turn_off", "all", {"except": ["area.attic"]}),
        ("light.turn_off", "all", {"except": ["all"]}),
    ],
)
def test_calls_that_are_refused(service: str, on: str, arguments: dict[str, object]) -> None:
    """What the house cannot do changes nothing."""
    house = House()
    with pytest.raises(UnknownActionError):
        house.call(service, on, arguments)
    assert not changed(house)


def test_the_prompt_and_the_tools() -> None:
    """The house is told as the integration tells one: services, areas, floors with their areas, a line a device."""
    house = House()
    lines = describe(house)
    assert lines[1:4] == [
        "Areas: all, area.bathroom, area.bedroom, area.hall, area.kitchen, area.living_room",
        (
            "Floors: floor.downstairs (area.hall, area.kitchen, area.living_room), "
            "floor.upstairs (area.bathroom, area.bedroom)"
        ),
        "Devices:",
    ]
    assert "climate.hall_thermostat 'Hall Thermostat' = heat;temperature=20" in lines
    assert "lock.front_door 'Front Door' = locked;area=Hall" in lines
    tools = {tool.name: tool.parameters for tool in request(house, "hello").tools}
    everything = tools["homeassistant.turn_off"]
    assert everything["properties"]["entity_id"]["enum"][-3:] == ["floor.downstairs", "floor.upstairs", "all"]
    assert not set(everything["properties"]["entity_id"]["enum"]) & set(house.devices)
    assert {"light.hall_light", "area.hall"} <= set(everything["properties"]["except"]["items"]["enum"])
    assert list(tools["lock.unlock"]["properties"]) == ["entity_id"]
    # One thermostat, of which nothing can be left out.
    assert "except" not in tools["climate.set_temperature"]["properties"]


def test_only_untrained_models_are_shown_examples() -> None:
    """A model that was trained on houses gets its house and the command, any other one a command of each kind too."""
    house = House()
    trained = request(house, "turn on the kitchen light", examples=False).messages
    untrained = request(house, "turn on the kitchen light").messages
    assert [message.role for message in trained] == ["system", "user"]
    assert trained[0] == untrained[0]
    assert len(untrained) > 20
