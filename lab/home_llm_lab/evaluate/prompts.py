"""Prompts and tools of houses, made by the integration's own code; needs Home Assistant's environment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from custom_components.home_llm.examples import DEFAULT_EXAMPLES, build_examples, read_examples, shipped_file
from custom_components.home_llm.home_format import build_tools, render_house
from custom_components.home_llm.personas import Persona, persona_text
from custom_components.home_llm.prompt_words import here, now
from custom_components.home_llm.service_types import Device, Group
from home_llm_lab.house import House, Thing

__all__ = ["example_messages", "house_tools", "system_prompt", "tail"]


def devices_of(house: House) -> list[Device]:
    """Return what the integration knows of the exposed devices of a house."""
    return [_device(house, thing) for thing in house.exposed]


def system_prompt(house: House, *, persona: str = "al") -> str:
    """Return the system prompt of a house, without the lines of area and time."""
    return f"{persona_text(Persona(persona), house.language)}\n{render_house(devices_of(house))}"


def tail(house: House, area_id: str | None, moment: datetime | None = None) -> str:
    """Return what follows the house: where the speaker is, and what time it is."""
    area = house.area(area_id)
    lines = [here(house.language, area.name)] if area else []
    lines += [now(house.language, moment)] if moment else []
    return "".join(f"\n{line}" for line in lines)


def house_tools(house: House) -> list[dict[str, Any]]:
    """Return the tools of a house."""
    return build_tools(devices_of(house))


def example_messages(house: House, limit: int = DEFAULT_EXAMPLES) -> list[dict[str, str]]:
    """Return the examples that the integration shows to models that were not tuned."""
    messages: list[dict[str, str]] = []
    for item in build_examples(devices_of(house), read_examples(shipped_file(house.language)), limit):
        example = item.as_call
        answer = "\n".join(filter(None, (example.call, example.reply)))
        messages += [{"role": "user", "content": example.request}, {"role": "assistant", "content": answer}]
    return messages


def _device(house: House, thing: Thing) -> Device:
    area = house.area(thing.area_id)
    floor = house.floor_of(thing)
    groups: list[Group] = []
    if area is not None:
        groups.append(Group(area.target, (area.name, *sorted(area.aliases))))
    if floor is not None:
        groups.append(Group(floor.target, (floor.name, *sorted(floor.aliases))))
    return Device(
        entity_id=thing.entity_id,
        name=thing.name,
        state=thing.state,
        attributes=thing.attributes,
        area=area.name if area else None,
        names=thing.names,
        groups=tuple(groups),
    )
