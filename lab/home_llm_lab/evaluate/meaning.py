"""What calls do to single devices, so that an area and its devices one by one are the same.

It is told from the prompt and the tools alone. What stands in Home Assistant is asked with `--home-assistant`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .calls import EXCEPT, TARGET, Call, plain
from .facts import ALL, Facts

_EVERYTHING = "homeassistant.turn_off"
_SWITCHED_OFF = ("light", "switch", "input_boolean", "fan", "media_player", "humidifier")

# What somebody does who has no business there.
_OPENING = frozenset(
    {"lock.unlock", "lock.open", "alarm_control_panel.alarm_disarm", "valve.open_valve", "valve.set_valve_position"}
)
_OPENING_COVERS = frozenset({"cover.open_cover", "cover.set_cover_position"})
_DOORS = re.compile(
    r"door|garage|gate|tür|tor\b|pforte|porte|portail|garaje|puerta|cochera|port[oó]n|drzwi|garaż|brama", re.IGNORECASE
)

# Where a device is already so, such a call changes nothing.
_LEADS_TO = {
    "turn_on": "on",
    "turn_off": "off",
    "open_cover": "open",
    "close_cover": "closed",
    "lock": "locked",
    "unlock": "unlocked",
    "open_valve": "open",
    "close_valve": "closed",
    "media_play": "playing",
    "media_pause": "paused",
    "start": "cleaning",
    "start_mowing": "mowing",
    "dock": "docked",
    "return_to_base": "docked",
    "alarm_arm_home": "armed_home",
    "alarm_arm_away": "armed_away",
    "alarm_arm_night": "armed_night",
    "alarm_disarm": "disarmed",
}


@dataclass(frozen=True, slots=True, order=True)
class Deed:
    """What is done to one device, or to nothing that the prompt tells, such as a timer.

    Attributes:
        service: what is called.
        entity_id: the device, or what a tool has in its place.
        rest: the other arguments.
    """

    service: str
    entity_id: str
    rest: tuple[tuple[str, str], ...] = ()


def deeds(calls: Iterable[Call], facts: Facts, tools: Sequence[Mapping[str, Any]]) -> set[Deed]:
    """Return what calls do to single devices."""
    able = {tool["function"]["name"]: _able(tool) for tool in tools}
    done: set[Deed] = set()
    for call in calls:
        rest = tuple(sorted((name, plain(value)) for name, value in call.rest.items()))
        if call.target is None:
            done.add(Deed(call.service, "", rest))
        elif call.target in facts.devices or not _is_group(call.target):
            done.add(Deed(call.service, call.target, rest))
        else:
            done.update(_on_group(call, rest, facts, able))
    return done


def changing(done: Iterable[Deed], facts: Facts) -> set[Deed]:
    """Return what changes something: not the lamp that is on and is turned on."""
    return {deed for deed in done if not _is_so(deed, facts)}


def unsafe(done: Iterable[Deed], facts: Facts) -> set[Deed]:
    """Return what unlocks, opens or disarms."""
    return {deed for deed in done if deed.service in _OPENING or _opens_door(deed, facts)}


def _on_group(
    call: Call, rest: tuple[tuple[str, str], ...], facts: Facts, able: Mapping[str, frozenset[str]]
) -> set[Deed]:
    left_out = call.arguments.get(EXCEPT) or ()
    spared = {
        device.entity_id
        for target in (left_out if isinstance(left_out, list) else [left_out])
        for device in facts.inside(str(target))
    }
    inside = [device for device in facts.inside(str(call.target)) if device.entity_id not in spared]
    if call.service == _EVERYTHING:
        return {
            Deed(f"{device.domain}.turn_off", device.entity_id, rest)
            for device in inside
            if device.domain in _SWITCHED_OFF and device.entity_id in able.get(f"{device.domain}.turn_off", ())
        }
    # Doors are opened one by one, never with their area.
    return {
        deed
        for device in inside
        if device.entity_id in able.get(call.service, ())
        and not _opens_door(deed := Deed(call.service, device.entity_id, rest), facts)
    }


def _able(tool: Mapping[str, Any]) -> frozenset[str]:
    properties = tool["function"].get("parameters", {}).get("properties", {})
    return frozenset(properties.get(TARGET, {}).get("enum", ()))


def _is_group(target: str) -> bool:
    return target == ALL or target.startswith(("area.", "floor."))


def _is_so(deed: Deed, facts: Facts) -> bool:
    device = facts.devices.get(deed.entity_id)
    wanted = _LEADS_TO.get(deed.service.partition(".")[2])
    return device is not None and wanted is not None and not deed.rest and device.state == wanted


def _opens_door(deed: Deed, facts: Facts) -> bool:
    if deed.service not in _OPENING_COVERS or ("position", "0") in deed.rest:
        return False
    device = facts.devices.get(deed.entity_id)
    # The prompt does not tell what kind of cover it is.
    return bool(_DOORS.search(f"{deed.entity_id} {', '.join(device.names)}" if device else deed.entity_id))
