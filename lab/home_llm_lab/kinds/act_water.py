"""Hot water and humidity."""

from __future__ import annotations

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, number
from home_llm_lab.kinds.act_climate import choose, set_degrees, takes_degrees
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.act_groups import HUMIDIFIERS, group_of
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.registry import Scene


@order("water_temperature", 3, together=0.3)
def water_temperature(scene: Scene) -> Order | None:
    """Set the temperature of the hot water."""
    degrees = scene.rng.choice(
        (40, 42, 45, 48, 50, 52, 55, 60, 65) if scene.house.metric else (110, 115, 120, 125, 130)
    )
    subject = one(scene, able(scene, "water_heater.set_temperature", takes_degrees(degrees)))
    return set_degrees(scene, subject, degrees, "water_heater.set_temperature")


@order("water_mode", 2.4, together=0.2)
def water_mode(scene: Scene) -> Order | None:
    """Set the mode of a water heater."""
    service = "water_heater.set_operation_mode"
    return choose(scene, service, "operation_mode", "operation_list", "state", but=("off",))


@order("water_heater", 5.6, together=0.4)
def water_heater(scene: Scene) -> Order | None:
    """Turn a water heater on or off."""
    which = scene.rng.choice(("on", "off"))

    def clear(thing: Thing) -> bool:
        return which == "off" or thing.state == "off"

    def effect(thing: Thing) -> Change:
        if which == "off":
            return {"state": "off"}
        modes = [mode for mode in thing.attributes.get("operation_list", ("off", "electric")) if mode != "off"]
        return {"state": modes[0]}

    subject = one(scene, able(scene, f"water_heater.turn_{which}", clear))
    groups = [f"act_{which}", f"act_{which}_machine"]
    return on(scene, subject, groups, Call(f"water_heater.turn_{which}"), effect)


@order("humidity", 4, together=1)
def humidity(scene: Scene) -> Order | None:
    """Set the humidity that a humidifier or a dehumidifier is to reach."""
    percent = scene.rng.choice((35, 40, 42, 45, 48, 50, 52, 55, 58, 60, 65))

    def takes(thing: Thing) -> bool:
        low, high = number(thing, "min_humidity") or 0, number(thing, "max_humidity") or 100
        return low <= percent <= high

    service = "humidifier.set_humidity"
    subject = one(scene, able(scene, service, takes))
    if scene.rng.random() < 0.1:
        subject = group_of(scene, HUMIDIFIERS, service, takes, kinds=("all",), least=2) or subject
    return on(
        scene,
        subject,
        ["act_humidity"],
        Call(service, None, {"humidity": percent}),
        lambda _: {"humidity": percent},
        clause="did_humidity",
        values={"percent": say_number(scene, "percent_by", percent)},
        told={"percent": str(percent)},
    )


@order("humidifier_mode", 3.2, together=0.2)
def humidifier_mode(scene: Scene) -> Order | None:
    """Set the mode of a humidifier."""
    return choose(scene, "humidifier.set_mode", "mode", "available_modes", "mode")
