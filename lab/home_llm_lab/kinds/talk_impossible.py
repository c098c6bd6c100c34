"""What cannot be: too much, of the wrong device, later, or done by no house at all."""

from __future__ import annotations

from collections.abc import Sequence

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import dimmable
from home_llm_lab.kinds.act_common import Order, utter
from home_llm_lab.kinds.refer import refer_by_name, vocabulary, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, bare, some_device, the
from home_llm_lab.kinds.talk_device import OPENING
from home_llm_lab.kinds.talk_refuse import ordered, refusal


@kind("refuse_position", 1)
def refuse_position(scene: Scene) -> Example | None:
    """Want a cover at a position that only opens and closes, as its line tells."""
    things = [
        thing
        for thing in scene.house.inside("all", "cover")
        if not thing.features & 4 and "current_position" not in thing.attributes and thing.state not in UNKNOWN
    ]
    found = some_device(scene, things)
    # A house that has no cover with positions does not even offer it.
    if found is None:
        return None
    thing, called = found
    said = ordered(scene, scene.rng.choice(("act_position", "act_position", "act_position_half")), called)
    return refusal(
        scene, "refuse_position", said, scene.words.answer("talk_only_open_close", the_name=the(scene, thing))
    )


@kind("refuse_too_much", 1.2)
def refuse_too_much(scene: Scene) -> Example | None:
    """Want more than 100 percent, or a heat in which nobody lives."""
    rng = scene.rng
    domain = rng.choice(("light", "light", "climate", "climate", "cover"))
    things = [thing for thing in scene.house.inside("all", domain) if thing.state not in UNKNOWN]
    if domain == "cover":
        things = [thing for thing in things if thing.features & 4]
    found = some_device(scene, things)
    if found is None:
        return None
    thing, called = found
    values = {"thing": called, "bare": bare(called)}
    if domain == "climate":
        low, high = float(thing.attributes.get("min_temp", 7)), float(thing.attributes.get("max_temp", 35))
        choices = (45, 50, 60, 70, 80, 100, 200, -5, -10) if scene.house.metric else (120, 130, 150, 200, 300, 10, -5)
        value = rng.choice([value for value in choices if not low <= value <= high])
        group, reply = (
            "talk_too_warm",
            scene.words.answer("talk_not_degrees", the_name=the(scene, thing), value=str(value)),
        )
    else:
        value = rng.choice((110, 120, 130, 150, 180, 200, 250, 300, 400, 500, 1000))
        group = "talk_too_bright" if domain == "light" else "talk_too_far"
        reply = scene.words.answer("talk_percent_range")
    said = utter(scene, Order((group,), {**values, "value": str(value)}, (), {}, ""))
    return refusal(scene, "refuse_too_much", said, reply) if said else None


@kind("refuse_sensor", 0.8)
def refuse_sensor(scene: Scene) -> Example | None:
    """Want something switched that only measures."""
    things = scene.house.inside("all", "sensor", "binary_sensor")
    things = [thing for thing in things if thing.device_class not in OPENING and not _shared(scene, thing)]
    found = some_device(scene, things, refer_by_name)
    if found is None:
        return None
    thing, called = found
    values = {"thing": called, "bare": bare(called)}
    said = utter(scene, Order((scene.rng.choice(("act_on", "act_off")),), values, (), {}, ""))
    if said is None:
        return None
    group = "talk_only_measures" if thing.domain == "sensor" else "talk_cannot_switch"
    return refusal(scene, "refuse_sensor", said, scene.words.answer(group, the_name=the(scene, thing)))


def _shared(scene: Scene, thing: Thing) -> bool:
    """Return whether something else could be meant by the name."""
    meant = words_of(thing.name)
    others = (other for other in scene.house.exposed if other is not thing)
    return any(meant <= vocabulary(scene.words.book, scene.house, other) for other in others)


# Words that suit no device of a domain.
_UNSUITED: dict[str, tuple[str, ...]] = {
    "light": ("act_open", "act_close", "act_lock", "act_unlock"),
    "switch": ("act_brightness", "act_color", "act_open", "act_lock", "act_volume"),
    "fan": ("act_color", "act_open", "act_lock"),
    "cover": ("act_color", "act_mute", "act_media_pause"),
    "lock": ("act_brightness", "act_color", "act_volume", "act_temperature"),
    "media_player": ("act_color", "act_lock", "act_temperature"),
    "climate": ("act_color", "act_lock", "act_mute"),
    "vacuum": ("act_brightness", "act_color", "act_temperature"),
}


@kind("refuse_deed", 2)
def refuse_deed(scene: Scene) -> Example | None:
    """Want of a device what no device of its sort does: a lamp that opens, a plug that is louder."""
    things = [thing for thing in scene.house.inside("all", *_UNSUITED) if thing.state not in UNKNOWN]
    things = [thing for thing in things if not _shared(scene, thing)]
    found = some_device(scene, things, refer_by_name)
    if found is None:
        return None
    thing, called = found
    said = ordered(scene, scene.rng.choice(_UNSUITED[thing.domain]), called)
    return refusal(scene, "refuse_deed", said, scene.words.answer("talk_cannot_do", the_name=the(scene, thing)))


@kind("refuse_value", 2.5)
def refuse_value(scene: Scene) -> Example | None:
    """Want a lamp dimmed or a fan at a speed whose line tells that it is only on or off."""
    things = [
        thing
        for thing in scene.house.inside("all", "light", "fan")
        if (thing.domain == "light" and thing.state == "on" and not dimmable(thing))
        or (thing.domain == "fan" and thing.state not in UNKNOWN and not thing.features & 1)
    ]
    found = some_device(scene, things)
    if found is None:
        return None
    thing, called = found
    light = ("act_brightness", "act_brightness", "act_brighter", "act_dimmer")
    groups = light if thing.domain == "light" else ("act_fan_speed", "act_fan_faster")
    said = ordered(scene, scene.rng.choice(groups), called)
    return refusal(scene, "refuse_value", said, scene.words.answer("talk_cannot_do", the_name=the(scene, thing)))


@kind("refuse_later", 2.2)
def refuse_later(scene: Scene) -> Example | None:
    """Want something done later, or under a condition."""
    things: Sequence[Thing] = scene.house.inside("all", "light", "switch", "fan", "cover", "media_player")
    found = some_device(scene, things)
    if found is None:
        return None
    thing, called = found
    group = {"cover": ("act_open", "act_close")}.get(thing.domain, ("act_on", "act_off"))
    command = scene.words.say(scene.rng.choice(group), thing=called, bare=bare(called))
    said = scene.words.say("talk_later", command=command)
    return refusal(scene, "refuse_later", said, scene.words.answer("talk_only_now"))


@kind("refuse_never", 2.2)
def refuse_never(scene: Scene) -> Example | None:
    """Want what no house does."""
    said, _, reply = scene.words.say("talk_never").partition(" => ")
    return refusal(scene, "refuse_never", said, reply)
