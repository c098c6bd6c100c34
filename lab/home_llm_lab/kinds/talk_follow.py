"""Conversations of several turns: the same for another one, the opposite, a correction, a command after a question."""

from __future__ import annotations

from home_llm_lab.example import Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can
from home_llm_lab.kinds.refer import refer, refer_group
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_ask import room_lights
from home_llm_lab.kinds.talk_common import answered, bare, grammar, listed, state_word, talk, the, turn
from home_llm_lab.kinds.talk_deeds import OPPOSITE, deed, doable, done, is_so, it, said_fully, some_deed
from home_llm_lab.kinds.talk_device import ASKED
from home_llm_lab.kinds.talk_places import nouns_for
from home_llm_lab.kinds.talk_refuse import exists, no_such


def another(scene: Scene, thing: Thing, which: str) -> tuple[Thing, str] | None:
    """Return another device of the same domain that the same can be done with, and how it is called."""
    others = [other for other in doable(scene, which, thing.domain) if other is not thing]
    scene.rng.shuffle(others)
    for other in others[:3]:
        called = refer(scene, other)
        if called is not None:
            return other, called
    return None


@kind("follow_same", 2)
def follow_same(scene: Scene) -> Example | None:
    """Do something with a device, then the same with another one; sometimes undo it with both."""
    found = some_deed(scene)
    if found is None:
        return None
    thing, which, made = found
    first, other = said_fully(scene, made), another(scene, thing, which)
    if first is None or other is None:
        return None
    second = deed(scene, other[0], which, other[1])
    if second is None:
        return None
    turns = [first, done(scene, scene.words.say("talk_too", thing=other[1], bare=bare(other[1])), second)]
    if which == "on" and scene.rng.random() < 0.25:
        orders = [deed(scene, item, "off", "") for item in (thing, other[0])]
        if None in orders:
            return None
        turns.append(done(scene, scene.words.say("talk_both_off"), *(order for order in orders if order)))
    return talk(scene, "follow_same", *turns)


@kind("follow_place", 1.5)
def follow_place(scene: Scene) -> Example | None:
    """Do something with the lights of a place, then the same in another one."""
    which = scene.rng.choice(("on", "off"))
    targets = [*(area.target for area in scene.house.areas), *(floor.target for floor in scene.house.floors)]
    places = [
        target
        for target in targets
        if any(can(thing, f"light.turn_{which}") for thing in scene.house.inside(target, "light"))
    ]
    if len(places) < 2:
        return None
    target, next_target = scene.rng.sample(places, 2)
    made, following = room_lights(scene, target, which), room_lights(scene, next_target, which)
    place, next_place = refer_group(scene, target, "in"), refer_group(scene, next_target, "in", here=False)
    next_area = refer_group(scene, next_target, "the", here=False)
    if made is None or following is None or place is None or next_place is None or next_area is None:
        return None
    said = scene.words.say(f"talk_put_{which}", place=place)
    answer = scene.words.say("talk_too_place", place=next_place, the_area=next_area)
    return talk(scene, "follow_place", done(scene, said, made), done(scene, answer, following))


@kind("follow_reverse", 1.7)
def follow_reverse(scene: Scene) -> Example | None:
    """Do something with a device, then the opposite."""
    found = some_deed(scene)
    if found is None:
        return None
    thing, which, made = found
    first = said_fully(scene, made)
    back = deed(scene, thing, OPPOSITE[which], "")
    if first is None or back is None:
        return None
    undo = scene.rng.random() < 0.25 and is_so(thing, OPPOSITE[which])
    group = "talk_undo" if undo else f"talk_again_{OPPOSITE[which]}"
    return talk(scene, "follow_reverse", first, done(scene, scene.words.say(group, it=it(scene, thing)), back))


@kind("follow_correct", 2)
def follow_correct(scene: Scene) -> Example | None:
    """Say a device, then that another one was meant."""
    found = some_deed(scene)
    if found is None:
        return None
    thing, which, made = found
    first, other = said_fully(scene, made), another(scene, thing, which)
    if first is None or other is None:
        return None
    second = deed(scene, other[0], which, other[1])
    if second is None:
        return None
    # Other sorts have too many nouns for "the other one" to be right by any.
    nouns = scene.words.book.groups["talk_word_light" if thing.domain == "light" else "talk_one"]
    only_two = len(doable(scene, which, thing.domain)) == 2
    if only_two and scene.rng.random() < 0.5:
        said = scene.words.say("talk_other", noun=nouns[0])
    else:
        said = scene.words.say("talk_meant", thing=other[1], noun=nouns[0])
    return talk(scene, "follow_correct", first, done(scene, said, second))


