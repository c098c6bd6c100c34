"""The same examples as calls of Assist's own tools, for models that read their tools from the prompt.

Free of Home Assistant.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from .examples import HouseExample

# Home Assistant's intents lock by turning on, and open by turning on.
_INTENTS = {
    "turn_on": "HassTurnOn",
    "turn_off": "HassTurnOff",
    "open_cover": "HassTurnOn",
    "close_cover": "HassTurnOff",
    "lock": "HassTurnOn",
    "unlock": "HassTurnOff",
    "press": "HassTurnOn",
    "set_cover_position": "HassSetPosition",
    "set_temperature": "HassClimateSetTemperature",
    "set_percentage": "HassFanSetSpeed",
    "set_humidity": "HassHumidifierSetpoint",
    "media_play": "HassMediaUnpause",
    "media_pause": "HassMediaPause",
    "volume_set": "HassSetVolume",
    "start": "HassVacuumStart",
    "return_to_base": "HassVacuumReturnToBase",
}
_ARGUMENTS = {"volume": "volume_level"}


def assist_call(example: HouseExample, tools: Collection[str]) -> dict[str, Any] | None:
    """Return an example as a call with name and arguments, or None where no such tool is offered."""
    if example.service is None or example.device is None:
        return None
    name = _INTENTS.get(example.service.service)
    arguments = {_ARGUMENTS.get(key, key): value for key, value in example.arguments.items() if key != "entity_id"}
    if "brightness" in arguments:
        name = "HassLightSet"
    return {"name": name, "arguments": {"name": example.device.name, **arguments}} if name in tools else None


def response_examples(examples: Sequence[HouseExample], tools: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the items of the variable `response_examples`: request, response and tool."""
    for example in examples:
        call = assist_call(example, tools)
        if call is not None or example.service is None:
            yield {"request": example.request, "response": example.response, "tool": call}


def function_call(call: dict[str, Any] | None) -> str:
    """Return a call as such models are asked to write it."""
    return f"<functioncall> {json.dumps(call, ensure_ascii=False)}" if call else ""
