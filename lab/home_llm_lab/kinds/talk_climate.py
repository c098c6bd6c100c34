"""Questions about the air in rooms and outside, the weather and the sun."""

from __future__ import annotations

import re

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, grammar, in_place, number, reading, state_word, tells, the

# What of the sensors in a room does not measure its air.
_ELSEWHERE = re.compile(
    r"fridge|freezer|outside|outdoor|oven|water|boiler|pool|car\b|soil|plant|kühl|gefrier|außen|draußen|frigo|extérieur"
    r"|congél|nevera|congelador|exterior|lodówk|zamraż|zewn",
    re.IGNORECASE,
)


def air_sensors(scene: Scene, area_id: str, device_class: str) -> list[Thing]:
    """Return the sensors that measure the air of an area."""
    return [
        thing
        for thing in scene.house.inside(f"area.{area_id}", "sensor")
        if thing.device_class == device_class and not any(_ELSEWHERE.search(name) for name in thing.names)
    ]


def thermostats(scene: Scene, area_id: str, attribute: str) -> list[Thing]:
    """Return the thermostats of an area that know an attribute."""
    return [
        thing
        for thing in scene.house.inside(f"area.{area_id}", "climate")
        if isinstance(thing.attributes.get(attribute), (int, float)) and thing.state not in UNKNOWN
    ]


def room_temperature(scene: Scene, area_id: str) -> tuple[float, str] | None:
    """Return how warm it is in an area and how that is said: by its one sensor, else by its one thermostat."""
    sensors = air_sensors(scene, area_id, "temperature")
    if sensors:
        return _measured(sensors)
    found = thermostats(scene, area_id, "current_temperature")
    if len(found) != 1:
        return None
    value = float(found[0].attributes["current_temperature"])
    return value, scene.words.answer("talk_degrees", value=number(value))


def room_humidity(scene: Scene, area_id: str) -> tuple[float, str] | None:
    """Return how humid it is in an area and how that is said, by its one sensor."""
    return _measured(air_sensors(scene, area_id, "humidity"))


def _measured(sensors: list[Thing]) -> tuple[float, str] | None:
    if len(sensors) != 1:
        return None
    try:
        return float(sensors[0].state), reading(sensors[0])
    except ValueError:
        return None


def places(scene: Scene, area_id: str) -> dict[str, str] | None:
    """Return the slots that name an area in a question, or None where it has no name of its own."""
    target = f"area.{area_id}"
    place, the_area = refer_group(scene, target, "in", here=False), refer_group(scene, target, "the", here=False)
    area = refer_group(scene, target, "bare", here=False)
    if place is None or the_area is None or area is None:
        return None
    return {"place": place, "the_area": the_area, "area": area}


def _areas(scene: Scene) -> list[str]:
    return [area.area_id for area in scene.house.areas if scene.house.inside(area.target)]


def _ask_room(scene: Scene, name: str, area_id: str, group: str, fact: str) -> Example | None:
    """Return a question about a room, said with or without it."""
    if area_id == scene.area_id and f"{group}_here" in scene.words.book.groups and scene.rng.random() < 0.5:
        return tells(scene, name, scene.words.say(f"{group}_here"), fact)
    slots = places(scene, area_id)
    return tells(scene, name, scene.words.say(f"{group}_place", **slots), fact) if slots else None


@kind("tell_temperature", 4.5)
def tell_temperature(scene: Scene) -> Example | None:
    """Ask how warm it is in a room."""
    known = {area_id: found for area_id in _areas(scene) if (found := room_temperature(scene, area_id))}
    if not known:
        return None
    area_id = scene.area_id if scene.area_id in known and scene.rng.random() < 0.4 else scene.rng.choice(list(known))
    fact = scene.words.answer("talk_temperature", value=known[area_id][1], in_area=in_place(scene, area_id))
    if len(known) == 1 and scene.rng.random() < 0.4:
        # The only temperature there is needs no room.
        return tells(scene, "tell_temperature", scene.words.say("talk_warm_where"), fact)
    return _ask_room(scene, "tell_temperature", area_id, "talk_ask_warm", fact)


