"""Turning on and off what is in a room, on a floor or in the whole house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, members
from home_llm_lab.kinds.act_common import Order, on, order
from home_llm_lab.kinds.act_groups import (
    FANS,
    LIGHTS,
    PLAYERS,
    PLUGS,
    SPEAKERS,
    SWITCHES,
    TVS,
    Category,
    group_of,
    is_named,
    place_name,
    places,
)
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene

# What "everything" means when it is switched off.
_EVERYTHING = ("light", "switch", "input_boolean", "fan", "media_player", "humidifier")


def lights(scene: Scene, kinds: Sequence[str], which: str) -> Order | None:
    """Return the order to turn the lights of a place on or off, by naming them or by the place."""
    subject = group_of(scene, LIGHTS, f"light.turn_{which}", kinds=kinds, least=2 if kinds[0] != "area" else 1)
    if subject is None:
        return None
    call = Call(f"light.turn_{which}")
    made = on(scene, subject, [f"act_{which}", f"act_{which}_light"], call, lambda thing: switched(thing, which))
    if made is None or scene.rng.random() < 0.45:
        return made
    values = place_values(scene, subject.target)
    return replace(made, groups=(f"act_lights_{which}",), values=values) if values else made


def place_values(scene: Scene, target: str) -> dict[str, str] | None:
    """Return the slots of templates that speak of a place: in_area, the_area and area; only in_area for here.

    The lights of a place are not called like a device: "the kitchen lights" may be the name of one.
    """
    place = refer_group(scene, target)
    if place is None:
        return None
    if target == f"area.{scene.area_id}" and scene.rng.random() < 0.5:
        return {"in_area": scene.rng.choice(("", refer_group(scene, target) or ""))}
    values = {"in_area": place}
    the = refer_group(scene, target, "the")
    called = refer_group(scene, target, "bare")
    if the and target != "all":
        values["the_area"] = the
    if called and not any(is_named(scene, f"{called} {noun}") for noun in ("light", "lights", "lamps")):
        values["area"] = called
    return values


@order("area_lights", 10, together=9)
def area_lights(scene: Scene) -> Order | None:
    """Turn the lights of a room on or off."""
    return lights(scene, ("area",), scene.rng.choice(("on", "off")))


@order("floor_lights", 4.3, together=2)
def floor_lights(scene: Scene) -> Order | None:
    """Turn the lights of a floor on or off."""
    return lights(scene, ("floor",), scene.rng.choice(("on", "off", "off")))


@order("all_lights", 2.1, together=0.2)
def all_lights(scene: Scene) -> Order | None:
    """Turn all lights on or off."""
    return lights(scene, ("all",), scene.rng.choice(("on", "off", "off")))


@order("area_devices", 4.9, together=2)
def area_devices(scene: Scene) -> Order | None:
    """Turn the plugs, fans, televisions or speakers of a place on or off."""
    return _devices(scene, ("area",), (PLUGS, FANS, SPEAKERS, TVS, PLAYERS, SWITCHES))


@order("wide_devices", 2.6, together=0.2)
def wide_devices(scene: Scene) -> Order | None:
    """Turn the plugs, fans, televisions or speakers of a floor or of the house on or off."""
    kinds = scene.rng.choice((("floor",), ("all",)))
    return _devices(scene, kinds, (PLUGS, FANS, SPEAKERS, TVS, PLAYERS, SWITCHES))


def _devices(scene: Scene, kinds: Sequence[str], categories: Sequence[Category]) -> Order | None:
    which = scene.rng.choice(("on", "off", "off"))
    for category in scene.rng.sample(categories, len(categories)):
        service = f"{category.domain}.turn_{which}"
        subject = group_of(scene, category, service, kinds=kinds, least=2)
        if subject is not None:
            return on(scene, subject, [f"act_{which}"], Call(service), lambda thing: switched(thing, which))
    return None


@order("everything_off", 3, together=0.3)
def everything_off(scene: Scene) -> Order | None:
    """Turn everything off in a room, on a floor or in the house."""
    kinds = scene.rng.choices((("area",), ("floor",), ("all",)), (0.5, 0.2, 0.3))[0]
    targets = [target for target in places(scene, *kinds) if len({thing.domain for thing in whole(scene, target)}) > 1]
    if not targets:
        return None
    target = scene.rng.choice(targets)
    values = place_values(scene, target)
    if values is None:
        return None
    things = whole(scene, target)
    group = "act_everything_off_all" if target == "all" else "act_everything_off"
    return Order(
        (group,),
        values,
        (Call("homeassistant.turn_off", target),),
        {thing.entity_id: switched(thing, "off") for thing in things},
        "did_everything_off",
        {"in_place": place_name(scene, target)},
        tuple(things),
    )


def whole(scene: Scene, target: str) -> list[Thing]:
    """Return everything that goes off in a place when everything is turned off."""
    return [
        thing
        for domain in _EVERYTHING
        for thing in members(scene, target, f"{domain}.turn_off")
        if can(thing, f"{domain}.turn_off")
    ]
