"""Locks, alarms and valves: only what is asked for plainly."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.kinds.act_able import able
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_groups import LOCKS, group_of
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.registry import Scene

_ARMED = {"alarm_arm_home": "armed_home", "alarm_arm_away": "armed_away", "alarm_arm_night": "armed_night"}


@order("lock", 17, together=4)
def lock(scene: Scene) -> Order | None:
    """Lock or unlock a door."""
    which = scene.rng.choice(("lock", "lock", "unlock"))
    things = able(scene, f"lock.{which}")
    call, change = Call(f"lock.{which}"), {"state": f"{which}ed"}
    return on(scene, one(scene, things), [f"act_{which}"], call, lambda _: change)


@order("lock_latch", 1.3, together=0.1)
def lock_latch(scene: Scene) -> Order | None:
    """Open the latch of a door."""
    subject = one(scene, able(scene, "lock.open"))
    return on(scene, subject, ["act_latch"], Call("lock.open"), lambda _: {"state": "open"}, clause="did_latch")


@order("lock_all", 3.9, together=0.5)
def lock_all(scene: Scene) -> Order | None:
    """Lock all doors, of a floor or of a room."""
    kinds = scene.rng.choices((("all",), ("floor",), ("area",)), (0.7, 0.15, 0.15))[0]
    subject = group_of(scene, LOCKS, "lock.lock", kinds=kinds, least=1 if kinds == ("all",) else 2)
    if subject is None:
        return None
    groups = ["act_lock"] if subject.target != "all" or scene.rng.random() < 0.5 else ["act_lock_all"]
    return on(scene, subject, groups, Call("lock.lock"), lambda _: {"state": "locked"})


@order("alarm", 5.7, together=2)
def alarm(scene: Scene) -> Order | None:
    """Arm or disarm the alarm."""
    which = scene.rng.choice((*_ARMED, "alarm_arm_away", "alarm_disarm"))
    subject = one(scene, able(scene, f"alarm_control_panel.{which}"))
    change = {"state": _ARMED.get(which, "disarmed")}
    return on(scene, subject, [f"act_{which}"], Call(f"alarm_control_panel.{which}"), lambda _: change)


@order("valve", 6.7, together=0.4)
def valve(scene: Scene) -> Order | None:
    """Open or close a valve."""
    which = scene.rng.choice(("open", "close"))
    subject = one(scene, able(scene, f"valve.{which}_valve"))
    position = 100 if which == "open" else 0
    call = Call(f"valve.{which}_valve")
    groups = [f"act_{which}_valve", f"act_{which}"]
    return on(scene, subject, groups, call, lambda thing: moved(thing, position), clause=f"did_{which}")


@order("valve_position", 1.6, together=0.2)
def valve_position(scene: Scene) -> Order | None:
    """Move a valve to a position."""
    percent = scene.rng.choice((10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90))
    return on(
        scene,
        one(scene, able(scene, "valve.set_valve_position")),
        ["act_position"],
        Call("valve.set_valve_position", None, {"position": percent}),
        lambda thing: moved(thing, percent),
        clause="did_position",
        values={"percent": say_number(scene, "percent", percent)},
        told={"percent": str(percent)},
    )
