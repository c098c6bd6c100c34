"""What devices can do, as their attributes tell: told here anew, so that verification has two opinions to compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from home_llm_lab.house import Thing
from home_llm_lab.kinds.registry import Scene

# The bits of supported_features of Home Assistant's entity components, by service.
_FEATURES = {
    "fan.turn_on": 32,
    "fan.turn_off": 16,
    "fan.set_percentage": 1,
    "fan.increase_speed": 1,
    "fan.decrease_speed": 1,
    "fan.oscillate": 2,
    "fan.set_direction": 4,
    "fan.set_preset_mode": 8,
    "cover.open_cover": 1,
    "cover.close_cover": 2,
    "cover.set_cover_position": 4,
    "cover.stop_cover": 8,
    "cover.open_cover_tilt": 16,
    "cover.close_cover_tilt": 32,
    "cover.set_cover_tilt_position": 128,
    "valve.open_valve": 1,
    "valve.close_valve": 2,
    "valve.set_valve_position": 4,
    "lock.open": 1,
    "alarm_control_panel.alarm_arm_home": 1,
    "alarm_control_panel.alarm_arm_away": 2,
    "alarm_control_panel.alarm_arm_night": 4,
    "siren.turn_on": 1,
    "siren.turn_off": 2,
    "climate.set_temperature": 1,
    "climate.set_fan_mode": 8,
    "climate.set_preset_mode": 16,
    "water_heater.set_temperature": 1,
    "water_heater.set_operation_mode": 2,
    "water_heater.turn_on": 8,
    "water_heater.turn_off": 8,
    "humidifier.set_mode": 1,
    "media_player.media_pause": 1,
    "media_player.volume_set": 4,
    "media_player.volume_mute": 8,
    "media_player.media_previous_track": 16,
    "media_player.media_next_track": 32,
    "media_player.turn_on": 128,
    "media_player.turn_off": 256,
    "media_player.select_source": 2048,
    "media_player.media_stop": 4096,
    "media_player.media_play": 16384,
    "vacuum.pause": 4,
    "vacuum.return_to_base": 16,
    "vacuum.start": 8192,
    "lawn_mower.start_mowing": 1,
    "lawn_mower.pause": 2,
    "lawn_mower.dock": 4,
    "todo.add_item": 1,
    "todo.remove_item": 2,
    "todo.complete_item": 4,
}
_COLORED = frozenset({"hs", "xy", "rgb", "rgbw", "rgbww"})
_NOT_DIMMABLE = frozenset({"onoff", "unknown"})
_OPENING = frozenset({"cover.open_cover", "cover.set_cover_position"})
_DOORS = frozenset({"door", "garage", "gate"})


def can(thing: Thing, service: str) -> bool:
    """Return whether a device can do a service now."""
    if thing.domain != service.partition(".")[0] or thing.state == "unavailable" or not thing.exposed:
        return False
    if service in ("media_player.volume_up", "media_player.volume_down"):
        return bool(thing.features & (1024 | 4))
    bits = _FEATURES.get(service, 0)
    return thing.features & bits == bits


def dimmable(thing: Thing) -> bool:
    """Return whether a light can be dimmed."""
    return can(thing, "light.turn_on") and any(mode not in _NOT_DIMMABLE for mode in thing.color_modes)


def colored(thing: Thing) -> bool:
    """Return whether a light has colours."""
    return can(thing, "light.turn_on") and any(mode in _COLORED for mode in thing.color_modes)


def tinted(thing: Thing) -> bool:
    """Return whether the white of a light can be warm and cold."""
    return can(thing, "light.turn_on") and "color_temp" in thing.color_modes


def is_door(thing: Thing) -> bool:
    """Return whether a cover is a way into the house, which groups never open."""
    return thing.device_class in _DOORS


def kelvin_range(thing: Thing) -> tuple[int, int]:
    """Return the coldest and warmest white of a light."""
    return int(thing.attributes.get("min_color_temp_kelvin", 2000)), int(
        thing.attributes.get("max_color_temp_kelvin", 6500)
    )


def members(scene: Scene, target: str, service: str, test: Callable[[Thing], bool] = bool) -> list[Thing]:
    """Return what a service on an area, a floor or all is on: what can do it there, without what opens the house."""
    return [
        thing
        for thing in scene.house.inside(target, service.partition(".")[0])
        if can(thing, service) and test(thing) and not (service in _OPENING and is_door(thing))
    ]


def able(scene: Scene, service: str, test: Callable[[Thing], bool] = bool) -> list[Thing]:
    """Return the devices of the house that can do a service, in a random order."""
    found = [thing for thing in scene.house.exposed if can(thing, service) and test(thing)]
    scene.rng.shuffle(found)
    return found


def number(thing: Thing, attribute: str) -> float | None:
    """Return an attribute that is a number, else None."""
    value: Any = thing.attributes.get(attribute)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
