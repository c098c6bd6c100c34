"""Brightness, colour and the warmth of the white of one lamp or of the lamps of a place."""

from __future__ import annotations

from collections.abc import Callable

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, colored, dimmable, kelvin_range, number, tinted
from home_llm_lab.kinds.act_common import Order, Subject, on, one, order
from home_llm_lab.kinds.act_groups import LIGHTS, group_of
from home_llm_lab.kinds.act_numbers import plain, say_number
from home_llm_lab.kinds.refer import phrases_of
from home_llm_lab.kinds.registry import Scene

_COMMON = (5, 10, 15, 20, 25, 30, 33, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100)
# How much brighter or darker is meant, in percent.
STEP, LITTLE, MUCH = 20, 10, 40

# The colours that calls can name, as Home Assistant mixes them.
COLORS = {
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 128, 0),
    "yellow": (255, 255, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "white": (255, 255, 255),
    "turquoise": (64, 224, 208),
    "violet": (238, 130, 238),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "gold": (255, 215, 0),
}
# Whites by what they are called, in kelvin.
WARM, NEUTRAL, COLD, DAYLIGHT, CANDLE = 2700, 4000, 6500, 5500, 2200


def _lamp(scene: Scene, test: Callable[[Thing], bool]) -> Subject | None:
    return one(scene, able(scene, "light.turn_on", test))


def _lamps(scene: Scene, test: Callable[[Thing], bool]) -> Subject | None:
    kinds = scene.rng.choices((("area",), ("floor",), ("all",)), (0.8, 0.1, 0.1))[0]
    return group_of(scene, LIGHTS, "light.turn_on", test, kinds=kinds)


def brightness_effect(percent: float) -> Change:
    """Return what is different once a lamp is so bright; Home Assistant counts to 255 and may round."""
    exact = percent * 2.55
    return {"state": "on", "brightness": (max(1, exact - 2), min(255, exact + 2))}


def _brightness(scene: Scene, subject: Subject | None) -> Order | None:
    rng = scene.rng
    percent = rng.choice(_COMMON) if rng.random() < 0.8 else rng.randint(1, 100)
    groups = ["act_brightness"]
    if rng.random() < 0.15:
        percent, extreme = rng.choice(((100, "max"), (100, "max"), (1, "min")))
        groups = [f"act_brightness_{extreme}"]
    return on(
        scene,
        subject,
        groups,
        Call("light.turn_on", None, {"brightness": percent}),
        lambda _: brightness_effect(percent),
        clause="did_brightness",
        values={"percent": say_number(scene, "percent", percent)},
        told={"percent": str(percent)},
    )


def _step(scene: Scene, find: Callable[[Callable[[Thing], bool]], Subject | None]) -> Order | None:
    """Return the order to make lamps brighter or darker, which have room for it."""
    rng = scene.rng
    up = rng.random() < 0.5
    size, groups, said = rng.choice(
        (
            (STEP, "", STEP),
            (STEP, "", STEP),
            (LITTLE, "_little", LITTLE),
            (MUCH, "_much", MUCH),
            (0, "_by", rng.choice((5, 10, 15, 20, 25, 30, 40, 50))),
        )
    )
    size = size or said

    def has_room(thing: Thing) -> bool:
        now = number(thing, "brightness")
        if not dimmable(thing) or thing.state != "on" or now is None:
            return False
        return now / 2.55 + size < 98 if up else now / 2.55 - size > 3

    def effect(thing: Thing) -> Change:
        then = (number(thing, "brightness") or 0) + (size if up else -size) * 2.55
        return {"state": "on", "brightness": (then - 3, then + 3)}

    subject = find(has_room)
    if (
        subject is not None
        and subject.target != subject.things[0].entity_id
        and not _all_alike(scene, subject, has_room, up=up)
    ):
        return None
    name = "brighter" if up else "dimmer"
    return on(
        scene,
        subject,
        [f"act_{name}{groups}"],
        Call("light.turn_on", None, {"brightness_step": size if up else -size}),
        effect,
        clause=f"did_{name}",
        values={"percent": say_number(scene, "percent_by", size)},
    )


def _all_alike(scene: Scene, subject: Subject, test: Callable[[Thing], bool], *, up: bool) -> bool:
    """Return whether a step on a place changes only what passes a test: upwards, lamps that are off would come on."""
    lamps = [thing for thing in scene.house.inside(subject.target, "light") if dimmable(thing)]
    return all(test(thing) or (not up and thing.state == "off") for thing in lamps)


