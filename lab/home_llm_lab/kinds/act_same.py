"""Two orders for the same device in one sentence: "set the AC to cool and 21 degrees"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from home_llm_lab.example import Call, Change, Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, can, number
from home_llm_lab.kinds.act_common import Order, Subject, example, finish, frame, one, spoken_of
from home_llm_lab.kinds.act_numbers import plain, say_number
from home_llm_lab.kinds.refer import phrases_of
from home_llm_lab.kinds.registry import Scene, kind

# A call, what it means, and the slots of what is said and of what is answered.
_Half: TypeAlias = tuple[Call, Change, dict[str, str], dict[str, str]]


def _example(scene: Scene, subject: Subject, group: str, halves: list[_Half]) -> Example:
    """Return an example of two halves."""
    thing = subject.things[0]
    values, told = spoken_of(scene, subject), {"name": thing.name}
    change: dict[str, object] = {}
    for _, meant, said, answered in halves:
        values |= said
        told |= answered
        change |= meant
    calls = tuple(half[0] for half in halves)
    made = Order((group,), values, calls, {thing.entity_id: change}, f"did{group[3:]}", told, (thing,))
    text = scene.words.say(group, **values)
    if subject.place:
        text = f"{text} {subject.place}"
    return example(scene, "act_same", finish(scene, frame(scene, text)), [made])


def _climate(scene: Scene) -> Example | None:
    modes = ("heat", "cool", "auto")

    def has(thing: Thing) -> bool:
        return can(thing, "climate.set_temperature") and any(mode in thing.attributes["hvac_modes"] for mode in modes)

    subject = one(scene, able(scene, "climate.set_hvac_mode", has))
    if subject is None:
        return None
    thing = subject.things[0]
    mode = scene.rng.choice([mode for mode in thing.attributes["hvac_modes"] if mode in modes])
    low, high = number(thing, "min_temp") or 7, number(thing, "max_temp") or 35
    choices = (18, 19, 20, 21, 21.5, 22, 23, 24) if scene.house.metric else (66, 68, 69, 70, 71, 72, 74)
    degrees = scene.rng.choice([value for value in choices if low <= value <= high])
    word = phrases_of(scene.words.book, f"hvac_{mode}")[0]
    return _example(
        scene,
        subject,
        "act_same_climate",
        [
            (
                Call("climate.set_hvac_mode", thing.entity_id, {"hvac_mode": mode}),
                {"state": mode},
                {"mode": word},
                {"mode": word},
            ),
            (
                Call("climate.set_temperature", thing.entity_id, {"temperature": degrees}),
                {"temperature": degrees},
                {"degrees": say_number(scene, "degrees", degrees)},
                {"degrees": plain(degrees)},
            ),
        ],
    )


def _media(scene: Scene) -> Example | None:
    subject = one(scene, able(scene, "media_player.turn_on", lambda thing: thing.state == "off"))
    if subject is None:
        return None
    thing = subject.things[0]
    on: _Half = (Call("media_player.turn_on", thing.entity_id), {"state": "on"}, {}, {})
    sources = thing.attributes.get("source_list")
    if sources and can(thing, "media_player.select_source") and scene.rng.random() < 0.6:
        source = str(scene.rng.choice(sources))
        half: _Half = (
            Call("media_player.select_source", thing.entity_id, {"source": source}),
            {"source": source},
            {"source": source if scene.rng.random() < 0.4 else source.lower()},
            {"source": source},
        )
        return _example(scene, subject, "act_same_source", [on, half])
    if not can(thing, "media_player.volume_set"):
        return None
    percent = scene.rng.choice((10, 15, 20, 25, 30, 40, 50, 60))
    half = (
        Call("media_player.volume_set", thing.entity_id, {"volume": percent}),
        {"volume_level": percent / 100},
        {"percent": say_number(scene, "percent", percent)},
        {"percent": str(percent)},
    )
    return _example(scene, subject, "act_same_volume", [on, half])


def _fan(scene: Scene) -> Example | None:
    subject = one(scene, able(scene, "fan.turn_on", lambda thing: can(thing, "fan.oscillate")))
    if subject is None:
        return None
    entity_id = subject.things[0].entity_id
    on: _Half = (Call("fan.turn_on", entity_id), {"state": "on"}, {}, {})
    call = Call("fan.oscillate", entity_id, {"oscillating": True})
    return _example(scene, subject, "act_same_swing", [on, (call, {"oscillating": True}, {}, {})])


def _humidity(scene: Scene) -> Example | None:
    subject = one(scene, able(scene, "humidifier.turn_on"))
    if subject is None:
        return None
    thing = subject.things[0]
    low, high = number(thing, "min_humidity") or 0, number(thing, "max_humidity") or 100
    percent = scene.rng.choice([value for value in (40, 45, 50, 55, 60) if low <= value <= high])
    on: _Half = (Call("humidifier.turn_on", thing.entity_id), {"state": "on"}, {}, {})
    half: _Half = (
        Call("humidifier.set_humidity", thing.entity_id, {"humidity": percent}),
        {"humidity": percent},
        {"percent": say_number(scene, "percent_by", percent)},
        {"percent": str(percent)},
    )
    return _example(scene, subject, "act_same_humidity", [on, half])


_MAKERS: tuple[Callable[[Scene], Example | None], ...] = (_climate, _climate, _media, _media, _fan, _humidity)


@kind("act_same", 3.5)
def same(scene: Scene) -> Example | None:
    """Turn a device on and set it."""
    return scene.rng.choice(_MAKERS)(scene)
