"""The hand-written set: houses and sentences that no generator made, as rows like those of the generated data.

Nothing of it may ever be in training data. Needs Home Assistant's environment, whose integration writes the prompts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from home_llm_lab.house import Area, Floor, House, Thing

from .prompts import example_messages, house_tools, system_prompt, tail
from .rows import house_tasks

FILE = Path(__file__).parent / "handwritten.yaml"


class HandwrittenError(ValueError):
    """The file has a mistake; the text says where."""


def read_houses(path: Path = FILE) -> list[tuple[House, list[dict[str, Any]]]]:
    """Return the houses with their sentences.

    Raises:
        HandwrittenError: the file has a mistake.
    """
    content = yaml.safe_load(path.read_text("utf-8"))
    return [
        (_house(number, house, content["types"]), house["tasks"]) for number, house in enumerate(content["houses"], 1)
    ]


def rows(path: Path = FILE) -> Iterator[dict[str, Any]]:
    """Yield the houses as rows.

    Raises:
        HandwrittenError: the file has a mistake, or a call that is expected is not possible in its house.
    """
    for house, tasks in read_houses(path):
        row = {
            "house": house.seed,
            "language": house.language,
            "split": "handwritten",
            "things": len(house.things),
            "prompt": system_prompt(house),
            "tools": house_tools(house),
            "examples": example_messages(house),
            "where": {thing.entity_id: _groups(house, thing) for thing in house.exposed},
            "conversations": [_conversation(house, task) for task in tasks],
        }
        faults = [
            f"{task.said!r}: {call} is not possible: {fault}"
            for task in house_tasks(row)
            for calls in (task.expected, *task.alternatives)
            for call in calls
            if (fault := impossible(call.service, call.arguments, row["tools"]))
        ]
        if faults:
            raise HandwrittenError("\n".join(faults))
        yield row


def impossible(service: str, arguments: Mapping[str, Any], tools: list[dict[str, Any]]) -> str:
    """Return why a call cannot be made with tools, or nothing."""
    tool = next((tool["function"] for tool in tools if tool["function"]["name"] == service), None)
    if tool is None:
        return "there is no such service"
    properties = tool["parameters"]["properties"]
    for name, value in arguments.items():
        schema = properties.get(name)
        if schema is None:
            return f"it takes no {name}"
        choices = schema.get("enum") or schema.get("items", {}).get("enum")
        if choices and any(item not in choices for item in (value if isinstance(value, list) else [value])):
            return f"{name} cannot be {value}"
    missing = [name for name in tool["parameters"].get("required", ()) if name not in arguments]
    return f"it lacks {missing[0]}" if missing else ""


def main(path: str) -> None:
    """Write the rows into a file."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


def _house(number: int, data: Mapping[str, Any], types: Mapping[str, Any]) -> House:
    floors = tuple(
        Floor(floor_id, names[0], tuple(names[1:])) for floor_id, names in (data.get("floors") or {}).items()
    )
    areas = tuple(
        Area(area_id, entry["names"][0], tuple(entry["names"][1:]), entry.get("floor"))
        for area_id, entry in data["areas"].items()
    )
    things = tuple(_thing(entity_id, entry, types) for entity_id, entry in data["things"].items())
    known = {area.area_id for area in areas}
    if lost := [thing.entity_id for thing in things if thing.area_id and thing.area_id not in known]:
        raise HandwrittenError(f"{lost[0]} is in an area that {data['name']} does not have")
    return House(number, data.get("language", "en"), floors, areas, things)


def _thing(entity_id: str, entry: list[Any], types: Mapping[str, Any]) -> Thing:
    names, kind, area, state, *more = entry
    if kind not in types:
        raise HandwrittenError(f"{entity_id} is of the type {kind}, which the file does not have")
    first, *aliases = names if isinstance(names, list) else [names]
    attributes = {**types[kind], **(more[0] if more else {})}
    return Thing(entity_id, first, kind, area, str(state), attributes, tuple(aliases))


def _groups(house: House, thing: Thing) -> list[str]:
    area, floor = house.area(thing.area_id), house.floor_of(thing)
    return [group.target for group in (area, floor) if group is not None]


def _conversation(house: House, task: Mapping[str, Any]) -> dict[str, Any]:
    messages = [
        {"role": role, "content": text.strip()} for turn in task.get("before", ()) for role, text in turn.items()
    ]
    calls = _lines(task.get("calls", ""))
    act = task.get("act") or ("act" if calls else "refuse")
    reply = task.get("reply", "Done." if calls else "")
    messages += [
        {"role": "user", "content": task["said"]},
        {"role": "assistant", "content": "\n".join(filter(None, (calls, reply)))},
    ]
    return {
        "kind": task["kind"],
        "act": act,
        "language": house.language,
        "tail": tail(house, task.get("area")),
        "messages": messages,
        "accept": [_lines(text) for text in task.get("accept", ())],
        "says": task.get("says", []),
        "never": task.get("never", []),
        "templates": [],
    }


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


if __name__ == "__main__":
    main(sys.argv[1])
