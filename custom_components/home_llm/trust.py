"""What opens the house, and is not done without asking where the agent's options say so.

Free of Home Assistant.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from .service_types import Device


class Guarded(StrEnum):
    """What an agent can be told to ask about first."""

    LOCK = "lock"
    DOOR = "door"
    ALARM = "alarm"
    VALVE = "valve"
    ROUTINE = "routine"


# A scene or a script is asked for by its name, and most of them only move lamps.
DEFAULT_CONFIRM = (Guarded.LOCK, Guarded.DOOR, Guarded.ALARM, Guarded.VALVE)

DOOR_CLASSES = frozenset({"door", "garage", "gate"})

_BY_SERVICE = {
    "lock.unlock": Guarded.LOCK,
    "lock.open": Guarded.LOCK,
    "alarm_control_panel.alarm_disarm": Guarded.ALARM,
    "valve.open_valve": Guarded.VALVE,
    "valve.set_valve_position": Guarded.VALVE,
    "scene.turn_on": Guarded.ROUTINE,
    "script.turn_on": Guarded.ROUTINE,
    "button.press": Guarded.ROUTINE,
    "input_button.press": Guarded.ROUTINE,
}
_OPENING_COVERS = frozenset({"cover.open_cover", "cover.set_cover_position"})
_POSITIONS = frozenset({"cover.set_cover_position", "valve.set_valve_position"})


def guarded(service: str, device: Device, arguments: Mapping[str, Any] | None = None) -> Guarded | None:
    """Return what kind of opening a call is, or None for what opens nothing.

    Args:
        service: the name of the service.
        device: what it is called on.
        arguments: of the call; without them the worst is assumed.
    """
    if service in _POSITIONS and arguments is not None and not _opens(device, arguments.get("position")):
        return None
    if service in _OPENING_COVERS:
        return Guarded.DOOR if device.device_class in DOOR_CLASSES else None
    return _BY_SERVICE.get(service)


def question_key(service: str, kind: Guarded) -> str:
    """Return the translation key of the question before a call."""
    if service == "lock.unlock":
        return "confirm_unlock"
    return {Guarded.ALARM: "confirm_disarm", Guarded.ROUTINE: "confirm_run"}.get(kind, "confirm_open")


def _opens(device: Device, position: Any) -> bool:
    """Return whether a move to a position lets anything through that is held back now."""
    if position == 0:
        return False
    current = device.attributes.get("current_position")
    if isinstance(position, (int, float)) and isinstance(current, (int, float)):
        return position > current
    return True
