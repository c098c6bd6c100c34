"""What is done in conversations: simple deeds on one device, each with the words that ask for it and its opposite."""

from __future__ import annotations

from collections.abc import Sequence

from home_llm_lab.example import Call, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, is_door
from home_llm_lab.kinds.act_common import Order, Subject, on, reply, utter
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_cover import word_groups as cover_words
from home_llm_lab.kinds.act_switch import switched, word_groups
from home_llm_lab.kinds.refer import refer
from home_llm_lab.kinds.registry import Scene
from home_llm_lab.kinds.talk_common import UNKNOWN, as_said, plural

OPPOSITE = {"on": "off", "off": "on", "open": "close", "close": "open"}
# Domains with the deeds that are done there.
DEEDS: dict[str, tuple[str, ...]] = {
    "light": ("on", "off"),
    "switch": ("on", "off"),
    "fan": ("on", "off"),
    "humidifier": ("on", "off"),
    "media_player": ("on", "off"),
    "cover": ("open", "close"),
    "lock": ("lock",),
}
# What may be spoken of, with the words for what is done there: the end of the names of groups of phrases.
SPOKEN = {
    "light": "switch",
    "switch": "switch",
    "fan": "switch",
    "humidifier": "switch",
    "media_player": "switch",
    "climate": "heat",
    "cover": "cover",
    "lock": "lock",
    "vacuum": "robot",
    "lawn_mower": "robot",
}
# How often each is talked about.
WEIGHTS = {"light": 4, "switch": 1.5, "fan": 2, "humidifier": 1, "media_player": 1.5, "cover": 3, "lock": 0.7}


def is_so(thing: Thing, which: str) -> bool:
    """Return whether a deed would change nothing."""
    match which:
        case "on":
            return thing.state not in ("off", "standby", "idle")
        case "off":
            return thing.state in ("off", "standby")
        case "open":
            return thing.state == "open"
        case "close":
            return thing.state == "closed"
        case _:
            return thing.state == "locked"


def service_of(thing: Thing, which: str) -> str:
    """Return the service of a deed."""
    name = {"on": "turn_on", "off": "turn_off", "open": "open_cover", "close": "close_cover", "lock": "lock"}[which]
    return f"{thing.domain}.{name}"


def deed(scene: Scene, thing: Thing, which: str, said: str) -> Order | None:
    """Return a deed on a device that is spoken of in some way, or None where it cannot be done."""
    service = service_of(thing, which)
    if not can(thing, service) or thing.state in UNKNOWN:
        return None
    subject = Subject(said, thing.entity_id, (thing,), thing.name)
    call = Call(service)
    if which in ("open", "close"):
        position = 100 if which == "open" else 0
        groups = cover_words(thing, which)
        return on(scene, subject, groups, call, lambda it: moved(it, position), clause=f"did_{which}")
    if which == "lock":
        return on(scene, subject, ["act_lock"], call, lambda _: {"state": "locked"}, clause="did_lock")
    return on(scene, subject, word_groups(thing, which), call, lambda it: switched(it, which))


def doable(scene: Scene, which: str, *domains: str) -> list[Thing]:
    """Return the devices on which a deed can be done; doors are not opened here."""
    return [
        thing
        for thing in scene.house.inside("all", *(domains or DEEDS))
        if which in DEEDS[thing.domain]
        and can(thing, service_of(thing, which))
        and thing.state not in UNKNOWN
        and not (which == "open" and is_door(thing))
    ]


def pick(scene: Scene, which: str, things: Sequence[Thing]) -> tuple[Thing, Order] | None:
    """Return a device and the deed on it, referred to so that it fits no other."""
    pool = list(things)
    while pool:
        thing = scene.rng.choices(pool, [WEIGHTS[thing.domain] for thing in pool])[0]
        pool.remove(thing)
        said = refer(scene, thing)
        made = deed(scene, thing, which, said) if said else None
        if made is not None:
            return thing, made
    return None


def some_deed(scene: Scene, *whiches: str, domains: Sequence[str] = ()) -> tuple[Thing, str, Order] | None:
    """Return some deed, more often one that changes something."""
    which = scene.rng.choice(whiches or ("on", "on", "off", "off", "open", "close"))
    things = doable(scene, which, *domains)
    if scene.rng.random() < 0.8:
        things = [thing for thing in things if not is_so(thing, which)] or things
    found = pick(scene, which, things)
    return (found[0], which, found[1]) if found else None


def done(scene: Scene, said: str, *orders: Order) -> Turn:
    """Return a turn in which something is done."""
    effects = {entity_id: change for made in orders for entity_id, change in made.effects.items()}
    calls = tuple(call for made in orders for call in made.calls)
    return Turn(as_said(scene, said), reply(scene, orders), calls, effects)


def tempting(scene: Scene, things: Sequence[Thing], group: str = "") -> Turn | None:
    """Return the answer that does something to one of some devices, where nothing is to be done; None where it cannot.

    Args:
        scene: where it is said.
        things: of which one is taken.
        group: of the words, as act_on, where they say what is to be done; anything otherwise.
    """
    pool = [thing for thing in things if thing.domain in DEEDS and thing.state not in UNKNOWN]
    if not pool:
        return None
    thing = scene.rng.choice(pool)
    said = group.removeprefix("act_").partition("_")[0]
    if group and said not in DEEDS[thing.domain]:
        return None
    made = deed(scene, thing, said or scene.rng.choice(DEEDS[thing.domain]), thing.name)
    return done(scene, "", made) if made else None


def said_fully(scene: Scene, made: Order) -> Turn | None:
    """Return the turn of an order as it is said first in a conversation."""
    said = utter(scene, made)
    if said is None:
        return None
    turn = done(scene, "", made)
    return Turn(said, turn.reply, turn.calls, turn.effects)


def it(scene: Scene, *things: Thing) -> str:
    """Return the pronoun for devices."""
    groups = scene.words.book.groups
    return groups["talk_them" if len(things) > 1 or plural(things[0].name) else "talk_it"][0]
