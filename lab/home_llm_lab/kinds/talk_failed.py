"""Calls that fail: what is said then, and the second try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, colored, dimmable, number
from home_llm_lab.kinds.act_common import Order, utter
from home_llm_lab.kinds.act_light import COLORS
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.refer import refer
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import bare, grammar, some_device, talk, the, turn
from home_llm_lab.kinds.talk_deeds import done, said_fully, some_deed
from home_llm_lab.kinds.talk_refuse import COMMANDS, command_to


def apology(scene: Scene, group: str, thing: Thing, **values: str) -> Turn:
    """Return what is said after a call on a device has failed: nobody has said anything before it."""
    text = scene.words.answer(group, the_name=the(scene, thing), **grammar(scene, thing.name), **values)
    return replace(turn(scene, "", text, "refuse"), said="")


def failing(first: Turn, error: str) -> Turn:
    """Return a turn whose calls fail, so that nothing changes."""
    return replace(first, effects={}, error=error)


@kind("fail_device", 1.3)
def fail_device(scene: Scene) -> Example | None:
    """Have a device fail, and be told; sometimes it works when it is tried again."""
    found = some_deed(scene)
    first = said_fully(scene, found[2]) if found else None
    if found is None or first is None:
        return None
    thing, _, made = found
    turns = [failing(first, scene.words.answer("talk_failures")), apology(scene, "talk_did_not", thing)]
    if scene.rng.random() < 0.45:
        turns.append(done(scene, scene.words.say("talk_again"), made))
    return talk(scene, "fail_device", *turns)


@dataclass(frozen=True, slots=True)
class Impossible:
    """What a device cannot do: the words for it, the call, and what is said of it."""

    thing: Thing
    groups: tuple[str, ...]
    values: Mapping[str, str]
    call: Call
    clause: str
    told: Mapping[str, str]
    sorry: str


def _too_warm(scene: Scene) -> Impossible | None:
    """Return a temperature that one thermostat does not take, and another one would."""
    things = [thing for thing in scene.house.inside("all", "climate") if can(thing, "climate.set_temperature")]
    lows = [number(thing, "min_temp") or 7 for thing in things]
    highs = [number(thing, "max_temp") or 35 for thing in things]
    able = [
        (thing, value)
        for thing in things
        for value in range(int(min(lows)), int(max(highs)) + 1)
        if not (number(thing, "min_temp") or 7) <= value <= (number(thing, "max_temp") or 35)
    ]
    if not able:
        return None
    thing, value = scene.rng.choice(able)
    return Impossible(
        thing,
        ("act_temperature",),
        {"degrees": say_number(scene, "degrees", value)},
        Call("climate.set_temperature", None, {"temperature": value}),
        "did_temperature",
        {"degrees": str(value)},
        "talk_no_degrees",
    )


def _not_dimmable(scene: Scene) -> Impossible | None:
    """Return a brightness for a lamp that is only on or off, in a house where others can be dimmed."""
    lamps = [thing for thing in scene.house.inside("all", "light") if can(thing, "light.turn_on")]
    plain = [thing for thing in lamps if not dimmable(thing)]
    if not plain or len(plain) == len(lamps):
        return None
    value = scene.rng.randrange(5, 100, 5)
    return Impossible(
        scene.rng.choice(plain),
        ("act_brightness",),
        {"percent": say_number(scene, "percent", value)},
        Call("light.turn_on", None, {"brightness": value}),
        "did_brightness",
        {"percent": str(value)},
        "talk_no_dimming",
    )


def _no_color(scene: Scene) -> Impossible | None:
    """Return a colour for a lamp that has none, in a house where others have."""
    lamps = [thing for thing in scene.house.inside("all", "light") if can(thing, "light.turn_on")]
    plain = [thing for thing in lamps if not colored(thing)]
    if not plain or len(plain) == len(lamps):
        return None
    color = scene.rng.choice(list(COLORS))
    words = scene.words.answer(f"color_{color}")
    return Impossible(
        scene.rng.choice(plain),
        ("act_color",),
        {"color": words, "a_color": words},
        Call("light.turn_on", None, {"color": color}),
        "did_color",
        {"color": scene.words.book.groups[f"color_{color}"][0]},
        "talk_no_color",
    )


@kind("fail_argument", 1.8)
def fail_argument(scene: Scene) -> Example | None:
    """Want what a device cannot do, as only the answer to the call tells."""
    wanted = scene.rng.choice((_too_warm, _not_dimmable, _no_color))(scene)
    called = refer(scene, wanted.thing) if wanted else None
    if wanted is None or called is None:
        return None
    thing = wanted.thing
    call = replace(wanted.call, target=thing.entity_id)
    values = {"thing": called, "bare": bare(called), **wanted.values}
    told = {"name": thing.name, **wanted.told}
    order = Order(wanted.groups, values, (call,), {}, wanted.clause, told, (thing,))
    said = utter(scene, order)
    if said is None:
        return None
    first = replace(done(scene, "", order), said=said)
    return talk(scene, "fail_argument", failing(first, "refused"), apology(scene, wanted.sorry, thing, **wanted.told))


@kind("refuse_unavailable", 1.5)
def refuse_unavailable(scene: Scene) -> Example | None:
    """Want something of a device that is not available, as its line tells."""
    things = [thing for thing in scene.house.exposed if thing.domain in COMMANDS and thing.state == "unavailable"]
    found = some_device(scene, things)
    if found is None:
        return None
    thing, called = found
    said = command_to(scene, thing.domain, called, question=False)
    reply = scene.words.answer("talk_unavailable", the_name=the(scene, thing), **grammar(scene, thing.name))
    return talk(scene, "refuse_unavailable", turn(scene, said, reply, "refuse"))
