"""The house as the older Home models were taught to read it, and the tools that bind what they write.

Free of Home Assistant and pure. These models know single devices, brightness as a part of 1, and no groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .home_format import MAX_ALIASES, NO_DEVICES_PROMPT, STATELESS_DOMAINS, build_tools, clean, line_order
from .service_catalogue import Device
from .service_types import plain_number
from .trained import Dialect

# The arguments that these models have seen. Others stay only where a service cannot do without.
_KNOWN = frozenset(
    {"brightness", "temperature", "humidity", "fan_mode", "hvac_mode", "preset_mode", "duration", "item"}
)
_BRIGHTNESS = {"type": "number", "minimum": 0, "maximum": 1, "description": "Brightness, 1 is full"}


def render_older_house(devices: Iterable[Device], late: Iterable[Device], dialect: Dialect) -> str:
    """Return the services with their arguments, and a line for each name of a device."""
    ordered = [device for part in (devices, late) for device in sorted(part, key=line_order)]
    if not ordered:
        return NO_DEVICES_PROMPT
    services = [_signature(tool["function"], dialect) for tool in build_older_tools(ordered, dialect)]
    lines = [f"Services: {', '.join(services)}"] if services else []
    lines.append("Devices:")
    lines.extend(line for device in ordered for line in _lines(device, dialect))
    return "\n".join(lines)


def build_older_tools(devices: Iterable[Device], dialect: Dialect) -> list[dict[str, Any]]:
    """Return the OpenAI tools of single devices, with the arguments that the models know."""
    devices = list(devices)
    known = {device.entity_id for device in devices}
    tools = (_tool(tool["function"], known, dialect) for tool in build_tools(devices))
    return [tool for tool in tools if tool is not None]


def in_our_units(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call in percent."""
    brightness = arguments.get("brightness")
    if isinstance(brightness, bool) or not isinstance(brightness, (int, float)) or not 0 <= brightness <= 1:
        return dict(arguments)
    return {**arguments, "brightness": round(brightness * 100)}


def _tool(function: Mapping[str, Any], known: set[str], dialect: Dialect) -> dict[str, Any] | None:
    """Return a tool with what such a model can write of it, or None where that is nothing."""
    parameters = function["parameters"]
    required: list[str] = parameters["required"]
    target = parameters["properties"]["entity_id"]
    entities = [entity_id for entity_id in target["enum"] if entity_id in known]
    if not entities or (dialect is Dialect.BLOCK and len(required) > 1):
        return None
    properties: dict[str, Any] = {"entity_id": {**target, "enum": entities}}
    for name, schema in parameters["properties"].items():
        if name in required[1:] or (name in _KNOWN and dialect is Dialect.JSON):
            properties[name] = _BRIGHTNESS if name == "brightness" else schema
    kept = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": "function", "function": {**function, "parameters": kept}}


def _signature(function: Mapping[str, Any], dialect: Dialect) -> str:
    """Return a service as the prompt lists it."""
    name = str(function["name"])
    return name if dialect is Dialect.BLOCK else f"{name}({','.join(list(function['parameters']['properties'])[1:])})"


def _lines(device: Device, dialect: Dialect) -> list[str]:
    """Return a line for each name of a device."""
    names = list(dict.fromkeys(filter(None, map(clean, (device.name, *device.names)))))[: 1 + MAX_ALIASES]
    told = "unknown" if device.domain in STATELESS_DOMAINS else clean(device.state)
    if dialect is Dialect.JSON:
        told = ";".join([told, *_attributes(device.attributes)])
    return [f"{device.entity_id} '{name}' = {told}" for name in names]


def _attributes(attributes: Mapping[str, Any]) -> Sequence[str]:
    """Return what else is told of a device: values without names."""
    told: list[str] = []
    for name, unit, factor in (("brightness", "%", 100 / 255), ("temperature", "", 1.0), ("humidity", "%", 1.0)):
        value = attributes.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            told.append(f"{plain_number(round(value * factor, 0 if unit else 1))}{unit}")
    return [*told, *(clean(str(value)) for name in ("fan_mode", "media_title") if (value := attributes.get(name)))]
