"""What people need without saying what to do: light, darkness, fresh air, quiet."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.kinds.act_able import can, members, number
from home_llm_lab.kinds.act_common import Order, order
from home_llm_lab.kinds.act_groups import LIGHTS, group_name, is_named
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene


@order("need_light", 1.9, together=0)
def need_light(scene: Scene) -> Order | None:
    """Turn the lights on where it is dark: in a room that is named, or in the speaker's own."""
    target = _room(scene, "light.turn_on", lit=False)
    if target is None:
        return None
    things = members(scene, target, "light.turn_on")
    values = _place(scene, target)
    if values is None:
        return None
    return Order(
        ("act_need_light",),
        values,
        (Call("light.turn_on", target),),
        {thing.entity_id: switched(thing, "on") for thing in things},
        "did_turn_on",
        {"name": group_name(scene, LIGHTS, target)},
        tuple(things),
    )


@order("need_dark", 1, together=0)
def need_dark(scene: Scene) -> Order | None:
    """Turn the lights off where somebody leaves or sleeps."""
    target = _room(scene, "light.turn_off", lit=True)
    if target is None:
        return None
    things = members(scene, target, "light.turn_off")
    values = _place(scene, target)
    if values is None:
        return None
    return Order(
        ("act_need_dark",),
        values,
        (Call("light.turn_off", target),),
        {thing.entity_id: switched(thing, "off") for thing in things},
        "did_turn_off",
        {"name": group_name(scene, LIGHTS, target)},
        tuple(things),
    )


def _room(scene: Scene, service: str, *, lit: bool) -> str | None:
    """Return a room with lights of which any is on, or none."""
    rooms = []
    for area in scene.house.areas:
        lights = scene.house.inside(area.target, "light")
        if members(scene, area.target, service) and any(thing.state == "on" for thing in lights) is lit:
            rooms.append(area.target)
    here = f"area.{scene.area_id}"
    if here in rooms and scene.rng.random() < 0.7:
        return here
    return scene.rng.choice(rooms) if rooms else None


def _place(scene: Scene, target: str) -> dict[str, str] | None:
    if target == f"area.{scene.area_id}" and scene.rng.random() < 0.6:
        return {"here": "", "in_area": scene.rng.choice(("", refer_group(scene, target) or ""))}
    place, the = refer_group(scene, target), refer_group(scene, target, "the")
    if place is None or the is None or is_named(scene, the):
        return None
    return {"in_area": place, "the_area": the}


@order("need_air", 2, together=0)
def need_air(scene: Scene) -> Order | None:
    """Turn on the fan where it is stuffy, where the room has just one."""
    found = []
    for area in scene.house.areas:
        fans = [thing for thing in scene.house.inside(area.target, "fan") if thing.kind in ("fan", "ceiling_fan")]
        if len(fans) == 1 and can(fans[0], "fan.turn_on") and fans[0].state == "off":
            found.append((area.target, fans[0]))
    if not found:
        return None
    here = [one for one in found if one[0] == f"area.{scene.area_id}"]
    target, fan = scene.rng.choice(here or found)
    values = _place(scene, target)
    if values is None:
        return None
    return Order(
        ("act_need_air",),
        values,
        (Call("fan.turn_on", fan.entity_id),),
        {fan.entity_id: {"state": "on"}},
        "did_turn_on",
        {"name": fan.name},
        (fan,),
    )


@order("need_quiet", 2.7, together=0)
def need_quiet(scene: Scene) -> Order | None:
    """Make the one thing that plays here quieter where somebody wants it quieter."""
    players = [thing for thing in scene.house.inside("all", "media_player") if thing.state == "playing"]
    here = [thing for thing in players if thing.area_id is not None and thing.area_id == scene.area_id] or players
    if len(here) != 1:
        return None
    thing = here[0]
    now = number(thing, "volume_level")
    if now is None or now < 0.12 or not can(thing, "media_player.volume_down"):
        return None
    return Order(
        ("act_need_quiet",),
        {"here": ""},
        (Call("media_player.volume_down", thing.entity_id),),
        {thing.entity_id: {"volume_level": (0, now - 0.01)}},
        "did_quieter",
        {"name": thing.name},
        (thing,),
    )