@kind("tell_no_temperature", 0.7)
def tell_no_temperature(scene: Scene) -> Example | None:
    """Ask how warm or humid it is where nothing measures it."""
    what = scene.rng.choice(("temperature", "humidity"))
    attribute = {"temperature": "current_temperature", "humidity": "current_humidity"}[what]
    unknown = [
        area_id
        for area_id in _areas(scene)
        if not air_sensors(scene, area_id, what)
        and not thermostats(scene, area_id, attribute)
        and not any(
            thing.domain in ("humidifier", "weather") or thing.device_class == what
            for thing in scene.house.inside(f"area.{area_id}")
        )
    ]
    if not unknown:
        return None
    area_id = scene.rng.choice(unknown)
    fact = scene.words.answer(f"talk_no_{what}", in_area=in_place(scene, area_id))
    group = {"temperature": "talk_ask_warm", "humidity": "talk_ask_humid"}[what]
    return _ask_room(scene, "tell_no_temperature", area_id, group, fact)


@kind("tell_humidity", 1.5)
def tell_humidity(scene: Scene) -> Example | None:
    """Ask how humid it is in a room."""
    known = {area_id: found for area_id in _areas(scene) if (found := room_humidity(scene, area_id))}
    if not known:
        return None
    area_id = scene.rng.choice(list(known))
    fact = scene.words.answer("talk_humidity", value=known[area_id][1], in_area=in_place(scene, area_id))
    return _ask_room(scene, "tell_humidity", area_id, "talk_ask_humid", fact)


@kind("tell_air", 1.2)
def tell_air(scene: Scene) -> Example | None:
    """Ask for the light or the carbon dioxide in a room."""
    found = []
    for device_class, group, fact in (
        ("illuminance", "talk_ask_light_level", "talk_light_level"),
        ("carbon_dioxide", "talk_ask_co2", "talk_co2"),
    ):
        for area_id in _areas(scene):
            sensors = air_sensors(scene, area_id, device_class)
            if len(sensors) == 1 and sensors[0].state not in UNKNOWN:
                found.append((area_id, group, fact, sensors[0]))
    if not found:
        return None
    area_id, group, fact, sensor = scene.rng.choice(found)
    slots = places(scene, area_id)
    if slots is None:
        return None
    said = scene.words.say(group, **slots)
    return tells(
        scene, "tell_air", said, scene.words.answer(fact, value=reading(sensor), in_area=in_place(scene, area_id))
    )


@kind("tell_target", 1.5)
def tell_target(scene: Scene) -> Example | None:
    """Ask to what the thermostat of a room is set, or whether it heats."""
    found = {area_id: things for area_id in _areas(scene) if (things := thermostats(scene, area_id, "temperature"))}
    single = {area_id: things[0] for area_id, things in found.items() if len(things) == 1}
    single = {area_id: it for area_id, it in single.items() if len(_climates(scene, area_id)) == 1}
    if not single:
        return None
    area_id = scene.rng.choice(list(single))
    thing, slots = single[area_id], places(scene, area_id)
    if slots is None:
        return None
    about = {"the_name": the(scene, thing), **grammar(scene, thing.name)}
    if thing.state in ("heat", "off") and scene.rng.random() < 0.35:
        on = thing.state == "heat"
        word = state_word(scene, thing.state)
        fact = scene.words.answer("talk_mode" if on else "talk_state", value=word, state=word, **about)
        return tells(scene, "tell_target", scene.words.say("talk_ask_heating_on", **slots), fact, on)
    fact = scene.words.answer("talk_set_to_degrees", value=number(thing.attributes["temperature"]), **about)
    return tells(scene, "tell_target", scene.words.say("talk_ask_target_place", **slots), fact)


def _climates(scene: Scene, area_id: str) -> list[Thing]:
    return scene.house.inside(f"area.{area_id}", "climate")
