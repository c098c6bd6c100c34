"""Conversations that go on with another value: brighter, in blue, two degrees more, only half way."""

from __future__ import annotations

from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, colored, dimmable, number
from home_llm_lab.kinds.act_common import Order, Subject, on
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_light import COLORS, brightness_effect, shown
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.refer import refer
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import bare, talk
from home_llm_lab.kinds.talk_deeds import done, it, said_fully, some_deed


def _lamp_order(
    scene: Scene, thing: Thing, call: Call, clause: str, told: dict[str, str], change: dict[str, object]
) -> Order:
    made = on(
        scene, Subject("", thing.entity_id, (thing,), thing.name), (), call, lambda _: change, clause=clause, told=told
    )
    if made is None:
        raise ValueError("an order on something is an order")
    return made


@kind("follow_adjust", 2.2)
def follow_adjust(scene: Scene) -> Example | None:
    """Turn a lamp on, then have it brighter, darker, or in a colour."""
    found = some_deed(scene, "on", domains=("light",))
    if found is None or not dimmable(found[0]):
        return None
    thing, _, made = found
    first = said_fully(scene, made)
    if first is None:
        return None
    pronoun = it(scene, thing)
    if colored(thing) and scene.rng.random() < 0.5:
        color = scene.rng.choice(list(COLORS))
        words = scene.words.answer(f"color_{color}")
        told = {"color": scene.words.book.groups[f"color_{color}"][0]}
        order = _lamp_order(
            scene,
            thing,
            Call("light.turn_on", None, {"color": color}),
            "did_color",
            told,
            {"state": "on", **shown(thing, color)},
        )
        return talk(
            scene, "follow_adjust", first, done(scene, scene.words.say("talk_it_color", it=pronoun, color=words), order)
        )
    value = scene.rng.randrange(5, 101, 5)
    order = _at(scene, thing, value)
    second = done(scene, scene.words.say("talk_it_percent", it=pronoun, value=str(value)), order)
    if scene.rng.random() < 0.5:
        return talk(scene, "follow_adjust", first, second)
    return _stepped(scene, thing, second if scene.rng.random() < 0.5 else None, value, first)


def _at(scene: Scene, thing: Thing, value: int) -> Order:
    call = Call("light.turn_on", None, {"brightness": value})
    return _lamp_order(scene, thing, call, "did_brightness", {"percent": str(value)}, dict(brightness_effect(value)))


def _stepped(scene: Scene, thing: Thing, second: Turn | None, value: int, first: Turn) -> Example | None:
    """Return a conversation that ends with brighter or darker, from a brightness that is known."""
    if second is None:
        order = _at(scene, thing, value)
        called = refer(scene, thing)
        if called is None:
            return None
        first = done(
            scene, scene.words.say("act_brightness", thing=called, percent=f"{value}%", bare=bare(called)), order
        )
    up = value <= 75 if value < 30 else scene.rng.random() < 0.5
    if (up and value > 75) or (not up and value < 25):
        return None
    step = 20 if up else -20
    then = (value + step) * 2.55
    order = _lamp_order(
        scene,
        thing,
        Call("light.turn_on", None, {"brightness_step": step}),
        "did_brighter" if up else "did_dimmer",
        {},
        {"state": "on", "brightness": (then - 4, then + 4)},
    )
    said = scene.words.say("talk_it_brighter" if up else "talk_it_dimmer", it=it(scene, thing))
    turns = [first, second] if second else [first]
    return talk(scene, "follow_adjust", *turns, done(scene, said, order))


@kind("follow_degrees", 1.5)
def follow_degrees(scene: Scene) -> Example | None:
    """Set a thermostat, then have it at another temperature, or a degree more or less."""
    things = [
        thing
        for thing in scene.house.inside("all", "climate")
        if can(thing, "climate.set_temperature") and number(thing, "temperature") is not None
    ]
    if not things:
        return None
    thing = scene.rng.choice(things)
    called = refer(scene, thing)
    low, high = number(thing, "min_temp") or 7, number(thing, "max_temp") or 35
    base = scene.rng.randint(17, 24) if scene.house.metric else scene.rng.randint(62, 76)
    steps = scene.rng.choice((1, 1, 2, 3))
    if called is None or not low <= base - steps or not base + steps <= high:
        return None
    first = done(
        scene,
        scene.words.say("act_temperature", thing=called, bare=bare(called), degrees=say_number(scene, "degrees", base)),
        _degrees(scene, thing, base),
    )
    if scene.rng.random() < 0.5:
        value = scene.rng.choice(
            [value for value in range(base - 3, base + 4) if value != base and low <= value <= high]
        )
        said = scene.words.say("talk_it_degrees", it=it(scene, thing), value=str(value))
    else:
        more = scene.rng.random() < 0.5
        value = base + steps if more else base - steps
        words = scene.words.book.groups["talk_number_words"][steps - 1]
        degrees = scene.words.book.groups["talk_degree_words"][min(steps, 2) - 1]
        said = scene.words.say("talk_it_warmer" if more else "talk_it_colder", words=words, degrees=degrees)
    return talk(scene, "follow_degrees", first, done(scene, said, _degrees(scene, thing, value)))


def _degrees(scene: Scene, thing: Thing, value: int) -> Order:
    call = Call("climate.set_temperature", None, {"temperature": value})
    return _lamp_order(scene, thing, call, "did_temperature", {"degrees": str(value)}, {"temperature": value})


@kind("follow_half", 0.8)
def follow_half(scene: Scene) -> Example | None:
    """Open or close a blind, then have it half way."""
    found = some_deed(scene, "open", "close", domains=("cover",))
    if found is None or not can(found[0], "cover.set_cover_position"):
        return None
    thing, _, made = found
    first = said_fully(scene, made)
    call = Call("cover.set_cover_position", None, {"position": 50})
    subject = Subject("", thing.entity_id, (thing,), thing.name)
    half = on(scene, subject, (), call, lambda item: moved(item, 50), clause="did_position", told={"percent": "50"})
    if first is None or half is None:
        return None
    return talk(scene, "follow_half", first, done(scene, scene.words.say("talk_it_half"), half))
