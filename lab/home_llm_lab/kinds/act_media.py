"""Playing, volume and sources of televisions, speakers and radios."""

from __future__ import annotations

from collections.abc import Callable

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, can, number
from home_llm_lab.kinds.act_common import Order, Subject, on, one, order
from home_llm_lab.kinds.act_groups import PLAYERS, SPEAKERS, TVS, group_of
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene

_OFF = frozenset({"off", "standby", "unavailable", "unknown"})


def _player(scene: Scene, service: str, test: Callable[[Thing], bool] = bool) -> Subject | None:
    return one(scene, able(scene, service, test))


def _the_one(scene: Scene, playing: str) -> Thing | None:
    """Return the only player that is in a state, in the speaker's area or else in the house."""
    players = [thing for thing in scene.house.inside("all", "media_player") if thing.state == playing]
    here = [thing for thing in players if thing.area_id is not None and thing.area_id == scene.area_id]
    found = here or players
    return found[0] if len(found) == 1 else None


def _track(change: int) -> Callable[[Thing], Change]:
    def effect(thing: Thing) -> Change:
        now = number(thing, "media_track")
        return {"media_track": max(1, int(now or 1) + change)}

    return effect


_PLAYING: dict[str, tuple[str, Callable[[Thing], Change], frozenset[str]]] = {
    "pause": ("media_pause", lambda _: {"state": "paused"}, frozenset({"playing"})),
    "play": ("media_play", lambda _: {"state": "playing"}, frozenset({"paused", "idle", "on"})),
    "stop": ("media_stop", lambda _: {"state": "idle"}, frozenset({"playing", "paused"})),
    "next": ("media_next_track", _track(1), frozenset({"playing", "paused"})),
    "previous": ("media_previous_track", _track(-1), frozenset({"playing", "paused"})),
}


@order("media_play", 7.5, together=3.5)
def media_play(scene: Scene) -> Order | None:
    """Play, pause, stop or skip on a player."""
    which = scene.rng.choice(("pause", "pause", "play", "stop", "next", "next", "previous"))
    service, effect, states = _PLAYING[which]
    subject = _player(scene, f"media_player.{service}", lambda thing: thing.state in states)
    clause = f"did_{which}"
    return on(scene, subject, [f"act_media_{which}"], Call(f"media_player.{service}"), effect, clause=clause)


@order("media_playing", 7.7, together=2.5)
def media_playing(scene: Scene) -> Order | None:
    """Pause, stop, skip or resume what is playing, without saying where: only one player plays."""
    which = scene.rng.choice(("pause", "pause", "stop", "next", "next", "previous", "play"))
    service, effect, _ = _PLAYING[which]
    thing = _the_one(scene, "paused" if which == "play" else "playing")
    if thing is None or not can(thing, f"media_player.{service}"):
        return None
    values = {}
    if thing.area_id is not None and scene.rng.random() < 0.3:
        # No other player is there, or the place would not tell which one.
        others = scene.house.inside(f"area.{thing.area_id}", "media_player")
        if others == [thing] and (place := refer_group(scene, f"area.{thing.area_id}")):
            values = {"in_area": place}
    return Order(
        (f"act_playing_{which}",),
        values or {"in_area": ""},
        (Call(f"media_player.{service}", thing.entity_id),),
        {thing.entity_id: effect(thing)},
        f"did_{which}",
        {"name": thing.name},
        (thing,),
    )


@order("area_media", 1.4, together=0.4)
def area_media(scene: Scene) -> Order | None:
    """Pause or stop all players of a place, or set their volume."""
    kinds = scene.rng.choice((("area",), ("floor",), ("all",)))
    which = scene.rng.choice(("pause", "stop", "volume"))
    service = "media_player.volume_set" if which == "volume" else f"media_player.media_{which}"
    for category in scene.rng.sample((SPEAKERS, TVS, PLAYERS), 3):
        subject = group_of(scene, category, service, kinds=kinds, least=2)
        if subject is None or any(thing.state != "playing" for thing in subject.things):
            continue
        if which == "volume":
            return _volume(scene, subject)
        _, effect, _ = _PLAYING[which]
        return on(scene, subject, [f"act_media_{which}"], Call(service), effect, clause=f"did_{which}")
    return None


def _volume(scene: Scene, subject: Subject | None) -> Order | None:
    percent = scene.rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 65, 70, 75, 80, 90, 100))
    groups = ["act_volume"]
    if percent == 100:
        groups = ["act_volume_max"]
    return on(
        scene,
        subject,
        groups,
        Call("media_player.volume_set", None, {"volume": percent}),
        lambda _: {"volume_level": percent / 100},
        clause="did_volume",
        values={"percent": say_number(scene, "percent", percent)},
        told={"percent": str(percent)},
    )


@order("volume", 4.3, together=2.5)
def volume(scene: Scene) -> Order | None:
    """Set the volume of a player."""
    return _volume(scene, _player(scene, "media_player.volume_set", lambda thing: thing.state not in _OFF))


@order("volume_step", 4.3, together=2)
def volume_step(scene: Scene) -> Order | None:
    """Make a player louder or quieter, the one that plays where none is named."""
    up = scene.rng.random() < 0.5
    name, service = ("louder", "media_player.volume_up") if up else ("quieter", "media_player.volume_down")

    def has_room(thing: Thing) -> bool:
        now = number(thing, "volume_level")
        return thing.state not in _OFF and now is not None and (now < 0.88 if up else now > 0.12)

    def effect(thing: Thing) -> Change:
        now = number(thing, "volume_level") or 0
        return {"volume_level": (now + 0.01, 1) if up else (0, now - 0.01)}

    thing = _the_one(scene, "playing")
    if scene.rng.random() < 0.4 and thing is not None and can(thing, service) and has_room(thing):
        return Order(
            (f"act_playing_{name}",),
            {"in_area": ""},
            (Call(service, thing.entity_id),),
            {thing.entity_id: effect(thing)},
            f"did_{name}",
            {"name": thing.name},
            (thing,),
        )
    return on(scene, _player(scene, service, has_room), [f"act_{name}"], Call(service), effect, clause=f"did_{name}")


@order("mute", 2.4, together=1.5)
def mute(scene: Scene) -> Order | None:
    """Mute a player, or not any more."""
    muted = scene.rng.random() < 0.65
    service, name = "media_player.volume_mute", "mute" if muted else "unmute"
    subject = _player(scene, service, lambda thing: thing.state not in _OFF)
    call = Call(service, None, {"muted": muted})
    return on(scene, subject, [f"act_{name}"], call, lambda _: {"is_volume_muted": muted}, clause=f"did_{name}")


@order("source", 4.5, together=1.5)
def source(scene: Scene) -> Order | None:
    """Select the source of a player."""
    service = "media_player.select_source"
    subject = _player(scene, service, lambda thing: thing.state not in _OFF and "source_list" in thing.attributes)
    if subject is None:
        return None
    chosen = str(scene.rng.choice(subject.things[0].attributes["source_list"]))
    return on(
        scene,
        subject,
        ["act_source"],
        Call(service, None, {"source": chosen}),
        lambda _: {"source": chosen},
        clause="did_source",
        values={"source": chosen if scene.rng.random() < 0.4 else chosen.lower()},
        told={"source": chosen},
    )
