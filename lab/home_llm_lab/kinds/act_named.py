"""Scenes, scripts, buttons, numbers and choices: what is known by its name."""

from __future__ import annotations

from collections.abc import Sequence

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, number
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.act_numbers import plain, say_number
from home_llm_lab.kinds.registry import Scene


def _use(scene: Scene, services: Sequence[str], group: str) -> Order | None:
    things = [(thing, service) for service in services for thing in able(scene, service)]
    if not things:
        return None
    thing, service = scene.rng.choice(things)
    used = {"state": "activated"}
    return on(scene, one(scene, [thing]), [group], Call(service), lambda _: used, clause=f"did_{group[4:]}")


@order("scene", 4.8, together=2.5)
def scene_on(scene: Scene) -> Order | None:
    """Activate a scene."""
    return _use(scene, ("scene.turn_on",), "act_scene")


@order("script", 4.8, together=2)
def script(scene: Scene) -> Order | None:
    """Run a script."""
    return _use(scene, ("script.turn_on",), "act_script")


@order("button", 3.8, together=1.2)
def button(scene: Scene) -> Order | None:
    """Press a button."""
    return _use(scene, ("button.press", "input_button.press"), "act_button")


@order("number", 5.2, together=1)
def set_number(scene: Scene) -> Order | None:
    """Set a number."""
    things = [*able(scene, "number.set_value"), *able(scene, "input_number.set_value")]
    if not things:
        return None
    thing = scene.rng.choice(things)
    value = _some_value(scene, thing)
    return on(
        scene,
        one(scene, [thing]),
        ["act_number"],
        Call(f"{thing.domain}.set_value", None, {"value": value}),
        lambda _: {"state": value},
        clause="did_number",
        values={"value": _said(scene, thing, value)},
        told={"value": plain(value)},
    )


def _some_value(scene: Scene, thing: Thing) -> float:
    """Return a value that a number takes, mostly a round one."""
    low, high = number(thing, "min") or 0, number(thing, "max") or 100
    step = number(thing, "step") or 1
    round_ones = [value for value in (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100) if low <= value <= high]
    steps = int((high - low) / step)
    value = scene.rng.choice(round_ones) if round_ones and scene.rng.random() < 0.6 else low
    if value == low or (value - low) % step:
        value = round(low + step * scene.rng.randint(0, steps), 2)
    return int(value) if value == int(value) else value


def _said(scene: Scene, thing: Thing, value: float) -> str:
    """Return a value with or without the unit of the number."""
    unit = str(thing.attributes.get("unit_of_measurement") or "")
    said = say_number(scene, "number", value)
    group = {"%": "percent_by", "min": "minutes", "°C": "degrees", "°F": "degrees"}.get(unit)
    return say_number(scene, group, value) if group and scene.rng.random() < 0.6 else said


@order("select", 5.2, together=1)
def select(scene: Scene) -> Order | None:
    """Choose an option."""
    things = [*able(scene, "select.select_option"), *able(scene, "input_select.select_option")]
    things = [thing for thing in things if thing.attributes.get("options")]
    if not things:
        return None
    thing = scene.rng.choice(things)
    option = str(scene.rng.choice(thing.attributes["options"]))
    return on(
        scene,
        one(scene, [thing]),
        ["act_select"],
        Call(f"{thing.domain}.select_option", None, {"option": option}),
        lambda _: {"state": option},
        clause="did_mode",
        values={"option": option if scene.rng.random() < 0.4 else option.lower()},
        told={"mode": option},
    )
