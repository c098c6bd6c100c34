"""What a model may call, and with which arguments."""

from __future__ import annotations

from typing import Any

import pytest

from custom_components.home_llm.service_catalogue import (
    CATALOGUE,
    ArgumentError,
    Device,
    Group,
    Service,
    group_members,
    offered_exceptions,
    offered_services,
    offered_targets,
)

DIMMABLE = Device("light.a", "A", "off", {"supported_color_modes": ["color_temp"]})
LAMP = Device("light.c", "C", "off", {"supported_color_modes": ["onoff"]})
PLAYER = Device("media_player.a", "A", "on", {"supported_features": 4})
STEP_TO_RED = {"brightness_step_pct": 10, "color_name": "red"}
COLORED = Device("light.b", "B", "on", {"supported_color_modes": ["hs", "color_temp"]})
FAN = Device("fan.a", "A", "on", {"supported_features": 6})
NUMBER = Device("number.a", "A", "1", {"min": 0, "max": 10})
LIST = Device("todo.a", "A", "2", {"supported_features": 7})
TIMER = Device("timer.a", "A", "idle")
HEATER = Device("climate.a", "A", "heat", {"min_temp": 7, "max_temp": 28, "hvac_modes": ["heat", "off"]})


def service(name: str) -> Service:
    """Return a service by its name."""
    return next(item for item in CATALOGUE if item.name == name)


def test_the_catalogue_holds_nothing_twice_and_nothing_dangerous() -> None:
    """Names are unique; there is no way to restart, write files or run shell commands."""
    names = [item.name for item in CATALOGUE]
    assert len(names) == len(set(names))
    assert {item.domain for item in CATALOGUE} == {
        "alarm_control_panel",
        "button",
        "climate",
        "cover",
        "fan",
        "homeassistant",
        "humidifier",
        "input_boolean",
        "input_button",
        "input_number",
        "input_select",
        "lawn_mower",
        "light",
        "lock",
        "media_player",
        "number",
        "scene",
        "script",
        "select",
        "siren",
        "switch",
        "timer",
        "todo",
        "vacuum",
        "valve",
        "water_heater",
    }


@pytest.mark.parametrize(
    ("name", "device", "arguments", "data"),
    [
        ("light.turn_on", DIMMABLE, {}, {}),
        ("light.turn_on", DIMMABLE, {"brightness": 40}, {"brightness_pct": 40}),
        ("light.turn_on", DIMMABLE, {"brightness": 1}, {"brightness_pct": 1}),
        ("light.turn_on", DIMMABLE, {"brightness": "40%"}, {"brightness_pct": 40}),
        ("light.turn_on", DIMMABLE, {"brightness": 40.0}, {"brightness_pct": 40}),
        ("light.turn_on", DIMMABLE, {"brightness_step": -20}, {"brightness_step_pct": -20}),
        ("light.turn_on", COLORED, {"brightness_step": "10%", "color": "red"}, STEP_TO_RED),
        ("media_player.volume_up", PLAYER, {}, {}),
        ("fan.decrease_speed", Device("fan.b", "B", "on", {"supported_features": 1}), {}, {}),
        ("media_player.volume_set", PLAYER, {"volume": 35}, {"volume_level": 0.35}),
        ("media_player.volume_set", PLAYER, {"volume": 100}, {"volume_level": 1.0}),
        ("climate.set_temperature", HEATER, {"temperature": 20.5}, {"temperature": 20.5}),
        ("climate.set_hvac_mode", HEATER, {"hvac_mode": "off"}, {"hvac_mode": "off"}),
        ("climate.set_hvac_mode", HEATER, {"hvac_mode": " Heat"}, {"hvac_mode": "heat"}),
        ("light.turn_on", COLORED, {"color": "red", "brightness": 5}, {"color_name": "red", "brightness_pct": 5}),
        ("light.turn_on", DIMMABLE, {"color_temp": 2700}, {"color_temp_kelvin": 2700}),
        ("fan.oscillate", FAN, {"oscillating": True}, {"oscillating": True}),
        ("fan.oscillate", FAN, {"oscillating": "off"}, {"oscillating": False}),
        ("fan.set_direction", FAN, {"direction": "reverse"}, {"direction": "reverse"}),
        ("media_player.volume_mute", PLAYER, {"muted": True}, {"is_volume_muted": True}),
        ("number.set_value", NUMBER, {"value": 2.5}, {"value": 2.5}),
        ("todo.add_item", LIST, {"item": " oat\nmilk "}, {"item": "oat milk"}),
        ("todo.complete_item", LIST, {"item": "milk"}, {"item": "milk", "status": "completed"}),
        ("timer.start", TIMER, {"duration": "1 hour 90 seconds"}, {"duration": "01:01:30"}),
        ("timer.start", TIMER, {}, {}),
    ],
)
def test_arguments_in_the_units_of_home_assistant(
    name: str, device: Device, arguments: dict[str, Any], data: dict[str, Any]
) -> None:
    """Percent become what each service wants; 1 is one percent and not full brightness."""
    given = {"entity_id": device.entity_id, **arguments}
    assert service(name).service_data(given, device) == {"entity_id": device.entity_id, **data}


