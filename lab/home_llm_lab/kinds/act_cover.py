"""Opening, closing, stopping, moving and tilting blinds, curtains, garage doors and gates, one or those of a place."""

from __future__ import annotations

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, is_door, number
from home_llm_lab.kinds.act_common import Order, Subject, on, one, order
from home_llm_lab.kinds.act_groups import BLINDS, CURTAINS, SHUTTERS, WINDOW_COVERS, group_of
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.registry import Scene

# What goes up and down, and what goes to the side.
_ROLLING = frozenset({"blind", "shade", "shutter"})
_WINDOW = frozenset({"blind", "shade", "shutter", "curtain"})
_PERCENTS = (10, 20, 25, 30, 33, 40, 50, 50, 60, 65, 70, 75, 80, 85, 90)


def word_groups(thing: Thing, which: str) -> list[str]:
    """Return the groups of words that open or close a cover."""
    groups = [f"act_{which}"]
    if thing.kind in _ROLLING:
        groups.append(f"act_{which}_rolling")
    elif thing.kind == "curtain":
        groups.append(f"act_{which}_curtain")
    elif thing.kind == "awning":
        # An awning that is open is out.
        groups = [f"act_{which}_awning"]
    elif is_door(thing):
        groups.append(f"act_{which}_door")
    return groups


def moved(thing: Thing, position: int) -> Change:
    """Return what is different once a cover is at a position."""
    change: dict[str, object] = {"state": "open" if position else "closed"}
    if number(thing, "current_position") is not None:
        change["current_position"] = position
    return change


def _places(scene: Scene, service: str) -> Subject | None:
    """Return the covers of one sort in a place."""
    kinds = scene.rng.choices((("area",), ("floor",), ("all",)), (0.7, 0.15, 0.15))[0]
    categories = [BLINDS, CURTAINS, SHUTTERS, WINDOW_COVERS]
    for category in scene.rng.sample(categories, len(categories)):
        # One blind is called by itself, also where it is spoken of as the blinds.
        found = group_of(scene, category, service, kinds=kinds, least=2)
        if found is not None:
            return found
    return None


def _open_close(scene: Scene, *, group: bool = False) -> Order | None:
    which = scene.rng.choice(("open", "close"))
    service = f"cover.{which}_cover"
    if group:
        subject = _places(scene, service)
    else:
        things = able(scene, service)
        if scene.rng.random() < 0.6:
            things.sort(key=lambda thing: (thing.state == "open") == (which == "open"))
        subject = one(scene, things[:3])
    if subject is None:
        return None
    groups = word_groups(subject.things[0], which)
    if group and scene.rng.random() < 0.2:
        groups = [f"act_{which}"]
    position = 100 if which == "open" else 0
    return on(scene, subject, groups, Call(service), lambda thing: moved(thing, position), clause=f"did_{which}")


@order("cover", 11, together=6)
def cover(scene: Scene) -> Order | None:
    """Open or close a cover."""
    return _open_close(scene)


@order("area_cover", 3.1, together=2.5)
def area_cover(scene: Scene) -> Order | None:
    """Open or close the covers of a place."""
    return _open_close(scene, group=True)


@order("cover_stop", 1.3, together=0.2)
def cover_stop(scene: Scene) -> Order | None:
    """Stop a cover."""
    subject = one(scene, able(scene, "cover.stop_cover"))
    # What stops is where it is: here everything moves at once.
    return on(scene, subject, ["act_stop"], Call("cover.stop_cover"), lambda _: {}, clause="did_stop")


def _position(scene: Scene, *, group: bool = False) -> Order | None:
    service = "cover.set_cover_position"
    subject = _places(scene, service) if group else one(scene, able(scene, service))
    if subject is None:
        return None
    percent = scene.rng.choice(_PERCENTS) if scene.rng.random() < 0.8 else scene.rng.randint(1, 99)
    groups = ["act_position"]
    half = scene.rng.random() < 0.2
    if half:
        percent, groups = 50, ["act_position_half"]
    elif all(thing.kind in _WINDOW for thing in subject.things) and scene.rng.random() < 0.15:
        # What is 30 percent closed is 70 percent open.
        closed = percent
        percent, groups = 100 - closed, ["act_position_closed"]
        return _at(scene, subject, percent, groups, say_number(scene, "percent_by", closed))
    return _at(scene, subject, percent, groups, say_number(scene, "percent", percent))


def _at(scene: Scene, subject: Subject, percent: int, groups: list[str], said: str) -> Order | None:
    call = Call("cover.set_cover_position", None, {"position": percent})
    told = {"percent": str(percent)}
    values = {"percent": said}
    effect = lambda thing: moved(thing, percent)  # noqa: E731 - it is one argument of the next line
    return on(scene, subject, groups, call, effect, clause="did_position", values=values, told=told)


@order("cover_position", 3, together=2.5)
def cover_position(scene: Scene) -> Order | None:
    """Move a cover to a position."""
    return _position(scene)


@order("area_cover_position", 1.2, together=0.8)
def area_cover_position(scene: Scene) -> Order | None:
    """Move the covers of a place to a position."""
    return _position(scene, group=True)


@order("cover_tilt", 6.4, together=0.3)
def cover_tilt(scene: Scene) -> Order | None:
    """Open, close or tilt the slats of a blind."""
    which = scene.rng.choice(("open", "close", "set", "set"))
    percent = {"open": 100, "close": 0, "set": scene.rng.choice((*_PERCENTS, 45, 55))}[which]
    service = "cover.set_cover_tilt_position" if which == "set" else f"cover.{which}_cover_tilt"
    arguments = {"tilt_position": percent} if which == "set" else {}

    def effect(thing: Thing) -> Change:
        return {} if number(thing, "current_tilt_position") is None else {"current_tilt_position": percent}

    return on(
        scene,
        one(scene, able(scene, service)),
        [f"act_tilt_{which}"],
        Call(service, None, arguments),
        effect,
        clause=f"did_tilt_{which}",
        values={"percent": say_number(scene, "percent", percent)},
        told={"percent": str(percent)},
    )
