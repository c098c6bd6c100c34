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

from .service_catalogue import CATALOGUE, group_members, offered_services, offered_targets
from .service_types import Device, Group, Parameter, Service, plain_number

DEFAULT_INSTRUCTIONS = (
    "You are 'Al', a helpful AI Assistant that controls the devices in a house. "
    "Complete the following task as instructed with the information provided only."
)
NO_DEVICES_PROMPT = (
    "No devices are exposed to you. If the user asks to control one, tell them to expose it to Assist "
    "in Home Assistant first."
)

MAX_NAME_LENGTH = 60
MAX_ACTION_EXAMPLES = 6

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


@dataclass(frozen=True, slots=True)
class _Command:
    """How people ask for a service."""

    service: str
    request: str
    reply: str
    # Values to ask for, the first that the device takes; of a choice, the device's own first one.
    argument: str | None = None
    values: tuple[float | str, ...] = ()


# The domains in the order of how much a house uses them. Small models copy what they read last, so the plain commands
# come after those with an argument; and since they also copy out of place, nothing here opens or unlocks.
_COMMANDS: dict[str, tuple[_Command, ...]] = {
    "light": (
        _Command(
            "turn_on",
            "set the {name} to {value} percent",
            "Setting the {name} to {value} percent.",
            "brightness",
            (40,),
        ),
        _Command("turn_on", "turn on the {name}", "Turning on the {name}."),
        _Command("turn_off", "turn off the {name}", "Turning off the {name}."),
    ),
    "switch": (
        _Command("turn_off", "turn off the {name}", "Turning off the {name}."),
        _Command("turn_on", "turn on the {name}", "Turning on the {name}."),
    ),
    "cover": (_Command("close_cover", "close the {name}", "Closing the {name}."),),
    "lock": (_Command("lock", "lock the {name}", "Locking the {name}."),),
    "climate": (
        _Command(
            "set_temperature",
            "set the {name} to {value} degrees",
            "Setting the {name} to {value} degrees.",
            "temperature",
            (21, 70),
        ),
    ),
    "fan": (
        _Command("turn_off", "turn off the {name}", "Turning off the {name}."),
        _Command("turn_on", "turn on the {name}", "Turning on the {name}."),
    ),
    "media_player": (
        _Command("media_pause", "pause the {name}", "Pausing the {name}."),
        _Command("turn_off", "turn off the {name}", "Turning off the {name}."),
    ),
    "vacuum": (
        _Command("start", "start the {name}", "Starting the {name}."),
        _Command("return_to_base", "send the {name} home", "Sending the {name} home."),
    ),
    "input_boolean": (
        _Command("turn_on", "turn on {name}", "Turning on {name}."),
        _Command("turn_off", "turn off {name}", "Turning off {name}."),
    ),
    "humidifier": (_Command("turn_on", "turn on the {name}", "Turning on the {name}."),),
    "scene": (_Command("turn_on", "activate {name}", "Activating {name}."),),
    "script": (_Command("turn_on", "run {name}", "Running {name}."),),
    "button": (_Command("press", "press {name}", "Pressing {name}."),),
    "input_button": (_Command("press", "press {name}", "Pressing {name}."),),
    "todo": (_Command("add_item", "add {value} to the {name}", "Adding {value} to the {name}.", "item", ("milk",)),),
    "timer": (
        _Command(
            "start", "start the {name} for {value}", "Starting the {name} for {value}.", "duration", ("5 minutes",)
        ),
    ),
    "lawn_mower": (
        _Command("start_mowing", "start the {name}", "Starting the {name}."),
        _Command("dock", "send the {name} home", "Sending the {name} home."),
    ),
    "water_heater": (
        _Command(
            "set_temperature",
            "set the {name} to {value} degrees",
            "Setting the {name} to {value} degrees.",
            "temperature",
            (50, 120),
        ),
        _Command("turn_off", "turn off the {name}", "Turning off the {name}."),
    ),
    "alarm_control_panel": (_Command("alarm_arm_away", "arm the {name}, I am leaving", "Arming the {name}."),),
    "valve": (_Command("close_valve", "close the {name}", "Closing the {name}."),),
    "siren": (_Command("turn_off", "turn off the {name}", "Turning off the {name}."),),
    "select": (_Command("select_option", "set the {name} to {value}", "Setting the {name} to {value}.", "option"),),
    "input_select": (
        _Command("select_option", "set the {name} to {value}", "Setting the {name} to {value}.", "option"),
    ),
    "number": (
        _Command("set_value", "set the {name} to {value}", "Setting the {name} to {value}.", "value", (20, 5, 1, 50)),
    ),
    "input_number": (
        _Command("set_value", "set the {name} to {value}", "Setting the {name} to {value}.", "value", (20, 5, 1, 50)),
    ),
}


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
    """Return the line of a device: entity_id 'name' = state;attributes."""
    line = f"{device.entity_id} '{clean(device.name)}'"
    parts = [] if device.domain in STATELESS_DOMAINS else [_state(device), *_attributes(device)]
    if device.area and clean(device.area).casefold() not in clean(device.name).casefold():
        parts.append(f"area={clean(device.area)}")
    return f"{line} = {';'.join(parts)}" if parts else line


