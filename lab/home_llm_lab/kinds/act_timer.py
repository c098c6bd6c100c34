"""Timers: those that are entities, and those of the satellite that was spoken to."""

from __future__ import annotations

import re

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able
from home_llm_lab.kinds.act_common import Order, Subject, on, one, order
from home_llm_lab.kinds.act_numbers import in_words, plain
from home_llm_lab.kinds.registry import Scene

_MINUTES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 90)
_SECONDS = (10, 15, 20, 30, 45, 60, 90)


def duration(scene: Scene) -> tuple[str, dict[str, str], int]:
    """Return a duration as calls have it, the slots that speak of it, and its seconds."""
    rng = scene.rng
    draw = rng.random()
    groups = scene.words.book.groups
    special = [group for group in groups if group.startswith("duration_is_")]
    if draw < 0.12 and special:
        group = rng.choice(special)
        seconds = int(group.rpartition("_")[2])
        return canonical(seconds), {"duration": scene.words.answer(group)}, seconds
    if draw < 0.75:
        count, unit, size = rng.choice(_MINUTES), "minute", 60
    elif draw < 0.88:
        count, unit, size = rng.choice(_SECONDS), "second", 1
    else:
        count, unit, size = rng.choice((1, 2, 3, 4, 6, 8)), "hour", 3600
    words = in_words(scene, count)
    number = words if words is not None and rng.random() < 0.4 else plain(count)
    one_or_more = f"{unit}_one" if count == 1 else f"{unit}_many"
    values = {"duration": scene.words.answer(f"duration_{one_or_more}", n=number)}
    if f"duration_as_{unit}" in groups:
        values["long"] = scene.words.answer(f"duration_as_{unit}", n=number)
    told = f"{plain(count)} {unit}{'' if count == 1 else 's'}"
    if unit == "minute" and rng.random() < 0.08:
        told = f"{told} 30 seconds"
        return told, {"duration": scene.words.answer("duration_minute_half", n=number)}, count * 60 + 30
    return told, values, count * size


def spoken_duration(scene: Scene, told: str) -> str:
    """Return a duration of calls as an answer says it in the language of the house."""
    if scene.words.book.language == "en":
        return told
    parts = [
        scene.words.first(f"duration_{unit}_{'one' if count == '1' else 'many'}", n=count)
        for count, unit in re.findall(r"(\d+) (second|minute|hour)s?", told)
    ]
    return " ".join(parts)


def canonical(seconds: int) -> str:
    """Return seconds as calls have them."""
    parts = ((seconds // 3600, "hour"), (seconds // 60 % 60, "minute"), (seconds % 60, "second"))
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _timer(scene: Scene, service: str, state: str | None = None) -> Subject | None:
    return one(scene, able(scene, service, lambda thing: state is None or thing.state == state))


@order("timer_start", 7.7, together=1)
def timer_start(scene: Scene) -> Order | None:
    """Start a timer that is an entity, for as long as is said."""
    told, values, seconds = duration(scene)
    return on(
        scene,
        _timer(scene, "timer.start"),
        ["act_timer_start"],
        Call("timer.start", None, {"duration": told}),
        lambda _: {"state": "active", "duration": _clock(seconds)},
        clause="did_timer_start",
        values=values,
        told={"duration": spoken_duration(scene, told)},
    )


@order("timer_go", 2.6, together=0.3)
def timer_go(scene: Scene) -> Order | None:
    """Start a timer that is an entity for its own time, or let it go on."""
    subject = _timer(scene, "timer.start", scene.rng.choice(("idle", "paused")))
    if subject is None:
        return None
    again = subject.things[0].state == "paused"
    groups = ["act_timer_resume" if again else "act_timer_go"]
    return on(scene, subject, groups, Call("timer.start"), lambda _: {"state": "active"}, clause="did_timer_go")


@order("timer_end", 3.2, together=0.4)
def timer_end(scene: Scene) -> Order | None:
    """Pause or cancel a timer that is an entity."""
    which = scene.rng.choice(("pause", "cancel"))
    state = "paused" if which == "pause" else "idle"
    subject = _timer(scene, f"timer.{which}", "active")

    def effect(thing: Thing) -> dict[str, object]:
        return {"state": state} if which == "pause" else {"state": state, "duration": thing.attributes["duration"]}

    return on(scene, subject, [f"act_timer_{which}"], Call(f"timer.{which}"), effect, clause=f"did_timer_{which}")
