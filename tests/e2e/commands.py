"""Forty commands for the big house, and what should come of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Command:
    """Something that somebody says.

    Attributes:
        said: the words.
        wanted: the devices that should change, each with its new state and, where they matter, attributes of it. An
            attribute may be a range.
        asks: whether it has to be asked about first; `wanted` is what a yes then does.
    """

    said: str
    wanted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asks: bool = False


ON, OFF = {"state": "on"}, {"state": "off"}


def _percent(value: int) -> tuple[float, float]:
    """Return a range of brightness around so many percent."""
    return (value * 2.55 - 2, value * 2.55 + 2)


COMMANDS = (
    Command("turn on the kitchen light", {"light.kitchen_light": ON}),
    Command("turn off the counter light", {"light.counter_light": OFF}),
    Command("switch the hall light on please", {"light.hall_light": ON}),
    Command("turn on the reading light", {"light.reading_light": ON}),
    Command("turn off the desk lamp", {"light.desk_lamp": OFF}),
    Command("lights off in the bedroom", {"light.bedroom_light": OFF}),
    Command("turn on the nightstand lamp", {"light.nightstand_lamp": ON}),
    Command("turn on the garage light", {"light.garage_light": ON}),
    Command("set the kitchen light to 30 percent", {"light.kitchen_light": {**ON, "brightness": _percent(30)}}),
    Command("dim the bedroom light to 20 percent", {"light.bedroom_light": {**ON, "brightness": _percent(20)}}),
    Command("make the living room lamp red", {"light.living_room_lamp": {**ON, "rgb_color": (255, 0, 0)}}),
    Command(
        "turn off all the lights in the office",
        {"light.desk_lamp": OFF},
    ),
    Command(
        "turn on all the lights in the kitchen",
        {"light.kitchen_light": ON},
    ),
    Command("turn off the lights upstairs", {"light.bedroom_light": OFF, "light.desk_lamp": OFF}),
    Command("turn on the coffee maker", {"switch.coffee_maker": ON}),
    Command("turn off the dishwasher", {"switch.dishwasher": OFF}),
    Command("start charging the car", {"switch.car_charger": ON}),
    Command("turn off the printer", {"switch.printer": OFF}),
    Command("turn on the ceiling fan", {"fan.ceiling_fan": ON}),
    Command("set the bedroom fan to 80 percent", {"fan.bedroom_fan": {**ON, "percentage": 80}}),
    Command("close the living room blinds", {"cover.living_room_blinds": {"state": "closed"}}),
    Command("open the office blinds", {"cover.office_blinds": {"state": "open"}}),
    Command("move the bedroom curtain to 40 percent", {"cover.bedroom_curtain": {"current_position": 40}}),
    Command("set the living room thermostat to 22 degrees", {"climate.living_room_thermostat": {"temperature": 22}}),
    Command("set the bedroom heater to 16 degrees", {"climate.bedroom_heater": {"temperature": 16}}),
    Command("pause the TV", {"media_player.tv": {"state": "paused"}}),
    Command("set the kitchen speaker to 20 percent", {"media_player.kitchen_speaker": {"volume_level": 0.2}}),
    Command("turn off the office radio", {"media_player.office_radio": OFF}),
    Command("start Robbie", {"vacuum.robbie": {"state": "cleaning"}}),
    Command("arm the home alarm, we are leaving", {"alarm_control_panel.home_alarm": {"state": "armed_away"}}),
    Command("unlock the front door", {"lock.front_door": {"state": "unlocked"}}, asks=True),
    Command("open the garage door", {"cover.garage_door": {"state": "open"}}, asks=True),
    Command("disarm the home alarm", {"alarm_control_panel.home_alarm": {"state": "disarmed"}}, asks=True),
    # Nothing should change.
    Command("what is the outside temperature?"),
    Command("what is the capital of France?"),
    Command("turn on the balcony light"),
    Command("turn on the bathroom lamp"),
    Command("unlock the cellar door"),
    Command("turn off the server rack"),
    Command("turn on the safe light"),
)
