"""What is not there, not possible, or done by no house: no call, and one sentence."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.homes.vocabulary import load_vocabulary
from home_llm_lab.house import Area, Floor
from home_llm_lab.kinds.act_common import Order, utter
from home_llm_lab.kinds.act_light import COLORS
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.refer import (
    domain_nouns,
    nouns,
    refer_group,
    spoken,
    tidy,
    vocabulary,
    words_of,
)
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import bare, grammar, plural, talk, turn

# What is said to a device of a domain: groups of commands, then groups of questions.


COMMANDS: dict[str, tuple[str, ...]] = {
    "light": (
        *("act_on", "act_on", "act_off", "act_off", "act_on_light", "act_off_light", "act_brighter", "act_dimmer"),
        *("act_brightness", "act_brightness", "act_color"),
    ),
    "switch": ("act_on", "act_off"),
    "fan": ("act_on", "act_off", "act_fan_speed", "act_fan_faster"),
    "humidifier": ("act_on", "act_off", "act_humidity"),
    "input_boolean": ("act_on_mode", "act_off_mode"),
    "siren": ("act_on_siren", "act_off_siren"),
    "media_player": ("act_on", "act_off", "act_media_pause", "act_volume", "act_mute", "act_louder"),
    "cover": ("act_open", "act_open", "act_close", "act_close", "act_position"),
    "lock": ("act_lock", "act_unlock"),
    "climate": ("act_temperature", "act_temperature", "act_warmer", "act_colder", "act_on", "act_off"),
    "vacuum": ("act_vacuum_start", "act_vacuum_return_to_base", "act_vacuum_pause"),
    "lawn_mower": ("act_lawn_mower_start_mowing", "act_lawn_mower_dock"),
    "valve": ("act_open_valve", "act_close_valve"),
    "alarm_control_panel": ("act_alarm_arm_home", "act_alarm_arm_away", "act_alarm_arm_night", "act_alarm_disarm"),
    "scene": ("act_scene",),
    "script": ("act_script",),
    "water_heater": ("act_temperature",),
}


QUESTIONS: dict[str, tuple[str, ...]] = {
    "light": ("talk_ask_on", "talk_ask_on", "talk_ask_off", "talk_ask_state", "talk_ask_brightness"),
    "switch": ("talk_ask_on", "talk_ask_off", "talk_ask_running"),
    "fan": ("talk_ask_on", "talk_ask_speed"),
    "humidifier": ("talk_ask_on", "talk_ask_target_humidity"),
    "media_player": ("talk_ask_on", "talk_ask_playing", "talk_ask_volume"),
    "cover": ("talk_ask_open", "talk_ask_closed", "talk_ask_position"),
    "lock": ("talk_ask_locked", "talk_ask_unlocked"),
    "climate": ("talk_ask_target", "talk_ask_mode"),
    "vacuum": ("talk_ask_cleaning", "talk_ask_doing"),
    "lawn_mower": ("talk_ask_mowing", "talk_ask_doing"),
    "alarm_control_panel": ("talk_ask_armed",),
}
# What people ask for that a house may not have, with its domain: keys of nouns.


_WANTED: dict[str, str] = {
    "light": "light", "ceiling_light": "light", "floor_lamp": "light", "table_lamp": "light", "bedside_lamp": "light",
    "desk_lamp": "light", "reading_light": "light", "led_strip": "light", "spotlights": "light", "chandelier": "light",
    "wall_light": "light", "mirror_light": "light", "outdoor_light": "light", "fairy_lights": "light",
    "coffee_maker": "switch", "kettle": "switch", "toaster": "switch", "dishwasher": "switch",
    "washing_machine": "switch", "printer": "switch", "aquarium": "switch", "pump": "switch", "plug": "switch",
    "fan": "fan", "ceiling_fan": "fan", "extractor_fan": "fan", "air_purifier": "fan",
    "blind": "cover", "curtain": "cover", "shutter": "cover", "shade": "cover", "awning": "cover", "skylight": "cover",
    "garage_door": "cover", "gate": "cover", "lock": "lock",
    "thermostat": "climate", "radiator": "climate", "air_conditioner": "climate",
    "humidifier": "humidifier", "dehumidifier": "humidifier",
    "tv": "media_player", "speaker": "media_player", "radio": "media_player", "projector": "media_player",
    "vacuum": "vacuum", "mower": "lawn_mower", "siren": "siren", "alarm": "alarm_control_panel",
}  # fmt: skip


_EVERYWHERE = frozenset({"vacuum", "lawn_mower", "siren", "alarm_control_panel"})


def exists(scene: Scene, phrase: str) -> bool:
    """Return whether a phrase could mean anything that the assistant knows of."""
    meant = words_of(phrase)
    book = scene.words.book
    return any(meant <= vocabulary(book, scene.house, thing) for thing in scene.house.exposed)


def command_to(scene: Scene, domain: str, phrase: str, *, question: bool) -> str:
    """Return some command or question to something of a domain."""
    slots = grammar(scene, phrase)
    if question and domain in QUESTIONS:
        group = scene.rng.choice(QUESTIONS[domain])
        return scene.words.say(group, the_name=phrase, name=bare(phrase), **slots)
    group = scene.rng.choice(COMMANDS[domain])
    return ordered(scene, group, phrase)


def ordered(scene: Scene, group: str, phrase: str) -> str:
    """Return a command of a group to something, with some numbers where it needs any."""
    rng = scene.rng
    degrees = rng.randint(17, 24) if scene.house.metric else rng.randint(62, 76)
    color = scene.words.answer(f"color_{rng.choice(list(COLORS))}")
    values = {
        "thing": phrase,
        "bare": bare(phrase),
        "percent": say_number(scene, "percent", rng.randrange(10, 100, 5)),
        "degrees": say_number(scene, "degrees", degrees),
        "color": color,
        "a_color": color,
    }
    return utter(scene, Order((group,), values, (), {}, "")) or scene.words.say(group, **values)


def no_such(scene: Scene, phrase: str) -> str:
    """Return the answer that there is no such thing."""
    group = "talk_there_are_no" if plural(phrase) else "talk_there_is_no"
    return scene.words.answer(group, missing=bare(phrase))


def refusal(scene: Scene, name: str, said: str, reply: str) -> Example:
    """Return a command with its refusal."""
    return talk(scene, name, turn(scene, said, reply, "refuse"))


@kind("refuse_device", 8)
def refuse_device(scene: Scene) -> Example | None:
    """Want a device that a room does not have, or the house; such as the house has elsewhere as often as not."""
    rng, book = scene.rng, scene.words.book
    areas = [area for area in scene.house.areas if scene.house.inside(area.target)]
    present = [key for key in _WANTED if any(thing.kind == key for thing in scene.house.exposed)]
    key = rng.choice(present if present and rng.random() < 0.5 else list(_WANTED))
    domain = _WANTED[key]
    found = list(book.groups.get(f"noun_{key}", ()))
    if not found:
        return None
    noun = rng.choice(found)
    if domain in _EVERYWHERE or not areas or rng.random() < 0.15:
        phrase = scene.words.answer("refer_the", noun=noun)
    else:
        area = rng.choice(areas)
        place = refer_group(scene, area.target, "in", here=False)
        called = refer_group(scene, area.target, "bare", here=False)
        if place is None or called is None or words_of(called) & words_of(noun):
            return None
        if _has_such(scene, area.area_id, domain) and rng.random() < 0.85:
            return None
        phrase = tidy(scene, scene.words.answer("refer_noun_place", noun=noun, area=called, in_area=place), called)
        if phrase.count("'s ") > called.count("'s"):
            return None
    if exists(scene, phrase):
        return None
    said = command_to(scene, domain, phrase, question=rng.random() < 0.22)
    return refusal(scene, "refuse_device", said, no_such(scene, phrase))


def _has_such(scene: Scene, area_id: str, domain: str) -> bool:
    """Return whether a room has a device of a domain, which people may call by another noun; machines they do not."""
    return domain != "switch" and bool(scene.house.inside(f"area.{area_id}", domain))


def missing_room(scene: Scene) -> tuple[str, str] | None:
    """Return a room that the house does not have, in words that nothing in it has, and of which kind it is."""
    rooms = load_vocabulary(scene.words.book.language).words["rooms"]
    taken: frozenset[str] = frozenset()
    places: list[Area | Floor] = [*scene.house.areas, *scene.house.floors]
    for named in places:
        taken |= frozenset().union(*(words_of(name) for name in (named.name, *named.aliases)))
    for thing in scene.house.exposed:
        taken |= frozenset().union(*(words_of(name) for name in thing.names))
    taken -= words_of("room")
    kinds = {area.kind for area in scene.house.areas} | {floor.kind for floor in scene.house.floors}
    free = [(name, key) for key, names in rooms.items() if key not in kinds for name in names if "{" not in name]
    free = [(name, key) for name, key in free if not words_of(name) & taken]
    if not free:
        return None
    name, key = scene.rng.choice(free)
    return spoken(scene, name), key


@kind("refuse_room", 2.2)
def refuse_room(scene: Scene) -> Example | None:
    """Want something in a room that the house does not have."""
    found = missing_room(scene)
    if found is None:
        return None
    area, key = found
    groups = scene.words.book.groups
    place = scene.words.answer(f"in_area_{key}" if f"in_area_{key}" in groups else "in_area", area=area)
    values = {"area": area, "in_area": place, "place": place, "the_area": scene.words.answer("the_area", area=area)}
    group = scene.rng.choice(
        (
            *("act_lights_on", "act_lights_on", "act_lights_off", "act_lights_off", "act_everything_off"),
            *("talk_room_on", "talk_room_off", "talk_room_other", "talk_room_ask", "talk_lights_on"),
            *("act_room_temperature", "talk_ask_warm_place"),
        )
    )
    if group.startswith("act"):
        values["degrees"] = say_number(scene, "degrees", scene.rng.randint(17, 24))
        said = utter(scene, Order((group,), values, (), {}, ""))
    else:
        word = scene.rng.choices(("light", "plug", "fan"), (8, 0.5, 1))[0]
        nouns_ = {"noun": groups[f"talk_word_{word}"][0], "nouns": groups[f"talk_words_{word}"][0]}
        said = scene.words.say(group, **values, **nouns_)
    if said is None:
        return None
    return refusal(scene, "refuse_room", said, scene.words.answer("talk_there_is_no", missing=area))


@kind("refuse_hidden", 1.5)
def refuse_hidden(scene: Scene) -> Example | None:
    """Want a device that the house has, but not for the assistant."""
    hidden = [thing for thing in scene.house.things if not thing.exposed and thing.domain in COMMANDS]
    hidden = [thing for thing in hidden if not exists(scene, thing.name)]
    if not hidden:
        return None
    thing = scene.rng.choice(hidden)
    phrase = named(scene, thing.name)
    said = command_to(scene, thing.domain, phrase, question=scene.rng.random() < 0.25)
    return refusal(scene, "refuse_hidden", said, no_such(scene, phrase))


@kind("refuse_name", 2)
def refuse_name(scene: Scene) -> Example | None:
    """Want a device by a name that no device has, made like those of the house."""
    rng = scene.rng
    words = load_vocabulary(scene.words.book.language)
    key = rng.choice([key for key in _WANTED if words.list("things", key)])
    thing = rng.choice(words.list("things", key))
    people = words.list("people")
    area = rng.choice(scene.house.areas) if scene.house.areas else None
    if rng.random() < 0.85 and area is not None:
        if _has_such(scene, area.area_id, _WANTED[key]) and rng.random() < 0.85:
            return None
        name = f"{area.name} {thing}"
    elif people and scene.words.book.language == "en":
        name = f"{rng.choice(people)}'s {thing}"
    else:
        name = thing
    if exists(scene, name) or name.count("'s ") > 1 or _like_another(scene, name, _WANTED[key]):
        return None
    phrase = named(scene, name)
    said = command_to(scene, _WANTED[key], phrase, question=rng.random() < 0.2)
    return refusal(scene, "refuse_name", said, no_such(scene, phrase))


def _like_another(scene: Scene, name: str, domain: str) -> bool:
    """Return whether somebody could mean a device of the same domain whose name or place begins the same."""
    meant = words_of(name)
    for thing in scene.house.exposed:
        kindred = words_of(" ".join((*nouns(scene.words.book, thing), *domain_nouns(scene.words.book, thing.domain))))
        if (
            thing.domain == domain
            and len(meant - words_of(thing.name)) == 1
            and (meant - words_of(thing.name)) <= kindred
        ):
            return True
    return False


def named(scene: Scene, name: str) -> str:
    """Return a name as it is spoken of, with its article."""
    said = spoken(scene, name)
    return tidy(scene, scene.words.answer("refer_name", name=said), said)
