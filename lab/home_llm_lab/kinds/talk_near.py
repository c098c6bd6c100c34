"""What is nearly there: one word differs from what the house has, or it was there a moment ago."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from home_llm_lab.example import Example
from home_llm_lab.homes.vocabulary import load_vocabulary
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import nouns, refer, refer_group, tidy, with_article, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_deeds import tempting
from home_llm_lab.kinds.talk_refuse import COMMANDS, command_to, exists, named, no_such, ordered, refusal

# How another device is spoken of that is nearly one of the house, or None where this one has none.
_Way: TypeAlias = Callable[[Scene, Thing], "str | None"]

# What there is one of, wherever it stands.
_WHOLE_HOUSE = frozenset({"vacuum", "lawn_mower", "siren", "alarm_control_panel"})
# What people call by several nouns: a house with blinds need not lack shades.
_LOOSE = frozenset({"cover", "climate", "humidifier"})
_QUESTIONS = 0.2


def _other_room(scene: Scene, thing: Thing) -> str | None:
    """Return the noun of a device in a room that has none of its domain."""
    found = nouns(scene.words.book, thing)
    rooms = [
        area
        for area in scene.house.areas
        if area.area_id != thing.area_id and not scene.house.inside(area.target, thing.domain)
    ]
    if not found or not rooms or thing.domain in _WHOLE_HOUSE:
        return None
    noun, area = scene.rng.choice(found), scene.rng.choice(rooms)
    place = refer_group(scene, area.target, "in", here=False)
    called = refer_group(scene, area.target, "bare", here=False)
    if place is None or called is None or words_of(called) & words_of(noun):
        return None
    phrase = tidy(scene, scene.words.answer("refer_noun_place", noun=noun, area=called, in_area=place), called)
    return phrase if phrase.count("'s ") < 2 else None


def _other_floor(scene: Scene, thing: Thing) -> str | None:
    """Return the noun of a device on a floor that has none of its domain."""
    found = nouns(scene.words.book, thing)
    floors = [floor for floor in scene.house.floors if not scene.house.inside(floor.target, thing.domain)]
    if not found or not floors or thing.domain in _WHOLE_HOUSE:
        return None
    place = refer_group(scene, scene.rng.choice(floors).target, "in")
    return f"{with_article(scene, scene.rng.choice(found))} {place}" if place else None


def _other_sort(scene: Scene, thing: Thing) -> str | None:
    """Return another sort of the same domain in the room of a device: the floor lamp where there is a ceiling light."""
    area = scene.house.area(thing.area_id)
    if area is None or thing.domain in _LOOSE:
        return None
    words = load_vocabulary(scene.words.book.language)
    keys = {other.kind for other in scene.house.things if other.domain == thing.domain and other.kind != thing.kind}
    choices = [name for key in sorted(keys) for name in words.list("things", key)]
    place = refer_group(scene, area.target, "in", here=False)
    if not choices or place is None:
        return None
    noun = scene.rng.choice(choices)
    noun = noun.lower() if scene.words.book.language != "de" else noun
    return None if words_of(noun) & words_of(area.name) else f"{with_article(scene, noun)} {place}"


def _other_owner(scene: Scene, thing: Thing) -> str | None:
    """Return the name of a device with somebody else in it."""
    words = load_vocabulary(scene.words.book.language)
    people = [str(name) for name in words.list(words.owners)]
    name = scene.rng.choice(thing.names)
    own = next((who for who in people if re.search(rf"\b{re.escape(who)}(?!\w)", name)), None)
    taken = {word for other in scene.house.things for each in other.names for word in words_of(each)}
    others = [who for who in people if not words_of(who) & taken]
    if own is None or not others:
        return None
    return named(scene, re.sub(rf"\b{re.escape(own)}(?!\w)", scene.rng.choice(others), name))


def _other_mark(scene: Scene, thing: Thing) -> str | None:
    """Return the name of a device with the opposite in it: right instead of left, three instead of two."""
    name = scene.rng.choice(thing.names)
    if number := re.search(r"(?<!\w)\d(?!\w)", name):
        other = scene.rng.choice([figure for figure in "123456" if figure != number[0]])
        return named(scene, f"{name[: number.start()]}{other}{name[number.end() :]}")
    for pair in scene.words.book.groups.get("near_marks", ()):
        first, last = pair.split()
        for word, other in ((first, last), (last, first)):
            if found := re.search(rf"\b{word}\b", name, re.IGNORECASE):
                return named(scene, f"{name[: found.start()]}{other}{name[found.end() :]}")
    return None


def _moved_name(scene: Scene, thing: Thing) -> str | None:
    """Return the name of a device with another room in it, which has none of its domain."""
    area = scene.house.area(thing.area_id)
    if area is None or area.name.casefold() not in thing.name.casefold():
        return None
    rooms = [
        other
        for other in scene.house.areas
        if other is not area and not scene.house.inside(other.target, thing.domain) and "'" not in other.name
    ]
    if not rooms:
        return None
    return named(scene, re.sub(re.escape(area.name), scene.rng.choice(rooms).name, thing.name, flags=re.IGNORECASE))


_WAYS: tuple[_Way, ...] = (_other_room, _other_room, _moved_name, _other_floor, _other_sort, _other_owner, _other_mark)


@kind("refuse_near", 12)
def refuse_near(scene: Scene) -> Example | None:
    """Want what differs in one word from what the house has: its room, floor, sort, owner, side or number."""
    things = [thing for thing in scene.house.exposed if thing.domain in COMMANDS]
    scene.rng.shuffle(things)
    for thing in things[:8]:
        phrase = scene.rng.choice(_WAYS)(scene, thing)
        if phrase is None or exists(scene, phrase):
            continue
        return _refused(scene, "refuse_near", phrase, [thing])
    return None


def _refused(scene: Scene, name: str, phrase: str, near: Sequence[Thing]) -> Example:
    """Return a command or a question on what is not there, with devices that could be taken for it."""
    domain = near[0].domain
    if scene.rng.random() < _QUESTIONS:
        return refusal(scene, name, command_to(scene, domain, phrase, question=True), no_such(scene, phrase))
    group = scene.rng.choice(COMMANDS[domain])
    made = refusal(scene, name, ordered(scene, group, phrase), no_such(scene, phrase))
    known = [thing for thing in near if thing.exposed]
    return replace(made, tempting=tempting(scene, known, group))


@kind("refuse_gone", 9)
def refuse_gone(scene: Scene) -> Example | None:
    """Want what the assistant may not know of, in words that would fit exactly that device if it might."""
    hidden = [thing for thing in scene.house.things if not thing.exposed and thing.domain in COMMANDS]
    scene.rng.shuffle(hidden)
    for thing in hidden[:4]:
        # The same chance and the same count of templates, but a house that has it.
        whole = _with(scene, thing)
        phrase = refer(whole, next(seen for seen in whole.house.exposed if seen.entity_id == thing.entity_id))
        if phrase is None or exists(scene, phrase) or _like(scene, phrase, thing):
            continue
        here = scene.house.inside(f"area.{thing.area_id}", thing.domain)
        return _refused(scene, "refuse_gone", phrase, [thing, *(here or scene.house.inside("all", thing.domain))])
    return None


def _with(scene: Scene, thing: Thing) -> Scene:
    """Return a scene in which the assistant may know of a device too."""
    things = tuple(replace(other, exposed=True) if other is thing else other for other in scene.house.things)
    return replace(scene, house=replace(scene.house, things=things))


def _like(scene: Scene, phrase: str, thing: Thing) -> bool:
    """Return whether another device where this one stands could be called so by somebody who is less exact."""
    if thing.domain not in _LOOSE or thing.area_id is None:
        return False
    name_is_said = any(words_of(phrase) == words_of(name) for name in thing.names)
    return not name_is_said and bool(scene.house.inside(f"area.{thing.area_id}", thing.domain))
