"""One command to the simulated house: prompt, answer, calls made."""

from dataclasses import dataclass, field
from typing import Any

from home_llm.chat import Chat, ChatRequest, Finish, Limits, Message, Text, Tool, ToolCall
from home_llm.demo.house import ALL, EXCEPT, FLOORS, SERVICES, Device, House, group_targets, target
from home_llm.llama import SamplingParameters

_PERSONA = (
    "You are 'Al', a helpful AI Assistant that controls the devices in a house. "
    "Complete the following task as instructed with the information provided only."
)

# One example a kind of device, so that a model that was never trained on houses has seen every verb.
_EXAMPLES = (
    ("turn on the hall light", "light.turn_on(light.hall_light)", "Turning on the Hall Light."),
    ("turn off the bedroom lamp", "light.turn_off(light.bedroom_lamp)", "Turning off the Bedroom Lamp."),
    ("turn on the bedroom fan", "fan.turn_on(fan.bedroom_fan)", "Turning on the Bedroom Fan."),
    ("open the bedroom blind", "cover.open_cover(cover.bedroom_blind)", "Opening the Bedroom Blind."),
    ("close the bedroom blind", "cover.close_cover(cover.bedroom_blind)", "Closing the Bedroom Blind."),
    ("turn off the lights in the bedroom", "light.turn_off(area.bedroom)", "Turning off the lights in the Bedroom."),
    (
        "switch off everything upstairs except the bathroom",
        'homeassistant.turn_off(floor.upstairs, except=["area.bathroom"])',
        "Turning off everything Upstairs but the Bathroom.",
    ),
    ("lock the front door", "lock.lock(lock.front_door)", "Locking the Front Door."),
    ("unlock the front door", "lock.unlock(lock.front_door)", "Unlocking the Front Door."),
    ("switch off the coffee maker", "switch.turn_off(switch.coffee_maker)", "Turning off the Coffee Maker."),
    ("start the hoover", "vacuum.start(vacuum.hoover)", "Starting the Hoover."),
    (
        "turn on the living room tv",
        "media_player.turn_on(media_player.living_room_tv)",
        "Turning on the Living Room TV.",
    ),
)


@dataclass
class Turn:
    """What came of a command.

    Attributes:
        reply: what is spoken.
        calls: what was done, as the model wrote it.
        finish: tokens and times.
    """

    reply: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish | None = None


def take_turn(chat: Chat, house: House, command: str) -> Turn:
    """Give the house a command, and do what the model calls.

    Raises:
        RequestError: the command does not fit the model's context.
    """
    turn = Turn()
    for event in chat.prepare(request(house, command, examples=not chat.knows_houses)).events():
        match event:
            case Text():
                turn.reply += event.text
            case ToolCall():
                arguments = dict(event.arguments)
                house.call(event.name, arguments.pop("entity_id"), arguments)
                turn.calls.append(event)
            case Finish():
                turn.finish = event
            case _:
                continue
    return turn


def request(house: House, command: str, *, examples: bool = True) -> ChatRequest:
    """Return the request in the compact home format, with examples for a model that was not trained on it."""
    prompt = "\n".join([_PERSONA, *describe(house)])
    messages = [Message("system", prompt)]
    for asked, call, said in _EXAMPLES if examples else ():
        messages += [Message("user", asked), Message("assistant", f"{call}\n{said}")]
    return ChatRequest(
        messages=(*messages, Message("user", command)),
        tools=tuple(_tool(name, house) for name in house.services()),
        tool_markup="home",
        render_tools=False,
        sampling=SamplingParameters(temperature=0),
        limits=Limits(max_tokens=120),
    )


def describe(house: House) -> list[str]:
    """Return the lines that tell a model of the house."""
    areas = [group for group in group_targets(house.devices.values()) if group.startswith("area.")]
    floors = [
        f"{target('floor', floor)} ({', '.join(target('area', area) for area in inside)})"
        for floor, inside in FLOORS.items()
    ]
    return [
        f"Services: {', '.join(house.services())}",
        f"Areas: {', '.join([ALL, *areas])}",
        f"Floors: {', '.join(floors)}",
        "Devices:",
        *(_line(device) for device in house.devices.values()),
    ]


def _line(device: Device) -> str:
    place = "" if device.area in device.name else f";area={device.area}"
    return f"{device.entity_id} '{device.name}' = {device.shown_state}{place}"


def _tool(name: str, house: House) -> Tool:
    service = SERVICES[name]
    properties: dict[str, Any] = {"entity_id": {"type": "string", "enum": house.targets(name)}, **service.parameters}
    parameters = {"type": "object", "properties": properties, "required": ["entity_id", *service.required]}
    if exceptions := house.exceptions(name):
        items = {"type": "string", "enum": exceptions}
        properties[EXCEPT] = {"type": "array", "items": items, "minItems": 1, "maxItems": 4}
        groups = [on for on in house.targets(name) if on not in house.devices]
        parameters["dependentSchemas"] = {EXCEPT: {"properties": {"entity_id": {"enum": groups}}}}
    return Tool(name, parameters=parameters)
