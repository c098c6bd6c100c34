"""What people want done, where one machine of the house does it: coffee, tea, dishes, water for the garden."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, can, is_door, members
from home_llm_lab.kinds.act_common import Order, order
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_groups import WINDOW_COVERS, group_name
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene

# Kinds whose every device does the same.
_MACHINES = ("coffee_maker", "kettle", "dishwasher", "sprinkler_switch")


@order("deed", 3.2, together=0.3)
def deed(scene: Scene) -> Order | None:
    """Start the only machine of the house that does what is wanted."""
    things = able(scene, "switch.turn_on", lambda thing: thing.kind in _MACHINES)
    alone = [thing for thing in things if sum(other.kind == thing.kind for other in scene.house.exposed) == 1]
    if not alone:
        return None
    thing = alone[0]
    return Order(
        (f"act_deed_{thing.kind}",),
        {},
        (Call("switch.turn_on", thing.entity_id),),
        {thing.entity_id: {"state": "on"}},
        "did_turn_on",
        {"name": thing.name},
        (thing,),
    )


@order("sun", 1.4, together=0)
def sun(scene: Scene) -> Order | None:
    """Let the sun in, or keep it out, in a room whose windows have covers of whatever sort."""
    which = scene.rng.choice(("open", "close"))
    service = f"cover.{which}_cover"
    rooms: list[tuple[str, list[Thing]]] = []
    for area in scene.house.areas:
        covers = scene.house.inside(area.target, "cover")
        window = [thing for thing in covers if thing.kind in ("blind", "shade", "shutter", "curtain")]
        able_ones = [thing for thing in window if can(thing, service)]
        if able_ones and able_ones == members(scene, area.target, service) and not any(map(is_door, covers)):
            rooms.append((area.target, able_ones))
    if not rooms:
        return None
    here = [room for room in rooms if room[0] == f"area.{scene.area_id}"]
    target, things = scene.rng.choice(here or rooms)
    place = "" if here and scene.rng.random() < 0.5 else refer_group(scene, target)
    if place is None:
        return None
    position = 100 if which == "open" else 0
    goal = target if len(things) > 1 else things[0].entity_id
    return Order(
        (f"act_sun_{which}",),
        {"in_area": place},
        (Call(service, goal),),
        {thing.entity_id: moved(thing, position) for thing in things},
        f"did_{which}",
        {"name": things[0].name} if len(things) == 1 else {"name": group_name(scene, WINDOW_COVERS, target)},
        tuple(things),
    )