@pytest.mark.parametrize(
    ("name", "device", "arguments", "parameter"),
    [
        ("light.turn_on", DIMMABLE, {"brightness": 101}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness_step": -101}, "brightness_step"),
        ("light.turn_on", DIMMABLE, {"brightness_step": 10, "brightness": 40}, "brightness_step"),
        ("light.turn_on", LAMP, {"brightness_step": 10}, "brightness_step"),
        ("media_player.volume_up", PLAYER, {"volume": 10}, "volume"),
        ("light.turn_on", DIMMABLE, {"brightness": -1}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": 40.5}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": "bright"}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": True}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": None}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": float("nan")}, "brightness"),
        ("light.turn_on", DIMMABLE, {"brightness": float("inf")}, "brightness"),
        ("light.turn_on", DIMMABLE, {"flash": "long"}, "flash"),
        ("light.turn_on", DIMMABLE, {"area_id": "everywhere"}, "area_id"),
        ("climate.set_temperature", HEATER, {"temperature": 40}, "temperature"),
        ("climate.set_temperature", HEATER, {}, "temperature"),
        ("climate.set_hvac_mode", HEATER, {"hvac_mode": "cool"}, "hvac_mode"),
        ("climate.set_hvac_mode", HEATER, {"hvac_mode": ["heat"]}, "hvac_mode"),
        ("light.turn_on", DIMMABLE, {"color": "red"}, "color"),
        ("light.turn_on", COLORED, {"color": "mauve"}, "color"),
        ("light.turn_on", COLORED, {"color": "red", "color_temp": 3000}, "color_temp"),
        ("light.turn_on", DIMMABLE, {"color_temp": 1}, "color_temp"),
        ("fan.oscillate", FAN, {"oscillating": 1}, "oscillating"),
        ("fan.oscillate", FAN, {}, "oscillating"),
        ("number.set_value", NUMBER, {"value": 11}, "value"),
        ("todo.add_item", LIST, {"item": " "}, "item"),
        ("todo.add_item", LIST, {"item": "x" * 101}, "item"),
        ("todo.add_item", LIST, {"item": 5}, "item"),
        ("todo.complete_item", LIST, {"item": "milk", "status": "needs_action"}, "status"),
        ("timer.start", TIMER, {"duration": "a while"}, "duration"),
    ],
)
def test_arguments_that_are_refused(name: str, device: Device, arguments: dict[str, Any], parameter: str) -> None:
    """Unknown, missing and impossible arguments are refused by name, never guessed."""
    with pytest.raises(ArgumentError) as caught:
        service(name).service_data({"entity_id": device.entity_id, **arguments}, device)
    assert caught.value.parameter == parameter


def test_devices_are_offered_only_what_they_can_do() -> None:
    """Features decide where a device tells them; one that does not tell is believed to."""
    fixed = Device("cover.fixed", "Fixed", "open", {"supported_features": 3})
    unknown = Device("cover.unknown", "Unknown", "open")
    offered = {
        item.name: [device.entity_id for device in able] for item, able in offered_services([fixed, unknown]).items()
    }
    assert offered == {
        "cover.open_cover": ["cover.fixed", "cover.unknown"],
        "cover.close_cover": ["cover.fixed", "cover.unknown"],
        "cover.stop_cover": ["cover.unknown"],
        "cover.set_cover_position": ["cover.unknown"],
        "cover.open_cover_tilt": ["cover.unknown"],
        "cover.close_cover_tilt": ["cover.unknown"],
        "cover.set_cover_tilt_position": ["cover.unknown"],
    }


@pytest.mark.parametrize(
    ("name", "features", "can"),
    [
        ("media_player.volume_up", 1024, True),
        ("media_player.volume_up", 4, True),
        ("media_player.volume_down", 1028, True),
        ("media_player.volume_down", 8, False),
        ("media_player.volume_set", 1024, False),
        ("fan.increase_speed", 1, True),
        ("fan.increase_speed", 48, False),
        ("lock.lock", 0, True),
    ],
)
def test_features(name: str, features: int, can: bool) -> None:
    """A step of the volume is possible where it has steps or can be set; the others need what they name."""
    device = Device(f"{name.partition('.')[0]}.a", "A", "on", {"supported_features": features})
    assert service(name).supported(device) is can


def test_everything_off() -> None:
    """Everything is what can be switched off and neither heats, locks, opens nor guards; and only as a group."""
    everything = service("homeassistant.turn_off")
    den = (Group("area.den", ("Den",)),)
    off = [
        Device("light.a", "A", "on", groups=den),
        Device("switch.a", "A", "on"),
        Device("input_boolean.a", "A", "on"),
        Device("humidifier.a", "A", "on"),
        Device("fan.a", "A", "on", {"supported_features": 16}),
        Device("media_player.a", "A", "on", {"supported_features": 256}),
    ]
    kept = [
        Device("fan.b", "B", "on", {"supported_features": 1}),
        Device("media_player.b", "B", "on", {"supported_features": 128}),
        *(
            Device(f"{domain}.a", "A", "on", groups=den)
            for domain in ("alarm_control_panel", "climate", "cover", "lock", "siren", "valve", "water_heater")
        ),
    ]
    assert group_members(everything, "all", [*kept, *off]) == off
    assert group_members(everything, "area.den", [*kept, *off]) == off[:1]
    assert offered_targets(everything, [*kept, *off]) == ["area.den", "all"]
    assert offered_exceptions(everything, off[:2]) == ["light.a", "switch.a", "area.den"]
    assert everything in offered_services(off[:2])
    # With lamps alone it says no more than their own service.
    assert everything not in offered_services([off[0], Device("light.b", "B", "on"), *kept])


def test_services_of_other_domains_are_not_supported() -> None:
    """A light is no lock."""
    assert not service("lock.unlock").supported(DIMMABLE)


def test_a_schema_without_limits_of_every_device_has_none() -> None:
    """One thermostat that does not tell its limits keeps the grammar open."""
    schema = service("climate.set_temperature").parameters[0].schema([HEATER, Device("climate.b", "B", "heat")])
    assert schema == {"type": "number", "description": "Target temperature"}
