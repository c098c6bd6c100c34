"""Music and volume where only one player can be meant: the only one of a room, or the only one that plays."""

from __future__ import annotations

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, number
from home_llm_lab.kinds.act_common import Order, order
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene

_OFF = frozenset({"off", "standby", "unavailable", "unknown"})


def _rooms(scene: Scene) -> list[tuple[str, Thing]]:
    """Return the rooms that have one player, with it."""
    found = []
    for area in scene.house.areas:
        players = scene.house.inside(area.target, "media_player")
        if len(players) == 1:
            found.append((area.target, players[0]))
    scene.rng.shuffle(found)
    return found


def _one_here(scene: Scene) -> tuple[str, Thing] | None:
    """Return a place and its only player, or nothing and the one that plays."""
    playing = [thing for thing in scene.house.inside("all", "media_player") if thing.state == "playing"]
    here = [thing for thing in playing if thing.area_id is not None and thing.area_id == scene.area_id] or playing
    if len(here) == 1 and scene.rng.random() < 0.4:
        return "", here[0]
    for target, thing in _rooms(scene):
        if thing.state not in _OFF and (place := refer_group(scene, target)):
            return place, thing
    return None


def _order(group: str, place: str, thing: Thing, call: Call, change: Change, clause: str) -> Order:
    effects = {thing.entity_id: change}
    return Order((group,), {"in_area": place}, (call,), effects, clause, {"name": thing.name}, (thing,))


@order("room_music", 3.4, together=0.5)
def room_music(scene: Scene) -> Order | None:
    """Play music in a room with one player."""
    for target, thing in _rooms(scene):
        place = refer_group(scene, target)
        if place is not None and thing.kind != "tv" and thing.state != "off" and can(thing, "media_player.media_play"):
            call = Call("media_player.media_play", thing.entity_id)
            return _order("act_room_music", place, thing, call, {"state": "playing"}, "did_play")
    return None


@order("room_volume", 3.4, together=0.5)
def room_volume(scene: Scene) -> Order | None:
    """Set the volume where one player can be meant, make it louder or quieter, or mute it."""
    found = _one_here(scene)
    if found is None:
        return None
    place, thing = found
    now = number(thing, "volume_level")
    which = scene.rng.choice(("set", "set", "louder", "quieter", "mute", "unmute"))
    if which == "set":
        percent = scene.rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 75, 80))
        if not can(thing, "media_player.volume_set"):
            return None
        return Order(
            ("act_room_volume",),
            {"in_area": place, "percent": say_number(scene, "percent", percent)},
            (Call("media_player.volume_set", thing.entity_id, {"volume": percent}),),
            {thing.entity_id: {"volume_level": percent / 100}},
            "did_volume",
            {"name": thing.name, "percent": str(percent)},
            (thing,),
        )
    if which in ("mute", "unmute"):
        if not can(thing, "media_player.volume_mute"):
            return None
        muted = which == "mute"
        call = Call("media_player.volume_mute", thing.entity_id, {"muted": muted})
        return _order(f"act_room_{which}", place, thing, call, {"is_volume_muted": muted}, f"did_{which}")
    up = which == "louder"
    service = "media_player.volume_up" if up else "media_player.volume_down"
    if now is None or not can(thing, service) or (now > 0.88 if up else now < 0.12):
        return None
    change = {"volume_level": (now + 0.01, 1) if up else (0, now - 0.01)}
    return _order(f"act_room_{which}", place, thing, Call(service, thing.entity_id), change, f"did_{which}")