def render_house(devices: Iterable[Device], late: Iterable[Device] = (), *, services: Sequence[str] = ()) -> str:
    """Return the services, the areas and the devices, the part of the prompt that describes the house.

    Args:
        devices: put in order here, those last that change most.
        late: more of them, which come last because they are others with every command.
        services: more that can be called, on no device.
    """
    devices, late = (sorted(part, key=line_order) for part in (devices, late))
    if not devices and not services:
        return NO_DEVICES_PROMPT
    lines = []
    if names := [*(service.name for service in offered_services([*devices, *late])), *services]:
        lines.append(f"Services: {', '.join(names)}")
    lines.extend(render_groups([*devices, *late]))
    lines.append("Devices:")
    lines.extend(render_device(device) for device in [*devices, *late])
    return "\n".join(lines)


def render_groups(devices: Iterable[Device]) -> list[str]:
    """Return a line of areas and one of floors, as far as services can be called on them."""
    devices = list(devices)
    callable_on = {target for service in offered_services(devices) for target in offered_targets(service, devices)}
    groups = sorted({group for device in devices for group in device.groups}, key=lambda group: group.target)
    lines: list[str] = []
    for kind, title in (("area", "Areas"), ("floor", "Floors")):
        of_kind = [group for group in groups if group.target in callable_on and group.target.startswith(f"{kind}.")]
        if of_kind:
            lines.append(f"{title}: {', '.join(_group(group) for group in of_kind)}")
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


def build_examples(devices: Iterable[Device]) -> list[Example]:
    """Return commands and answers about devices of this house, the same ones for the same house."""
    devices = sorted(devices, key=lambda device: device.entity_id)
    by_domain = {domain: [device for device in devices if device.domain == domain] for domain in _COMMANDS}
    examples: list[Example] = []
    # The question comes first: after it, a small model would answer commands with words alone.
    if readable := next((device for device in devices if device.domain == "sensor"), None):
        name = clean(readable.name)
        examples.append(Example(f"what is the {name}?", None, f"The {name} is {_state(readable)}."))
    commands: list[Example] = []
    for turn in range(max(len(domain_commands) for domain_commands in _COMMANDS.values())):
        for domain, domain_commands in _COMMANDS.items():
            able = by_domain[domain]
            if turn >= len(domain_commands) or not able:
                continue
            # Each command on another device, so that no device looks like the usual answer.
            start = turn % len(able)
            if example := _action_example(domain_commands[turn], able[start:] + able[:start]):
                commands.append(example)
    commands = commands[:MAX_ACTION_EXAMPLES]
    if example := _group_example(devices):
        # Not last: what is copied out of place should be one device, and not a room of them.
        commands.insert(len(commands) // 2, example)
    return examples + commands


def example_messages(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Return examples as turns of a conversation, calls first and the sentence after them."""
    messages: list[dict[str, Any]] = []
    for example in examples:
        answer = example.reply if example.call is None else f"{example.call}\n{example.reply}"
        messages.append({"role": "user", "content": example.request})
        messages.append({"role": "assistant", "content": answer})
    return messages


def _tool(service: Service, devices: Sequence[Device]) -> dict[str, Any]:
    """Return one OpenAI tool; its first property is the entity, as the grammar wants it."""
    properties: dict[str, Any] = {"entity_id": {"type": "string", "enum": offered_targets(service, devices)}}
    required = ["entity_id"]
    for parameter in service.parameters:
        if able := [device for device in devices if parameter.supported(device)]:
            properties[parameter.name] = parameter.schema(able)
            if parameter.required:
                required.append(parameter.name)
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
            },
        },
    }


def _action_example(command: _Command, devices: Sequence[Device]) -> Example | None:
    """Return the command on the first device that can follow it."""
    for device in devices:
        service = next(
            (service for service in CATALOGUE if service.service == command.service and service.supported(device)),
            None,
        )
        if service is None:
            continue
        arguments: dict[str, Any] = {"entity_id": device.entity_id}
        value: float | str | None = None
        if command.argument is not None:
            parameter = next(item for item in service.parameters if item.name == command.argument)
            value = _example_value(parameter, command.values, device)
            if value is None or not parameter.supported(device):
                continue
            arguments[command.argument] = value
        words = {"name": clean(device.name), "value": clean(str(value))}
        return Example(command.request.format(**words), render_call(service, arguments), command.reply.format(**words))
    return None


def _example_value(parameter: Parameter, values: Sequence[float | str], device: Device) -> float | str | None:
    """Return the first value that a device takes."""
    if parameter.kind == "choice":
        return next(iter(parameter.choices(device)), None)
    minimum, maximum = parameter.limits(device)
    for value in values:
        if isinstance(value, str) or ((minimum is None or value >= minimum) and (maximum is None or value <= maximum)):
            return value
    return None


def _group_example(devices: Sequence[Device]) -> Example | None:
    """Return a command on the lights of an area with several, or of any area."""
    service = next(service for service in CATALOGUE if service.name == "light.turn_off")
    areas = {group for device in devices for group in device.groups if group.target.startswith("area.")}
    able = [(group, len(group_members(service, group.target, devices))) for group in areas]
    able = sorted((item for item in able if item[1]), key=lambda item: (-item[1], item[0].target))
    if not able:
        return None
    group = able[0][0]
    name = clean(group.names[0])
    return Example(
        f"turn off the lights in the {name}",
        render_call(service, {"entity_id": group.target}),
        f"Turning off the lights in the {name}.",
    )


def _group(group: Group) -> str:
    """Return an area or a floor with what it is called beside its id."""
    told = group.target.partition(".")[2].replace("_", " ")
    names = [clean(name) for name in group.names if clean(name).casefold() != told]
    return f"{group.target} '{', '.join(names)}'" if names else group.target


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
