"""What could be meant in several rooms is asked back: a name that they share, and what people need in none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can
from home_llm_lab.kinds.act_common import utter
from home_llm_lab.kinds.refer import domain_nouns, refer_group, spoken, tidy, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_ask import NAMED, lit_rooms
from home_llm_lab.kinds.talk_common import in_place, sentence, talk, the, turn
from home_llm_lab.kinds.talk_deeds import DEEDS, deed, done, tempting


@kind("ask_name", 4)
def ask_name(scene: Scene) -> Example | None:
    """Say a name that devices in several rooms have, none of them in the speaker's room; then which, sometimes."""
    found = _namesakes(scene)
    if found is None:
        return None
    things, which = found
    name = spoken(scene, things[0].name)
    made = deed(scene, things[0], which, tidy(scene, scene.words.answer("refer_name", name=name), name))
    said = utter(scene, made) if made else None
    if said is None:
        return None
    rooms = [in_place(scene, thing.area_id or "") for thing in things]
    if len(rooms) > NAMED:
        asked = scene.words.answer("ask_room")
    else:
        options = scene.words.answer("ask_or", first=", ".join(rooms[:-1]), last=rooms[-1])
        asked = scene.words.answer("ask_places", options=sentence(options))
    first = turn(scene, said, asked, "ask")
    if scene.rng.random() < 0.6:
        return replace(talk(scene, "ask_name", first), tempting=tempting(scene, things, f"act_{which}"))
    thing = scene.rng.choice(things)
    target = f"area.{thing.area_id}"
    place, area = refer_group(scene, target, "in", here=False), refer_group(scene, target, "bare", here=False)
    meant = deed(scene, thing, which, the(scene, thing))
    if place is None or area is None or meant is None:
        return None
    answer = scene.words.say("talk_answer_place", place=place, area=area)
    return talk(scene, "ask_name", first, done(scene, answer, meant))


def _namesakes(scene: Scene) -> tuple[list[Thing], str] | None:
    """Return devices that have the same name in different rooms, and what can be done with each of them."""
    by_name: dict[tuple[str, ...], list[Thing]] = {}
    for thing in scene.house.exposed:
        if thing.domain in DEEDS:
            by_name.setdefault((thing.domain, *sorted(words_of(thing.name))), []).append(thing)
    found = []
    for things in by_name.values():
        areas = [thing.area_id for thing in things]
        which = scene.rng.choice(DEEDS[things[0].domain])
        if (
            len(things) > 1
            and None not in areas
            and scene.area_id not in areas
            and len(set(areas)) == len(areas)
            and all(deed(scene, thing, which, thing.name) for thing in things)
            and not _named_apart(scene, things)
        ):
            found.append((sorted(things, key=lambda thing: thing.entity_id), which))
    return scene.rng.choice(found) if found else None


def _named_apart(scene: Scene, things: Sequence[Thing]) -> bool:
    """Return whether something else goes by the name as well: an alias, or a room."""
    meant = words_of(things[0].name)
    others = [name for thing in scene.house.exposed if thing not in things for name in thing.names]
    others += [alias for thing in things for alias in thing.aliases]
    others += [name for area in scene.house.areas for name in (area.name, *area.aliases)]
    general = [words_of(noun) for noun in domain_nouns(scene.words.book, things[0].domain)]
    return meant in general or any(words_of(name) == meant for name in others)


@kind("ask_need", 2)
def ask_need(scene: Scene) -> Example | None:
    """Find it too dark, too cold or too warm and tell no room, in a house where several could be meant."""
    if scene.area_id is not None:
        return None
    group, rooms = scene.rng.choice(
        (
            ("act_need_light_free", lit_rooms(scene, "on")),
            ("act_too_cold_free", _heated_rooms(scene)),
            ("act_too_warm_free", _heated_rooms(scene)),
        )
    )
    if len(rooms) < 2:
        return None
    said = scene.words.say(group, in_area="")
    return talk(scene, "ask_need", turn(scene, said, scene.words.answer("ask_room"), "ask"))


def _heated_rooms(scene: Scene) -> list[str]:
    things = [thing for thing in scene.house.inside("all", "climate") if can(thing, "climate.set_temperature")]
    return sorted({thing.area_id for thing in things if thing.area_id is not None})
