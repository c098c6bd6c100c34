"""Heating, cooling, hot water and humidity."""

from __future__ import annotations

from collections.abc import Callable

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, can, number
from home_llm_lab.kinds.act_common import Order, Subject, on, one, order
from home_llm_lab.kinds.act_groups import COOLING, HEATING, group_of
from home_llm_lab.kinds.act_numbers import plain, say_number
from home_llm_lab.kinds.refer import phrases_of, refer_group
from home_llm_lab.kinds.registry import Scene

_CELSIUS = (16, 17, 18, 18.5, 19, 19.5, 20, 20.5, 21, 21.5, 22, 22.5, 23, 24, 25, 26)
_FAHRENHEIT = (60, 62, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 78)


def _limits(thing: Thing) -> tuple[float, float]:
    return number(thing, "min_temp") or 7, number(thing, "max_temp") or 35


def takes_degrees(degrees: float) -> Callable[[Thing], bool]:
    """Return a test whether a device can be set to a temperature."""

    def takes(thing: Thing) -> bool:
        low, high = _limits(thing)
        return low <= degrees <= high

    return takes


def set_degrees(
    scene: Scene, subject: Subject | None, degrees: float, service: str = "climate.set_temperature"
) -> Order | None:
    """Return the order to set something to a temperature."""
    values = {"degrees": say_number(scene, "degrees", degrees)}
    groups = ["act_temperature"]
    if subject is not None and (room := _room(scene, subject)):
        # Where a room has one thermostat, the temperature of the room is its.
        groups.append("act_room_temperature")
        values |= room
    return on(
        scene,
        subject,
        groups,
        Call(service, None, {"temperature": degrees}),
        lambda _: {"temperature": degrees},
        clause="did_temperature",
        values=values,
        told={"degrees": plain(degrees)},
    )


def _room(scene: Scene, subject: Subject) -> dict[str, str]:
    """Return the slots of the room of the only thermostat there; none where it has others, or says its place.

    The room goes without saying where it is the speaker's own, or where the house has one thermostat.
    """
    thing = subject.things[0]
    if len(subject.things) > 1 or subject.target != thing.entity_id or thing.domain != "climate" or subject.place:
        return {}
    alone = scene.house.inside("all", "climate") == [thing]
    target = f"area.{thing.area_id}"
    if not alone and (thing.area_id is None or scene.house.inside(target, "climate") != [thing]):
        return {}
    if (alone or target == f"area.{scene.area_id}") and scene.rng.random() < 0.5:
        return {"in_area": ""}
    place, the = refer_group(scene, target), refer_group(scene, target, "the")
    return {"in_area": place, "the_area": the} if place and the else {}


def _degrees(scene: Scene) -> float:
    return scene.rng.choice(_CELSIUS if scene.house.metric else _FAHRENHEIT)


@order("temperature", 4.5, together=4)
def temperature(scene: Scene) -> Order | None:
    """Set a thermostat."""
    degrees = _degrees(scene)
    return set_degrees(scene, one(scene, able(scene, "climate.set_temperature", takes_degrees(degrees))), degrees)


@order("area_temperature", 3.1, together=0.8)
def area_temperature(scene: Scene) -> Order | None:
    """Set the thermostats of a place."""
    degrees = _degrees(scene)
    kinds = scene.rng.choice((("area",), ("floor",), ("all",)))
    for category in scene.rng.sample((HEATING, COOLING), 2):
        subject = group_of(scene, category, "climate.set_temperature", takes_degrees(degrees), kinds=kinds, least=2)
        if subject is not None:
            return set_degrees(scene, subject, degrees)
    return None


@order("temperature_step", 3.3, together=2.5)
def temperature_step(scene: Scene) -> Order | None:
    """Make a room warmer or colder, by the temperature that its thermostat has in the prompt."""
    rng = scene.rng
    up = rng.random() < 0.5
    by = rng.choice((1, 1, 2, 2, 3, 0.5, 5)) if rng.random() < 0.5 else None
    if by == 0.5 and not scene.house.metric:
        by = 2
    step = by if by is not None else 1

    def has_room(thing: Thing) -> bool:
        now = number(thing, "temperature")
        low, high = _limits(thing)
        return now is not None and thing.state != "off" and low <= now + (step if up else -step) <= high

    subject = one(scene, able(scene, "climate.set_temperature", has_room))
    if subject is None:
        return None
    then = round((number(subject.things[0], "temperature") or 0) + (step if up else -step), 1)
    name = "warmer" if up else "colder"
    groups = [f"act_{name}_by" if by is not None else f"act_{name}"]
    values = {"degrees": say_number(scene, "degrees_by", step)}
    if room := _room(scene, subject):
        groups.append(f"{groups[0]}_room")
        values |= room
    return on(
        scene,
        subject,
        groups,
        Call("climate.set_temperature", None, {"temperature": _plain(then)}),
        lambda _: {"temperature": then},
        clause="did_temperature",
        values=values,
        told={"degrees": plain(then)},
    )


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


