"""Timers of the satellite that was spoken to, which are no devices: Assist's own."""

from __future__ import annotations

from home_llm_lab.example import Call
from home_llm_lab.kinds.act_common import Order, order
from home_llm_lab.kinds.act_timer import duration, spoken_duration
from home_llm_lab.kinds.refer import phrases_of
from home_llm_lab.kinds.registry import Scene


def _free(scene: Scene) -> bool:
    """Return whether the house has such timers, and none that is a device: it would not be clear which one is meant."""
    return scene.house.timers and not scene.house.inside("all", "timer")


@order("assist_timer", 5.6, together=2)
def assist_timer(scene: Scene) -> Order | None:
    """Start a timer for some time, with or without what it is for."""
    if not _free(scene):
        return None
    told, values, _ = duration(scene)
    arguments: dict[str, str] = {"duration": told}
    groups, clause, spoken = ["act_assist_timer"], "did_assist_timer", {"duration": spoken_duration(scene, told)}
    if scene.rng.random() < 0.35:
        name = scene.rng.choice(phrases_of(scene.words.book, "timer_names"))
        arguments["name"] = name
        values["name"] = name
        spoken["name"] = name
        groups, clause = ["act_assist_timer_named"], "did_assist_timer_named"
    return Order(tuple(groups), values, (Call("assist.start_timer", None, arguments),), {}, clause, spoken)


@order("assist_timer_cancel", 1.6, together=0.3)
def assist_timer_cancel(scene: Scene) -> Order | None:
    """Cancel the timer, or all timers."""
    if not _free(scene):
        return None
    which = scene.rng.choice(("cancel_timer", "cancel_timer", "cancel_all_timers"))
    return Order((f"act_assist_{which}",), {}, (Call(f"assist.{which}"),), {}, f"did_assist_{which}")
