"""Questions that go on from another one: how bright is it, and in the kitchen, what about upstairs."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.kinds.refer import refer, refer_group
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_climate import places, room_temperature
from home_llm_lab.kinds.talk_common import UNKNOWN, answered, bare, grammar, in_place, talk, the, turn
from home_llm_lab.kinds.talk_deeds import it
from home_llm_lab.kinds.talk_device import ASKED, Question
from home_llm_lab.kinds.talk_places import are, nouns_for

# What is asked first of a device, and then, with the pronoun in place of its name.
_THEN = {
    "light": ("talk_ask_on", "talk_ask_brightness", "talk_it_how_bright"),
    "fan": ("talk_ask_on", "talk_ask_speed", "talk_it_how_fast"),
    "climate": ("talk_ask_on", "talk_ask_target", "talk_it_target"),
    "cover": ("talk_ask_open", "talk_ask_position", "talk_it_how_far"),
    "media_player": ("talk_ask_on", "talk_ask_volume", "talk_it_how_loud"),
}


@kind("follow_detail", 1.2)
def follow_detail(scene: Scene) -> Example | None:
    """Ask whether a device is on, then how bright, how fast, how far."""
    choices = []
    for thing in scene.house.inside("all", *_THEN):
        first, then, _ = _THEN[thing.domain]
        if thing.state in UNKNOWN:
            continue
        asked = {question.group: question for question in ASKED[thing.domain](scene, thing)}
        if first in asked and then in asked and asked[then].fact not in ("talk_state", asked[first].fact):
            choices.append((thing, asked[first], asked[then]))
    if not choices:
        return None
    thing, first_question, then_question = scene.rng.choice(choices)
    called = refer(scene, thing)
    if called is None:
        return None
    said = scene.words.say(first_question.group, the_name=called, name=bare(called), **grammar(scene, called))

    def fact(question: Question) -> str:
        values = {**grammar(scene, thing.name), **question.values}
        return scene.words.answer(question.fact, the_name=the(scene, thing), **values)

    groups = scene.words.book.groups
    subject = groups["talk_it" if it(scene, thing) == groups["talk_it"][0] else "talk_they"][0]
    then = scene.words.say(_THEN[thing.domain][2], it=subject, **grammar(scene, thing.name))
    return talk(
        scene,
        "follow_detail",
        turn(scene, said, answered(scene, fact(first_question), yes=first_question.yes), "tell"),
        turn(scene, then, fact(then_question), "tell"),
    )


@kind("follow_warm_where", 0.9)
def follow_warm_where(scene: Scene) -> Example | None:
    """Ask how warm it is in a room, then in another one."""
    rooms = {
        area.area_id: found
        for area in scene.house.areas
        if scene.house.inside(area.target) and (found := room_temperature(scene, area.area_id))
    }
    if len(rooms) < 2:
        return None
    first, second = scene.rng.sample(sorted(rooms), 2)
    slots, others = places(scene, first), places(scene, second)
    if slots is None or others is None:
        return None
    facts = [
        scene.words.answer("talk_temperature", value=rooms[area_id][1], in_area=in_place(scene, area_id))
        for area_id in (first, second)
    ]
    said = scene.words.say("talk_ask_warm_place", **slots)
    then = scene.words.say("talk_and_where", **others)
    return talk(scene, "follow_warm_where", turn(scene, said, facts[0], "tell"), turn(scene, then, facts[1], "tell"))


@kind("follow_lit_where", 0.8)
def follow_lit_where(scene: Scene) -> Example | None:
    """Ask whether any light is on in a place, then in another one."""
    targets = [area.target for area in scene.house.areas] + [floor.target for floor in scene.house.floors]
    targets = [target for target in targets if scene.house.inside(target, "light")]
    if len(targets) < 2:
        return None
    first, second = scene.rng.sample(targets, 2)
    place, other = refer_group(scene, first, "in"), refer_group(scene, second, "in", here=False)
    the_other = refer_group(scene, second, "the", here=False)
    if place is None or other is None or the_other is None:
        return None
    nouns = nouns_for(scene, "light")
    group = scene.rng.choice(("talk_any_on", "talk_which_on"))
    lit = [
        [thing for thing in scene.house.inside(target, "light") if thing.state == "on"] for target in (first, second)
    ]
    yes = [bool(found) if group == "talk_any_on" else None for found in lit]
    replies = [answered(scene, are(scene, found, nouns, "on"), yes=so) for found, so in zip(lit, yes, strict=True)]
    said = scene.words.say(group, place=place, **nouns)
    then = scene.words.say("talk_and_where", place=other, the_area=the_other)
    return talk(scene, "follow_lit_where", turn(scene, said, replies[0], "tell"), turn(scene, then, replies[1], "tell"))
