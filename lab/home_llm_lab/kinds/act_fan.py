"""Speed, swing, direction and preset of fans."""

from __future__ import annotations

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, number
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.act_groups import FANS, group_of
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.registry import Scene

# Speeds that have a name; what "low" is in percent is a matter of agreement.
_NAMED = {"act_fan_low": 33, "act_fan_medium": 66, "act_fan_high": 100}


@order("fan_speed", 3.8, together=2)
def fan_speed(scene: Scene) -> Order | None:
    """Set the speed of a fan, or of the fans of a place."""
    rng = scene.rng
    percent, groups = rng.choice((10, 20, 25, 30, 33, 40, 50, 50, 60, 66, 70, 75, 80, 90, 100)), ["act_fan_speed"]
    if rng.random() < 0.3:
        name = rng.choice(list(_NAMED))
        percent, groups = _NAMED[name], [name]
    subject = one(scene, able(scene, "fan.set_percentage"))
    if rng.random() < 0.15:
        subject = group_of(scene, FANS, "fan.set_percentage", least=2) or subject
    return on(
        scene,
        subject,
        groups,
        Call("fan.set_percentage", None, {"percentage": percent}),
        lambda _: {"state": "on", "percentage": percent},
        clause="did_speed",
        values={"percent": say_number(scene, "percent", percent)},
        told={"percent": str(percent)},
    )


@order("fan_step", 6.4, together=1.5)
def fan_step(scene: Scene) -> Order | None:
    """Make a fan faster or slower, which runs and has room for it."""
    up = scene.rng.random() < 0.5

    def has_room(thing: Thing) -> bool:
        now, step = number(thing, "percentage"), number(thing, "percentage_step") or 1
        return thing.state == "on" and now is not None and (now + step < 101 if up else now - step > 0.5)

    def effect(thing: Thing) -> Change:
        now = number(thing, "percentage") or 0
        return {"state": "on", "percentage": (now + 0.5, 100) if up else (1, now - 0.5)}

    service = "fan.increase_speed" if up else "fan.decrease_speed"
    name = "faster" if up else "slower"
    subject = one(scene, able(scene, service, has_room))
    return on(scene, subject, [f"act_fan_{name}"], Call(service), effect, clause=f"did_{name}")


@order("fan_swing", 4.5, together=0.4)
def fan_swing(scene: Scene) -> Order | None:
    """Let a fan swing, or not."""
    swing = scene.rng.random() < 0.6
    return on(
        scene,
        one(scene, able(scene, "fan.oscillate")),
        ["act_fan_swing" if swing else "act_fan_still"],
        Call("fan.oscillate", None, {"oscillating": swing}),
        lambda _: {"oscillating": swing},
        clause="did_swing" if swing else "did_still",
    )


@order("fan_direction", 3.2, together=0.3)
def fan_direction(scene: Scene) -> Order | None:
    """Let a fan turn forward or in reverse."""
    direction = scene.rng.choice(("forward", "reverse"))
    return on(
        scene,
        one(scene, able(scene, "fan.set_direction")),
        [f"act_fan_{direction}"],
        Call("fan.set_direction", None, {"direction": direction}),
        lambda _: {"direction": direction},
        clause=f"did_{direction}",
    )


@order("fan_preset", 2.7, together=0.4)
def fan_preset(scene: Scene) -> Order | None:
    """Set the preset of a fan."""
    subject = one(scene, able(scene, "fan.set_preset_mode", lambda thing: bool(thing.attributes.get("preset_modes"))))
    if subject is None:
        return None
    preset = str(scene.rng.choice(subject.things[0].attributes["preset_modes"]))
    return on(
        scene,
        subject,
        ["act_fan_preset"],
        Call("fan.set_preset_mode", None, {"preset_mode": preset}),
        lambda _: {"state": "on", "preset_mode": preset},
        clause="did_mode",
        values={"mode": preset},
        told={"mode": preset},
    )
