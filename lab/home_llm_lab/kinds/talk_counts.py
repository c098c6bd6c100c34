"""Questions of how many: devices of a sort that are on, open or there, and those of two devices."""

from __future__ import annotations

from collections.abc import Sequence

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import refer, refer_group
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import (
    MAX_LISTED,
    UNKNOWN,
    grammar,
    state_word,
    tells,
    the,
)
from home_llm_lab.kinds.talk_places import OPENED, SWITCHED, Sort, names_of, nouns_for, pick_target, some_place, sort_of


@kind("tell_count", 5)
def tell_count(scene: Scene) -> Example | None:
    """Ask how many devices of a sort are on or open, or how many there are."""
    target = pick_target(scene, (3, 3, 6))
    sort = sort_of(scene, target, (*SWITCHED, *OPENED))
    place = some_place(scene, target)
    if sort is None or place is None:
        return None
    nouns = nouns_for(scene, sort.word)
    asked = scene.rng.choices(("state", "off", "all", "which"), (6, 1, 2.5, 0.7))[0]
    if asked == "all":
        # Those that nobody can reach are there too.
        target_members = _everyone(scene, target, sort)
        return tells(
            scene,
            "tell_count",
            scene.words.say("talk_how_many", place=place, **nouns),
            _there(scene, target_members, nouns),
        )
    if asked == "which":
        things = _everyone(scene, target, sort)
        fact = _there(scene, things, nouns) if len(things) > MAX_LISTED else _these(scene, things)
        return tells(scene, "tell_count", scene.words.say("talk_what_is_there", place=place, **nouns), fact)
    if asked == "off" and sort.state != "on":
        return None
    group = {"on": "talk_how_many_on", "open": "talk_how_many_open"}[sort.state]
    said = scene.words.say("talk_how_many_off" if asked == "off" else group, place=place, **nouns)
    found = sort.those(otherwise=asked == "off")
    state = state_word(scene, sort.other if asked == "off" else sort.state)
    fact = {0: "talk_none_is", 1: "talk_count_is"}.get(len(found), "talk_many_are")
    return tells(scene, "tell_count", said, scene.words.answer(fact, value=str(len(found)), state=state, **nouns))


def _everyone(scene: Scene, target: str, sort: Sort) -> list[Thing]:
    """Return the devices of a sort, those of unknown state too; only sorts of a whole domain can have such."""
    return [
        thing
        for thing in scene.house.inside(target)
        if thing in sort.members or (thing.domain == sort.word and thing.state in UNKNOWN)
    ]


def _there(scene: Scene, things: Sequence[Thing], nouns: dict[str, str]) -> str:
    group = {0: "talk_there_are_none", 1: "talk_there_is"}.get(len(things), "talk_there_are")
    return scene.words.answer(group, value=str(len(things)), **nouns)


def _these(scene: Scene, things: Sequence[Thing]) -> str:
    return scene.words.answer("talk_these" if len(things) == 1 else "talk_these_several", names=names_of(scene, things))


@kind("tell_devices", 1.2)
def tell_devices(scene: Scene) -> Example | None:
    """Ask which devices there are in a room, or how many."""
    areas = [area for area in scene.house.areas if scene.house.inside(area.target)]
    if not areas:
        return None
    area = scene.rng.choice(areas)
    things = scene.house.inside(area.target)
    place = refer_group(scene, area.target, "in")
    if place is None:
        return None
    if len(things) <= MAX_LISTED and scene.rng.random() < 0.6:
        return tells(scene, "tell_devices", scene.words.say("talk_devices", place=place), _these(scene, things))
    said = scene.words.say("talk_how_many_devices" if scene.rng.random() < 0.6 else "talk_devices", place=place)
    fact = scene.words.answer("talk_devices_is" if len(things) == 1 else "talk_devices_are", value=str(len(things)))
    return tells(scene, "tell_devices", said, fact)


@kind("tell_two", 3)
def tell_two(scene: Scene) -> Example | None:
    """Ask for the state of two devices at once."""
    domain, state, other, group = scene.rng.choice(
        (
            ("light", "on", "off", "talk_ask_on"),
            ("light", "on", "off", "talk_ask_on"),
            ("light", "off", "on", "talk_ask_off"),
            ("switch", "on", "off", "talk_ask_on"),
            ("fan", "on", "off", "talk_ask_on"),
            ("cover", "open", "closed", "talk_ask_open"),
            ("cover", "closed", "open", "talk_ask_closed"),
            ("lock", "locked", "unlocked", "talk_ask_locked"),
        )
    )
    things = [thing for thing in scene.house.inside("all", domain) if thing.state in (state, other)]
    if len(things) < 2:
        return None
    pair = scene.rng.sample(things, 2)
    called = [refer(scene, thing) for thing in pair]
    if called[0] is None or called[1] is None:
        return None
    both = scene.words.answer("talk_and", first=called[0], last=called[1])
    said = scene.words.say(f"{group}_two", the_name=both)
    so = [thing.state == state for thing in pair]
    if all(so) or not any(so):
        word = state_word(scene, state if so[0] else other)
        fact = scene.words.answer("talk_several_are", names=names_of(scene, pair), state=word)
        return tells(scene, "tell_two", said, fact, so[0])
    facts = [
        scene.words.answer(
            "talk_state", the_name=the(scene, thing), state=state_word(scene, thing.state), **grammar(scene, thing.name)
        ).rstrip(".")
        for thing in pair
    ]
    return tells(scene, "tell_two", said, f"{scene.words.answer('talk_and', first=facts[0], last=facts[1])}.")
