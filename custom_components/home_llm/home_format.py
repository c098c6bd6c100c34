"""The compact home format: the house in a prompt, examples of commands, and the tools that bind the grammar.

Free of Home Assistant and pure: the same devices always give the same text, so that a server can reuse what
it has already read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .service_catalogue import offered_exceptions, offered_services, offered_targets
from .service_types import ALL, EXCEPT, Device, Group, Service, plain_number

DEFAULT_INSTRUCTIONS = (
    "You are 'Al', a helpful AI Assistant that controls the devices in a house. "
    "Complete the following task as instructed with the information provided only."
)
NO_DEVICES_PROMPT = (
    "No devices are exposed to you. If the user asks to control one, tell them to expose it to Assist "
    "in Home Assistant first."
)

MAX_NAME_LENGTH = 60

# Aliases in the line of a device.
MAX_ALIASES = 3
# Most targets that one call leaves out.
MAX_EXCEPTIONS = 4

# The state of these is only the time of their last use, which would change the prompt for nothing.
STATELESS_DOMAINS = frozenset({"button", "event", "input_button", "scene"})

# What changes by itself, seldom or all the time, stands behind what only people change: a server reads a prompt anew
# from the first byte that differs.
_CHANGING = {
    **dict.fromkeys(("binary_sensor", "climate", "device_tracker", "humidifier", "media_player"), 1),
    **dict.fromkeys(("person", "timer", "vacuum", "lawn_mower", "water_heater"), 1),
    **dict.fromkeys(("sensor", "sun", "weather"), 2),
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
# What has no width, or turns the direction of writing: names that look alike would not be the same.
_HIDDEN = re.compile(r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")


@dataclass(frozen=True, slots=True)
class Example:
    """A command and its answer: a call and a sentence, or only a sentence."""

    request: str
    call: str | None
    reply: str


def clean(text: str, limit: int = MAX_NAME_LENGTH) -> str:
    """Return text that a person chose as one line of plain data.

    A name can neither begin a new line of the prompt, nor close its own quotes, nor write a control token of
    a chat template.
    """
    text = _CONTROL.sub(" ", _HIDDEN.sub("", text)).strip().replace("'", "\u2019").replace("<|", "< |")
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}\u2026"


def line_order(device: Device) -> tuple[int, str]:
    """Return what the lines of devices are sorted by: how much they change by themselves, and the entity id."""
    return (_CHANGING.get(device.domain, 0), device.entity_id)


def render_device(device: Device) -> str:
    """Return the line of a device: entity_id 'name, alias' = state;attributes."""
    line = f"{device.entity_id} '{', '.join(_names(device))}'"
    parts = [] if device.domain in STATELESS_DOMAINS else [_state(device), *_attributes(device)]
    if device.area and clean(device.area).casefold() not in clean(device.name).casefold():
        parts.append(f"area={clean(device.area)}")
    return f"{line} = {';'.join(parts)}" if parts else line


def render_house(devices: Iterable[Device], late: Iterable[Device] = (), *, services: Sequence[str] = ()) -> str:
    """Return the services, the areas and the devices, the part of the prompt that describes the house.

    Args:
        devices: the exposed ones, put in order here, those last that change most.
        late: more of them, which come last because they are others with every command.
        services: more that can be called, on no device.
    """
    devices, late = (sorted(part, key=line_order) for part in (devices, late))
    if not devices and not services:
        return NO_DEVICES_PROMPT
    lines = []
    if names := [*(service.name for service in offered_services([*devices, *late])), *services]:
        lines.append(f"Services: {', '.join(names)}")
    lines.extend(render_groups(devices))
    lines.append("Devices:")
    lines.extend(render_device(device) for device in [*devices, *late])
    return "\n".join(lines)


def render_groups(devices: Iterable[Device]) -> list[str]:
    """Return a line of areas, which begins with the whole house, and one of floors, as far as they can be called on.

    A floor tells its areas, as far as these are told.
    """
    devices = list(devices)
    callable_on = {target for service in offered_services(devices) for target in offered_targets(service, devices)}
    groups = {group.target: group for device in devices for group in device.groups if group.target in callable_on}
    areas, floors = ([target for target in sorted(groups) if target.startswith(kind)] for kind in ("area.", "floor."))
    lines: list[str] = []
    if told := [*([ALL] if ALL in callable_on else []), *(_group(groups[target]) for target in areas)]:
        lines.append(f"Areas: {', '.join(told)}")
    if floors:
        told = [_floor(groups[floor], [area for area in areas if _is_on(area, floor, devices)]) for floor in floors]
        lines.append(f"Floors: {', '.join(told)}")
    return lines


def render_call(service: Service, arguments: Mapping[str, Any]) -> str:
    """Return a call as the model writes it: the entity bare and first, the rest by name."""
    rest = [
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items() if name != "entity_id"
    ]
    return f"{service.name}({', '.join([str(arguments['entity_id']), *rest])})"


def build_tools(devices: Iterable[Device]) -> list[dict[str, Any]]:
    """Return the OpenAI tools of the house, from whose schemas the server makes its grammar."""
    devices = list(devices)
    return [_tool(service, able) for service, able in offered_services(devices).items()]


def _tool(service: Service, devices: Sequence[Device]) -> dict[str, Any]:
    """Return one OpenAI tool; its first property is the entity, as the grammar wants it."""
    targets = offered_targets(service, devices)
    properties: dict[str, Any] = {"entity_id": {"type": "string", "enum": targets}}
    rules: dict[str, Any] = {}
    required = ["entity_id"]
    for parameter in service.parameters:
        if able := [device for device in devices if parameter.supported(device)]:
            properties[parameter.name] = parameter.schema(able)
            if parameter.required:
                required.append(parameter.name)
    if exceptions := offered_exceptions(service, devices):
        properties[EXCEPT] = {
            "type": "array",
            "items": {"type": "string", "enum": exceptions},
            "minItems": 1,
            "maxItems": MAX_EXCEPTIONS,
            "description": "What is left out of an area, a floor or all",
        }
        single = {device.entity_id for device in devices}
        groups = [target for target in targets if target not in single]
        # Of a single device nothing can be left out.
        rules = {"dependentSchemas": {EXCEPT: {"properties": {"entity_id": {"enum": groups}}}}}
    return {
        "type": "function",
        "function": {
            "name": service.name,
            "description": service.description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
                **rules,
            },
        },
    }


def _floor(floor: Group, areas: Sequence[str]) -> str:
    """Return a floor with the areas on it."""
    return f"{_group(floor)} ({', '.join(areas)})" if areas else _group(floor)


def _is_on(area: str, floor: str, devices: Iterable[Device]) -> bool:
    """Return whether an area is on a floor."""
    return any({area, floor} <= {group.target for group in device.groups} for device in devices)


def _group(group: Group) -> str:
    """Return an area or a floor with what it is called beside its id."""
    told = group.target.partition(".")[2].replace("_", " ")
    names = [clean(name) for name in group.names if clean(name).casefold() != told]
    return f"{group.target} '{', '.join(names)}'" if names else group.target


def _names(device: Device) -> list[str]:
    """Return the name of a device and the first of its aliases."""
    names: dict[str, str] = {}
    for name in (device.name, *device.names):
        names.setdefault(clean(name).casefold(), clean(name))
    first, *others = names.values()
    return [first, *filter(None, others)][: 1 + MAX_ALIASES]


def _state(device: Device) -> str:
    """Return the state, with its unit where it has one."""
    state = clean(device.state)
    unit = device.attributes.get("unit_of_measurement")
    return f"{state} {clean(str(unit))}" if unit and state not in ("unavailable", "unknown") else state


def _attributes(device: Device) -> list[str]:
    """Return what else is known of a device, named and measured as the arguments of its services are."""
    attributes = device.attributes
    parts: list[str] = []
    if (brightness := _as_number(attributes.get("brightness"))) is not None and device.domain == "light":
        parts.append(f"brightness={max(1, round(brightness / 255 * 100)) if brightness else 0}")
    for name, attribute, factor in (
        ("percentage", "percentage", 1),
        ("position", "current_position", 1),
        ("tilt_position", "current_tilt_position", 1),
        ("temperature", "temperature", 1),
        ("current_temperature", "current_temperature", 1),
        ("humidity", "humidity", 1),
        ("volume", "volume_level", 100),
    ):
        if (value := _as_number(attributes.get(attribute))) is not None:
            parts.append(f"{name}={plain_number(round(value * factor, 1))}")
    if title := attributes.get("media_title"):
        parts.append(f"title={clean(str(title))}")
    return parts


def _as_number(value: Any) -> float | None:
    """Return a number, or None for what is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