def _color(scene: Scene, subject: Subject | None) -> Order | None:
    color = scene.rng.choice(list(COLORS))
    with_brightness = scene.rng.random() < 0.15
    arguments: dict[str, object] = {"color": color}
    values = {"color": scene.words.answer(f"color_{color}"), "a_color": scene.words.answer(f"color_{color}")}
    told = {"color": phrases_of(scene.words.book, f"color_{color}")[0]}
    change: Change = {"state": "on"}
    groups, clause = ["act_color"], "did_color"
    if with_brightness:
        percent = scene.rng.choice(_COMMON)
        arguments = {"brightness": percent, "color": color}
        values["percent"] = say_number(scene, "percent", percent)
        told["percent"] = str(percent)
        change = brightness_effect(percent)
        groups, clause = ["act_color_brightness"], "did_color_brightness"
    call = Call("light.turn_on", None, arguments)

    def effect(thing: Thing) -> Change:
        return {**change, **shown(thing, color)}

    return on(scene, subject, groups, call, effect, clause=clause, values=values, told=told)


def shown(thing: Thing, color: str) -> Change:
    """Return how a lamp shows a colour: by itself where it mixes it, at full brightness where it only has hues."""
    mixed = COLORS[color]
    if "rgb" in thing.color_modes or "rgbw" in thing.color_modes:
        return {"rgb_color": mixed}
    return {"rgb_color": tuple(round(part * 255 / max(mixed)) for part in mixed)}


def _white(scene: Scene, find: Callable[[Callable[[Thing], bool]], Subject | None]) -> Order | None:
    kelvin, group = scene.rng.choice(
        (
            (WARM, "act_white_warm"),
            (WARM, "act_white_warm"),
            (COLD, "act_white_cold"),
            (COLD, "act_white_cold"),
            (NEUTRAL, "act_white_neutral"),
            (DAYLIGHT, "act_white_daylight"),
            (CANDLE, "act_white_candle"),
            (scene.rng.choice(range(2200, 6501, 100)), "act_kelvin"),
            (scene.rng.choice((2700, 3000, 3500, 4000, 4500, 5000, 6000, 6500)), "act_kelvin"),
        )
    )

    def reaches(thing: Thing) -> bool:
        low, high = kelvin_range(thing)
        return tinted(thing) and low <= kelvin <= high

    return on(
        scene,
        find(reaches),
        [group],
        Call("light.turn_on", None, {"color_temp": kelvin}),
        lambda _: {"state": "on", "color_temp_kelvin": (kelvin * 0.97, kelvin * 1.03)},
        clause="did_white",
        values={"kelvin": plain(kelvin)},
        told={"kelvin": plain(kelvin)},
    )


@order("brightness", 7, together=6)
def brightness(scene: Scene) -> Order | None:
    """Set the brightness of a lamp."""
    return _brightness(scene, _lamp(scene, dimmable))


@order("area_brightness", 3, together=3)
def area_brightness(scene: Scene) -> Order | None:
    """Set the brightness of the lamps of a place."""
    return _brightness(scene, _lamps(scene, dimmable))


@order("brightness_step", 3.1, together=2.5)
def brightness_step(scene: Scene) -> Order | None:
    """Make a lamp brighter or darker."""
    return _step(scene, lambda test: _lamp(scene, test))


@order("area_brightness_step", 2.5, together=1.5)
def area_brightness_step(scene: Scene) -> Order | None:
    """Make the lamps of a place brighter or darker."""
    return _step(scene, lambda test: _lamps(scene, test))


@order("color", 3, together=2.5)
def color(scene: Scene) -> Order | None:
    """Give a lamp a colour."""
    return _color(scene, _lamp(scene, colored))


@order("area_color", 0.82, together=1)
def area_color(scene: Scene) -> Order | None:
    """Give the lamps of a place a colour."""
    return _color(scene, _lamps(scene, colored))


@order("white", 1.5, together=1.5)
def white(scene: Scene) -> Order | None:
    """Make the white of a lamp warm or cold."""
    return _white(scene, lambda test: _lamp(scene, test))


@order("area_white", 0.65, together=0.7)
def area_white(scene: Scene) -> Order | None:
    """Make the white of the lamps of a place warm or cold."""
    return _white(scene, lambda test: _lamps(scene, test))


# Orders on the lamps of a place, which may also be said by the place alone.
ORDERS_OF_PLACES = (
    area_brightness,
    area_brightness,
    area_brightness_step,
    area_brightness_step,
    area_color,
    area_white,
)