def _question(scene: Scene, thing: Thing, called: str) -> Turn | None:
    """Return a question for the state of a device that a command may follow."""
    groups = ("talk_ask_on", "talk_ask_off", "talk_ask_open", "talk_ask_closed", "talk_ask_locked", "talk_ask_unlocked")
    asked = [question for question in ASKED[thing.domain](scene, thing) if question.group in groups]
    if not asked:
        return None
    question = scene.rng.choice(asked)
    said = scene.words.say(question.group, the_name=called, name=bare(called), **grammar(scene, called))
    values = {**grammar(scene, thing.name), **question.values}
    fact = scene.words.answer(question.fact, the_name=the(scene, thing), **values)
    return turn(scene, said, answered(scene, fact, yes=question.yes), "tell")


@kind("follow_question", 2)
def follow_question(scene: Scene) -> Example | None:
    """Ask for the state of a device, then have it changed."""
    found = some_deed(scene, "on", "off", "off", "off", "open", "close", "close", "lock")
    if found is None:
        return None
    thing, which, _ = found
    called = refer(scene, thing)
    if called is None or is_so(thing, which):
        return None
    first, made = _question(scene, thing, called), deed(scene, thing, which, called)
    if first is None or made is None:
        return None
    said = scene.words.say(f"talk_then_{which}", it=it(scene, thing))
    return talk(scene, "follow_question", first, done(scene, said, made))


@kind("follow_and_question", 1.1)
def follow_and_question(scene: Scene) -> Example | None:
    """Ask for the state of a device, then for that of another one."""
    found = some_deed(scene, "on", "off", "close", "lock")
    if found is None:
        return None
    thing, which, _ = found
    called, other = refer(scene, thing), another(scene, thing, which)
    if called is None or other is None:
        return None
    first = _question(scene, thing, called)
    if first is None:
        return None
    state = state_word(scene, other[0].state)
    # Asked whether it is off, the same is asked of the other one; only the state is told.
    fact = scene.words.answer("talk_state", the_name=the(scene, other[0]), state=state, **grammar(scene, other[0].name))
    said = scene.words.say("talk_and_question", thing=other[1], bare=bare(other[1]))
    return talk(scene, "follow_and_question", first, turn(scene, said, fact, "tell"))


@kind("follow_thanks", 0.6)
def follow_thanks(scene: Scene) -> Example | None:
    """Do something, and be thanked for it."""
    found = some_deed(scene)
    first = said_fully(scene, found[2]) if found else None
    if first is None:
        return None
    welcome = scene.words.answer("talk_welcome")
    return talk(scene, "follow_thanks", first, turn(scene, scene.words.say("talk_thanks"), welcome, "talk"))


@kind("follow_refusal", 1.5)
def follow_refusal(scene: Scene) -> Example | None:
    """Want what is not there, then a device that is."""
    found = some_deed(scene)
    areas = [area for area in scene.house.areas if scene.house.inside(area.target)]
    if found is None or not areas:
        return None
    thing, which, made = found
    called = refer_group(scene, scene.rng.choice(areas).target, "bare", here=False)
    nouns = scene.words.book.groups.get(f"noun_{thing.domain}", [])
    if called is None or not nouns:
        return None
    missing = scene.words.answer("refer_the", noun=f"{called} {scene.rng.choice(list(nouns))}")
    real = refer(scene, thing)
    wanted = deed(scene, thing, which, missing)
    if exists(scene, missing) or wanted is None or real is None:
        return None
    said = said_fully(scene, wanted)
    if said is None:
        return None
    first = turn(scene, said.said, no_such(scene, missing), "refuse")
    second = done(scene, scene.words.say("talk_then_other", thing=real, bare=bare(real)), made)
    return talk(scene, "follow_refusal", first, second)


@kind("follow_list", 1)
def follow_list(scene: Scene) -> Example | None:
    """Ask which lights are on, then have them turned off."""
    areas = [area for area in scene.house.areas if scene.house.inside(area.target, "light")]
    if not areas:
        return None
    area = scene.rng.choice(areas)
    lights = scene.house.inside(area.target, "light")
    lit = [thing for thing in lights if thing.state == "on"]
    place = refer_group(scene, area.target, "in")
    made = room_lights(scene, area.target, "off")
    if (
        not lit
        or len(lit) > 5
        or any(not can(thing, "light.turn_off") for thing in lights)
        or place is None
        or made is None
    ):
        return None
    said = scene.words.say("talk_which_on", place=place, **nouns_for(scene, "light"))
    names = listed(scene, [the(scene, thing) for thing in lit])
    state = state_word(scene, "on")
    if len(lit) == 1:
        fact = scene.words.answer("talk_one_is", names=names, state=state, **grammar(scene, lit[0].name))
        order = deed(scene, lit[0], "off", "")
    else:
        fact = scene.words.answer("talk_several_are", names=names, state=state)
        order = made
    if order is None:
        return None
    then = scene.words.say("talk_then_off", it=it(scene, *lit))
    return talk(scene, "follow_list", turn(scene, said, fact, "tell"), done(scene, then, order))
