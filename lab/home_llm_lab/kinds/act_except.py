"""Everything but: a place without some of its devices or rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, is_door, members
from home_llm_lab.kinds.act_area import whole
from home_llm_lab.kinds.act_common import Order, Subject, bare, join, order
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_groups import (
    BLINDS,
    CURTAINS,
    LIGHTS,
    LOCKS,
    PLAYERS,
    SHUTTERS,
    Category,
    group_name,
    group_phrase,
    place_name,
    places,
)
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.refer import refer, refer_group, tidy
from home_llm_lab.kinds.registry import Scene
from home_llm_lab.kinds.talk_common import the


def _left_out(scene: Scene, target: str, reached: list[Thing]) -> tuple[list[str], list[str], list[str]] | None:
    """Return what is left out of a place as calls have it, as it is said, and as the answer has it.

    Devices of what is reached, or rooms where the place is a floor or the house.
    """
    rng = scene.rng
    count = rng.choices((1, 2), (0.8, 0.2))[0]
    if not target.startswith("area.") and rng.random() < 0.55:
        rooms = list(dict.fromkeys(f"area.{thing.area_id}" for thing in reached if thing.area_id is not None))
        if len(rooms) < 2:
            return None
        chosen = rng.sample(rooms, min(count, len(rooms) - 1))
        said = [refer_group(scene, room, "the") for room in chosen]
        told = [place_name(scene, room) for room in chosen]
        return (chosen, [phrase for phrase in said if phrase], told) if all(said) else None
    if len(reached) <= count:
        return None
    things = rng.sample(reached, count)
    phrases = [refer(scene, thing) for thing in things]
    if not all(phrases):
        return None
    return (
        [thing.entity_id for thing in things],
        [phrase for phrase in phrases if phrase],
        [the(scene, it) for it in things],
    )


def _is_in(thing: Thing, targets: list[str]) -> bool:
    return thing.entity_id in targets or f"area.{thing.area_id}" in targets


def _but(
    scene: Scene,
    subject: Subject,
    groups: tuple[str, ...],
    call: Call,
    effect: Callable[[Thing], Change],
    clause: str,
) -> Order | None:
    """Return an order on a place of which something is left out."""
    out = _left_out(scene, subject.target, list(subject.things))
    if out is None:
        return None
    targets, said, told = out
    left = [thing for thing in subject.things if not _is_in(thing, targets)]
    if not left:
        return None
    phrase = scene.words.say("act_but", some=subject.said, but=join(scene, said))
    return Order(
        groups,
        {
            "thing": phrase,
            "bare": bare(scene, phrase),
            "it": "them",
            "is": "are",
            "some": subject.said,
            "but": join(scene, said),
        },
        (replace(call, target=subject.target, arguments={**call.arguments, "except": targets}),),
        {thing.entity_id: effect(thing) for thing in left},
        "did_but",
        {"clause": tidy(scene, scene.words.answer(clause, name=subject.name), subject.name), "but": join(scene, told)},
        subject.things,
    )


def _group(scene: Scene, category: Category, service: str, *, doors: bool = False) -> Subject | None:
    """Return all of a category in a place with several of them, floors and the house more often than rooms."""
    kinds = scene.rng.choices((("area",), ("floor",), ("all",)), (0.25, 0.3, 0.45))[0]
    found = []
    for target in places(scene, *kinds):
        meant = [thing for thing in scene.house.inside(target) if thing in category and can(thing, service)]
        if not doors and any(is_door(thing) for thing in meant):
            continue
        if len(meant) > 1 and meant == members(scene, target, service):
            found.append((target, meant))
    if not found:
        return None
    target, things = scene.rng.choice(found)
    said = group_phrase(scene, category, target, count=1)
    return None if said is None else Subject(said, target, tuple(things), group_name(scene, category, target))


@order("lights_except", 4.4, together=0.3)
def lights_except(scene: Scene) -> Order | None:
    """Turn all lights of a place on or off but some."""
    which = scene.rng.choice(("on", "off", "off"))
    subject = _group(scene, LIGHTS, f"light.turn_{which}")
    if subject is None:
        return None
    call = Call(f"light.turn_{which}")
    return _but(
        scene,
        subject,
        (f"act_{which}_end", f"act_{which}_but"),
        call,
        lambda thing: switched(thing, which),
        f"did_turn_{which}",
    )


@order("others_except", 6.2, together=0.2)
def others_except(scene: Scene) -> Order | None:
    """Open, close, lock or turn off all of a sort in a place but some."""
    which = scene.rng.choice(("open", "close", "close", "lock", "players"))
    if which == "lock":
        subject, call = _group(scene, LOCKS, "lock.lock"), Call("lock.lock")
        return (
            None
            if subject is None
            else _but(scene, subject, ("act_lock_end",), call, lambda _: {"state": "locked"}, "did_lock")
        )
    if which == "players":
        service = "media_player.turn_off"
        subject = _group(scene, PLAYERS, service)
        off = {"state": "off"}
        return (
            None
            if subject is None
            else _but(scene, subject, ("act_off_end", "act_off_but"), Call(service), lambda _: off, "did_turn_off")
        )
    service = f"cover.{which}_cover"
    position = 100 if which == "open" else 0
    for category in scene.rng.sample((BLINDS, CURTAINS, SHUTTERS), 3):
        subject = _group(scene, category, service)
        if subject is not None:
            groups = (f"act_{which}_end", f"act_{which}_but")
            return _but(scene, subject, groups, Call(service), lambda thing: moved(thing, position), f"did_{which}")
    return None


@order("everything_except", 3, together=0.2)
def everything_except(scene: Scene) -> Order | None:
    """Turn everything in a place off but some of it."""
    kinds = scene.rng.choices((("area",), ("floor",), ("all",)), (0.25, 0.3, 0.45))[0]
    targets = [target for target in places(scene, *kinds) if len({thing.domain for thing in whole(scene, target)}) > 1]
    if not targets:
        return None
    target = scene.rng.choice(targets)
    things = whole(scene, target)
    out = _left_out(scene, target, things)
    place = refer_group(scene, target)
    if out is None or place is None:
        return None
    excepted, said, told = out
    left = [thing for thing in things if not _is_in(thing, excepted)]
    if not left:
        return None
    values = {"but": join(scene, said), "in_area": place}
    if target == "all":
        values["in_area"] = scene.rng.choice(("", "", place))
    return Order(
        ("act_everything_but",),
        values,
        (Call("homeassistant.turn_off", target, {"except": excepted}),),
        {thing.entity_id: switched(thing, "off") for thing in left},
        "did_but",
        {
            "clause": scene.words.answer("did_everything_off", in_place=place_name(scene, target)),
            "but": join(scene, told),
        },
        tuple(things),
    )
