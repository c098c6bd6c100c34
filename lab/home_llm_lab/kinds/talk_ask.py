"""What is ambiguous is asked back, and the answer to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can
from home_llm_lab.kinds.act_common import Order, Subject, on, utter
from home_llm_lab.kinds.act_groups import LIGHTS, group_name
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.refer import (
    ambiguous,
    domain_nouns,
    refer_by_name,
    refer_group,
    words_of,
)
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_climate import room_temperature
from home_llm_lab.kinds.talk_common import bare, in_place, talk, the, turn
from home_llm_lab.kinds.talk_deeds import DEEDS, deed, done, tempting

_ASKED = ("light", "light", "cover", "cover", "fan", "media_player", "switch", "humidifier", "lock")
# So many are named in the question.
NAMED = 3


def options(scene: Scene, things: Sequence[Thing]) -> str:
    """Return "the A, the B or the C"."""
    names = [the(scene, thing) for thing in things]
    return scene.words.answer("ask_or", first=", ".join(names[:-1]), last=names[-1])


def question(scene: Scene, noun: str, things: Sequence[Thing]) -> str:
    """Return which of some devices is meant; two or three are named."""
    if len(things) <= NAMED:
        return scene.words.answer("ask_which", options=options(scene, things))
    return scene.words.answer("ask_which_noun", noun=bare(noun))


def ambiguity(scene: Scene) -> tuple[str, list[Thing], str] | None:
    """Return a noun that fits several devices, those, and what is to be done with the one that is meant."""
    for domain in scene.rng.sample(_ASKED, len(_ASKED)):
        found = ambiguous(scene, domain)
        if found is None:
            continue
        noun, things = found
        things = sorted(things, key=lambda thing: thing.entity_id)
        which = scene.rng.choice(DEEDS[domain])
        if _open_question(scene, noun, things) and all(deed(scene, thing, which, noun) for thing in things):
            return noun, things, which
    return None


def _exact(scene: Scene, noun: str) -> bool:
    """Return whether a noun says which sort of lamp is meant, and that it is one."""
    groups = scene.words.book.groups
    several = {many.casefold() for group, found in groups.items() if group.startswith("nouns_") for many in found}
    general = {words_of(found) for found in domain_nouns(scene.words.book, "light")}
    return words_of(noun) not in general and bare(noun).casefold() not in several


def _open_question(scene: Scene, noun: str, things: Sequence[Thing]) -> bool:
    """Return whether a noun leaves open which device is meant."""
    areas = {thing.area_id for thing in things}
    # "The light" of a room with several is all of them, but "the bedside lamp" is one.
    if things[0].domain == "light" and len(areas) == 1 and None not in areas and not _exact(scene, noun):
        return False
    if len({tuple(sorted(words_of(thing.name))) for thing in things}) < len(things):
        return False
    # What has the noun in its name is meant rather than what only is such.
    return len({any(words_of(noun) <= words_of(name) for name in thing.names) for thing in things}) == 1


def _first(scene: Scene, noun: str, things: Sequence[Thing], which: str) -> Turn | None:
    made = deed(scene, things[0], which, noun)
    said = utter(scene, made) if made else None
    return turn(scene, said, question(scene, noun, things), "ask") if said else None


@kind("ask_which", 9)
def ask_which(scene: Scene) -> Example | None:
    """Say a noun that fits several devices."""
    found = ambiguity(scene)
    if found is None:
        return None
    noun, things, which = found
    first = _first(scene, noun, things, which)
    if first is None:
        return None
    return replace(talk(scene, "ask_which", first), tempting=tempting(scene, things, f"act_{which}"))


@kind("ask_answered", 5)
def ask_answered(scene: Scene) -> Example | None:
    """Say a noun that fits several devices, and then which one is meant."""
    found = ambiguity(scene)
    if found is None:
        return None
    noun, things, which = found
    first = _first(scene, noun, things, which)
    if first is None:
        return None
    thing = scene.rng.choice(things)
    chosen = [thing]
    named = len(things) <= NAMED
    # "the kitchen one" must leave no other.
    alone = thing.area_id is not None and [other.area_id for other in things].count(thing.area_id) == 1
    ways = ["name", "name"] + ["place"] * (3 if alone else 0) + (["nth", "all"] if named else [])
    match scene.rng.choice(ways):
        case "name":
            called = refer_by_name(scene, thing)
            if called is None:
                return None
            said = scene.words.say("talk_answer_name", thing=called, bare=bare(called))
        case "place":
            target = f"area.{thing.area_id}"
            place, area = refer_group(scene, target, "in", here=False), refer_group(scene, target, "bare", here=False)
            if place is None or area is None:
                return None
            said = scene.words.say("talk_answer_place", place=place, area=area)
        case "nth":
            said = scene.words.say(f"talk_answer_nth_{things.index(thing) + 1}")
            if said.startswith("the last") and thing is not things[-1]:
                return None
        case _:
            chosen = list(things)
            said = scene.words.say("talk_answer_both" if len(things) == 2 else "talk_answer_all")
            if "three" in said and len(things) != 3:
                return None
    orders = [made for other in chosen if (made := deed(scene, other, which, the(scene, other)))]
    return talk(scene, "ask_answered", first, done(scene, said, *orders))


def lit_rooms(scene: Scene, which: str) -> list[str]:
    """Return the rooms with lights that can be turned on, or off, as calls name them."""
    return [
        area.target
        for area in scene.house.areas
        if any(can(thing, f"light.turn_{which}") for thing in scene.house.inside(area.target, "light"))
    ]


@kind("ask_lights_where", 3)
def ask_lights_where(scene: Scene) -> Example | None:
    """Want the lights on or off and tell no room; then tell it, sometimes."""
    which = scene.rng.choice(("on", "off"))
    rooms = lit_rooms(scene, which)
    if scene.area_id is not None or len(rooms) < 2:
        return None
    if any(words_of(name) <= {"light", "lighting"} for thing in scene.house.exposed for name in thing.names):
        return None
    said = scene.words.say("talk_lights_where" if which == "on" else "talk_lights_off_where")
    first = turn(scene, said, scene.words.answer("ask_room"), "ask")
    if scene.rng.random() < 0.5:
        return talk(scene, "ask_lights_where", first)
    target = scene.rng.choice(rooms)
    made = room_lights(scene, target, which)
    place, area = refer_group(scene, target, "in"), refer_group(scene, target, "bare")
    the_area = refer_group(scene, target, "the")
    if made is None or place is None or area is None or the_area is None:
        return None
    group = scene.rng.choice(("talk_answer_room", "talk_answer_room", "talk_answer_ones"))
    answer = scene.words.say(group, place=place, area=area, the_area=the_area)
    return talk(scene, "ask_lights_where", first, done(scene, answer, made))


def room_lights(scene: Scene, target: str, which: str) -> Order | None:
    """Return the order to turn the lights of a place on or off."""
    service = f"light.turn_{which}"
    things = tuple(thing for thing in scene.house.inside(target, "light") if can(thing, service))
    if not things:
        return None
    subject = Subject("", target, things, group_name(scene, LIGHTS, target))
    return on(scene, subject, [f"act_{which}"], Call(service), lambda thing: switched(thing, which))


@kind("ask_degrees_where", 2)
def ask_degrees_where(scene: Scene) -> Example | None:
    """Want so many degrees and tell no room."""
    able = [thing for thing in scene.house.inside("all", "climate") if can(thing, "climate.set_temperature")]
    if scene.area_id is not None or not len(able) > 1 or len({thing.area_id for thing in able}) < len(able):
        return None
    value = scene.rng.randint(18, 24) if scene.house.metric else scene.rng.randint(64, 76)
    said = scene.words.say("talk_degrees_where", value=str(value))
    return talk(scene, "ask_degrees_where", turn(scene, said, scene.words.answer("ask_room"), "ask"))


@kind("ask_warm_where", 3)
def ask_warm_where(scene: Scene) -> Example | None:
    """Ask how warm it is and tell no room; then tell it."""
    known = [area.area_id for area in scene.house.areas if scene.house.inside(area.target)]
    rooms = [area_id for area_id in known if room_temperature(scene, area_id)]
    if scene.area_id is not None or not len(rooms) > 1:
        return None
    said = scene.words.say("talk_warm_where")
    first = turn(scene, said, scene.words.answer("ask_room"), "ask")
    if scene.rng.random() < 0.4:
        return talk(scene, "ask_warm_where", first)
    area_id = scene.rng.choice(rooms)
    found = room_temperature(scene, area_id)
    target = f"area.{area_id}"
    place, area = refer_group(scene, target, "in"), refer_group(scene, target, "bare")
    the_area = refer_group(scene, target, "the")
    if found is None or place is None or area is None or the_area is None:
        return None
    answer = scene.words.say("talk_answer_room", place=place, area=area, the_area=the_area)
    fact = scene.words.answer("talk_temperature", value=found[1], in_area=in_place(scene, area_id))
    return talk(scene, "ask_warm_where", first, turn(scene, answer, fact, "tell"))