@order("climate_mode", 4.2, together=2.5)
def climate_mode(scene: Scene) -> Order | None:
    """Set the mode of heating or cooling, off included."""
    subject = one(scene, able(scene, "climate.set_hvac_mode", lambda thing: bool(thing.attributes.get("hvac_modes"))))
    if subject is None:
        return None
    thing = subject.things[0]
    modes = [mode for mode in thing.attributes["hvac_modes"] if f"hvac_{mode}" in scene.words.book.groups]
    wanted = scene.rng.choice([*modes, "off", "on", "on"])
    mode = _on_mode(thing) if wanted == "on" else wanted
    if mode is None or (wanted == "off" and "off" not in modes):
        return None
    groups = [f"act_hvac_{wanted}"] if wanted in ("off", "on") else ["act_hvac", f"act_hvac_{wanted}"]
    if wanted in ("off", "on"):
        groups.append(f"act_{wanted}")
    word = scene.words.answer(f"hvac_{mode}")
    return on(
        scene,
        subject,
        groups,
        Call("climate.set_hvac_mode", None, {"hvac_mode": mode}),
        lambda _: {"state": mode},
        clause="did_turn_off" if wanted == "off" else "did_turn_on" if wanted == "on" else "did_mode",
        values={"mode": word},
        told={"mode": phrases_of(scene.words.book, f"hvac_{mode}")[0]} if wanted not in ("off", "on") else None,
    )


def _on_mode(thing: Thing) -> str | None:
    """Return what it is to turn a device on: an air conditioner cools, everything else heats."""
    modes = [str(mode) for mode in thing.attributes["hvac_modes"] if mode != "off"]
    if len(modes) == 1:
        return modes[0]
    wanted = "cool" if thing.kind == "air_conditioner" else "heat"
    return wanted if wanted in modes else None


@order("area_climate_off", 2.3, together=0.2)
def area_climate_off(scene: Scene) -> Order | None:
    """Turn the heating or the cooling of a place off."""
    kinds = scene.rng.choice((("area",), ("floor",), ("all",), ("all",)))
    for category in scene.rng.sample((HEATING, COOLING), 2):
        subject = group_of(scene, category, "climate.set_hvac_mode", kinds=kinds, least=2)
        if subject is not None and all("off" in thing.attributes.get("hvac_modes", ()) for thing in subject.things):
            call = Call("climate.set_hvac_mode", None, {"hvac_mode": "off"})
            return on(
                scene, subject, ["act_hvac_off", "act_off"], call, lambda _: {"state": "off"}, clause="did_turn_off"
            )
    return None


def choose(
    scene: Scene, service: str, argument: str, attribute: str, result: str, *, but: tuple[str, ...] = ()
) -> Order | None:
    """Return the order to choose one of what a device offers in an attribute."""

    def options(thing: Thing) -> list[str]:
        return [option for option in thing.attributes.get(attribute, ()) if option not in but]

    subject = one(scene, able(scene, service, lambda thing: bool(options(thing))))
    if subject is None:
        return None
    option = scene.rng.choice(options(subject.things[0]))
    said = option.replace("_", " ")
    name = service.partition(".")[2]
    return on(
        scene,
        subject,
        [f"act_{service.replace('.', '_')}"],
        Call(service, None, {argument: option}),
        lambda _: {result: option},
        clause="did_fan_mode" if name == "set_fan_mode" else "did_mode",
        values={"mode": said},
        told={"mode": said},
    )


@order("climate_preset", 2.5, together=1)
def climate_preset(scene: Scene) -> Order | None:
    """Set the preset of heating or cooling."""
    return choose(scene, "climate.set_preset_mode", "preset_mode", "preset_modes", "preset_mode", but=("none",))


@order("climate_fan", 3, together=0.3)
def climate_fan(scene: Scene) -> Order | None:
    """Set the fan of an air conditioner."""
    return choose(scene, "climate.set_fan_mode", "fan_mode", "fan_modes", "fan_mode")


@order("climate_need", 1.3, together=0)
def climate_need(scene: Scene) -> Order | None:
    """Understand that it is too cold or too warm, where the room has one thermostat that can help."""
    up = scene.rng.random() < 0.5

    def helps(thing: Thing) -> bool:
        now = number(thing, "temperature")
        low, high = _limits(thing)
        # Only what heats now is turned up, and only what cools or heats now is turned down.
        return now is not None and thing.state != "off" and low <= now + (1 if up else -1) <= high

    rooms = [
        (target, thing)
        for target in (area.target for area in scene.house.areas)
        for thing in scene.house.inside(target, "climate")
        if scene.house.inside(target, "climate") == [thing] and can(thing, "climate.set_temperature") and helps(thing)
    ]
    if not rooms:
        return None
    here = [room for room in rooms if room[0] == f"area.{scene.area_id}"]
    target, thing = scene.rng.choice(here or rooms)
    alone = len(scene.house.inside("all", "climate")) == 1
    place = "" if (here or alone) and scene.rng.random() < 0.5 else refer_group(scene, target)
    if place is None:
        return None
    then = _plain(round((number(thing, "temperature") or 0) + (1 if up else -1), 1))
    return Order(
        ("act_too_cold" if up else "act_too_warm",),
        {"in_area": place},
        (Call("climate.set_temperature", thing.entity_id, {"temperature": then}),),
        {thing.entity_id: {"temperature": then}},
        "did_temperature",
        {"name": thing.name, "degrees": plain(then)},
        (thing,),
    )
