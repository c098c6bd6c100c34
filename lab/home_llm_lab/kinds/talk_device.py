"""Questions about the state of one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import refer, refer_by_name
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import (
    PLAYER_OFF,
    UNKNOWN,
    bare,
    grammar,
    number,
    reading,
    state_word,
    tells,
    the,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What can be asked of a device.

    Attributes:
        group: of the phrases.
        fact: the answer group, which tells the fact.
        yes: whether the fact means yes, or None where that was not asked.
        values: what fills the answer.
        weight: how often it is asked, relative to the others.
    """

    group: str
    fact: str = "talk_state"
    yes: bool | None = None
    values: dict[str, str] = field(default_factory=dict)
    weight: float = 1


Asker: TypeAlias = Callable[[Scene, Thing], Iterator[Question]]

# What a door or a window is, by the device class of its sensor; on means open.
OPENING = frozenset({"door", "garage_door", "opening", "window"})


def switched(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of what is on or off."""
    on = thing.state == "on"
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_on", yes=on, values=values, weight=4)
    yield Question("talk_ask_off", yes=not on, values=values, weight=2)
    yield Question("talk_ask_state", values=values, weight=1.5)
    yield Question("talk_ask_on_or_off", values=values, weight=0.7)


def light(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a light."""
    yield from switched(scene, thing)
    brightness = thing.attributes.get("brightness")
    if thing.state == "on" and isinstance(brightness, (int, float)) and brightness:
        value = str(max(1, round(brightness / 255 * 100)))
        yield Question("talk_ask_brightness", "talk_at_percent", values={"value": value}, weight=3)
    elif thing.state == "off" and thing.color_modes not in ((), ("onoff",)):
        yield Question("talk_ask_brightness", values={"state": state_word(scene, "off")}, weight=0.7)


def fan(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a fan."""
    on = thing.state == "on"
    state = {"state": state_word(scene, thing.state)}
    yield from switched(scene, thing)
    yield Question("talk_ask_running", yes=on, values=state)
    percentage = thing.attributes.get("percentage")
    if on and isinstance(percentage, (int, float)):
        yield Question("talk_ask_speed", "talk_at_percent", values={"value": number(percentage)}, weight=3)
    elif not on:
        yield Question("talk_ask_speed", values=state, weight=0.5)


def running(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a socket or a switch, which may be a machine."""
    yield from switched(scene, thing)
    if thing.kind not in ("switch", "outlet", "plug", "input_boolean"):
        values = {"state": state_word(scene, thing.state)}
        yield Question("talk_ask_running", yes=thing.state == "on", values=values, weight=2)


def cover(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a cover."""
    is_open = thing.state not in ("closed", "closing")
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_open", yes=is_open, values=values, weight=3)
    yield Question("talk_ask_closed", yes=not is_open, values=values, weight=2)
    yield Question("talk_ask_open_or_closed", values=values, weight=0.7)
    yield Question("talk_ask_state", values=values)
    if thing.device_class in ("blind", "shade", "shutter", "curtain") and thing.device_class != "curtain":
        yield Question("talk_ask_up", yes=is_open, values=values, weight=0.7)
        yield Question("talk_ask_down", yes=not is_open, values=values, weight=0.7)
    position = thing.attributes.get("current_position")
    if isinstance(position, (int, float)):
        if thing.state == "closed":
            yield Question("talk_ask_position", values=values)
        else:
            yield Question("talk_ask_position", "talk_percent_open", values={"value": number(position)}, weight=2.5)


def valve(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a valve."""
    is_open = thing.state not in ("closed", "closing")
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_open", yes=is_open, values=values, weight=2)
    yield Question("talk_ask_closed", yes=not is_open, values=values, weight=2)
    yield Question("talk_ask_state", values=values)


def lock(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a lock."""
    values = {"state": state_word(scene, thing.state)}
    locked = thing.state == "locked"
    yield Question("talk_ask_locked", yes=locked, values=values, weight=4)
    yield Question("talk_ask_unlocked", yes=not locked, values=values, weight=1.5)
    yield Question("talk_ask_locked_or_not", values=values, weight=0.7)
    yield Question("talk_ask_state", values=values)


def alarm(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of an alarm system."""
    values = {"state": state_word(scene, thing.state)}
    disarmed = thing.state == "disarmed"
    yield Question("talk_ask_armed", yes=not disarmed, values=values, weight=3)
    yield Question("talk_ask_disarmed", yes=disarmed, values=values)
    yield Question("talk_ask_state", values=values, weight=2)


def climate(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a thermostat."""
    on = thing.state != "off"
    state = {"state": state_word(scene, thing.state), "value": state_word(scene, thing.state)}
    fact = "talk_mode" if on else "talk_state"
    yield Question("talk_ask_on", fact, yes=on, values=state, weight=1.5)
    yield Question("talk_ask_off", fact, yes=not on, values=state, weight=0.7)
    yield Question("talk_ask_mode", fact, values=state, weight=1.5)
    if thing.state in ("heat", "off"):
        yield Question("talk_ask_heating", fact, yes=thing.state == "heat", values=state, weight=0.7)
    if thing.state in ("cool", "off"):
        yield Question("talk_ask_cooling", fact, yes=thing.state == "cool", values=state, weight=0.7)
    target = thing.attributes.get("temperature")
    if isinstance(target, (int, float)):
        yield Question("talk_ask_target", "talk_set_to_degrees", values={"value": number(target)}, weight=4)
    measured = thing.attributes.get("current_temperature")
    if isinstance(measured, (int, float)):
        yield Question("talk_ask_measured", "talk_measures_degrees", values={"value": number(measured)}, weight=2)


def water_heater(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a water heater."""
    state = {"state": state_word(scene, thing.state), "value": state_word(scene, thing.state)}
    yield Question("talk_ask_mode", "talk_state" if thing.state == "off" else "talk_mode", values=state)
    target = thing.attributes.get("temperature")
    if isinstance(target, (int, float)):
        yield Question("talk_ask_target", "talk_set_to_degrees", values={"value": number(target)}, weight=2)


def humidifier(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a humidifier."""
    yield from switched(scene, thing)
    target = thing.attributes.get("humidity")
    if isinstance(target, (int, float)):
        yield Question("talk_ask_target_humidity", "talk_set_to_percent", values={"value": number(target)}, weight=3)


def media_player(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a television or a loudspeaker."""
    on = thing.state not in PLAYER_OFF
    playing = thing.state in ("playing", "buffering")
    state = {"state": state_word(scene, thing.state)}
    if thing.state != "idle":
        # What idles is on to some, and off to others.
        yield Question("talk_ask_on", yes=on, values=state, weight=2)
        yield Question("talk_ask_off", yes=not on, values=state)
    yield Question("talk_ask_state", values=state)
    yield Question("talk_ask_is_playing", yes=playing, values=state)
    if thing.state in ("paused", "playing"):
        yield Question("talk_ask_paused", yes=not playing, values=state, weight=0.7)
    title = thing.attributes.get("media_title")
    if title and playing:
        yield Question("talk_ask_playing", "talk_plays", values={"title": str(title)}, weight=4)
    elif not playing:
        yield Question("talk_ask_playing", values=state)
    volume = thing.attributes.get("volume_level")
    if isinstance(volume, (int, float)):
        yield Question("talk_ask_volume", "talk_volume", values={"value": number(volume * 100)}, weight=2)


def vacuum(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a robot that cleans."""
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_cleaning", yes=thing.state == "cleaning", values=values, weight=2)
    yield Question("talk_ask_docked", yes=thing.state == "docked", values=values)
    yield Question("talk_ask_doing", values=values, weight=2)


def lawn_mower(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a robot that mows."""
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_mowing", yes=thing.state == "mowing", values=values, weight=2)
    yield Question("talk_ask_docked", yes=thing.state == "docked", values=values)
    yield Question("talk_ask_doing", values=values, weight=2)


def binary_sensor(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a contact or another detector."""
    on = thing.state == "on"
    if thing.device_class in OPENING:
        values = {"state": state_word(scene, "open" if on else "closed")}
        yield Question("talk_ask_open", yes=on, values=values, weight=3)
        yield Question("talk_ask_closed", yes=not on, values=values, weight=2)
        yield Question("talk_ask_open_or_closed", values=values, weight=0.7)
        return
    values = {"state": state_word(scene, thing.state)}
    yield Question("talk_ask_detected" if scene.rng.random() < 0.5 else "talk_ask_state", values=values)
    if thing.device_class in ("running", "power", "plug"):
        yield Question("talk_ask_running", yes=on, values=values)
        yield Question("talk_ask_on", yes=on, values=values)


def sensor(_: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a sensor."""
    yield Question("talk_ask_value", "talk_value", values={"value": reading(thing)})


def chosen(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a choice or a number."""
    value = reading(thing) if "number" in thing.domain else state_word(scene, thing.state)
    yield Question("talk_ask_set_to", "talk_set_to", values={"value": value})


def timer(scene: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a timer."""
    yield Question("talk_ask_timer", values={"state": state_word(scene, f"timer_{thing.state}")})


def todo(_: Scene, thing: Thing) -> Iterator[Question]:
    """Yield what is asked of a list, of which only the length is known."""
    if thing.state.isdigit():
        fact = {"0": "talk_list_empty", "1": "talk_list_one"}.get(thing.state, "talk_list_several")
        yield Question("talk_ask_list", fact, values={"value": thing.state}, weight=2)
        yield Question("talk_ask_list_items", "talk_list_unknown", values={"value": thing.state})


ASKED: dict[str, Asker] = {
    "alarm_control_panel": alarm,
    "binary_sensor": binary_sensor,
    "climate": climate,
    "cover": cover,
    "fan": fan,
    "humidifier": humidifier,
    "input_boolean": running,
    "input_number": chosen,
    "input_select": chosen,
    "lawn_mower": lawn_mower,
    "light": light,
    "lock": lock,
    "media_player": media_player,
    "number": chosen,
    "select": chosen,
    "sensor": sensor,
    "siren": switched,
    "switch": running,
    "timer": timer,
    "todo": todo,
    "vacuum": vacuum,
    "valve": valve,
    "water_heater": water_heater,
}
# How often a device of a domain is asked after, relative to the number of its things.
_WEIGHTS = {"sensor": 0.5, "binary_sensor": 0.9, "lock": 2.5, "cover": 1.3, "media_player": 1.5, "climate": 1.5}


def _called(scene: Scene, thing: Thing) -> str | None:
    """Return what a device is called in a question; what only measures has no other word than its name."""
    return refer_by_name(scene, thing) if thing.domain in ("sensor", "timer") else refer(scene, thing)


@kind("tell_device", 12)
def tell_device(scene: Scene) -> Example | None:
    """Ask for the state of a device."""
    things = [thing for thing in scene.house.exposed if thing.domain in ASKED and thing.state not in UNKNOWN]
    if not things:
        return None
    thing = scene.rng.choices(things, [_WEIGHTS.get(thing.domain, 1) for thing in things])[0]
    questions = list(ASKED[thing.domain](scene, thing))
    called = _called(scene, thing)
    if not questions or called is None:
        return None
    question = scene.rng.choices(questions, [question.weight for question in questions])[0]
    said = scene.words.say(question.group, the_name=called, name=bare(called), **grammar(scene, called))
    values = {**grammar(scene, thing.name), **question.values}
    fact = scene.words.answer(question.fact, the_name=the(scene, thing), **values)
    return tells(scene, "tell_device", said, fact, question.yes)


@kind("tell_unavailable", 1)
def tell_unavailable(scene: Scene) -> Example | None:
    """Ask for the state of a device of which it is not known."""
    things = [thing for thing in scene.house.exposed if thing.domain in ASKED and thing.state in UNKNOWN]
    if not things:
        return None
    thing = scene.rng.choice(things)
    # What would be asked if it were there.
    state = {"cover": "open", "lock": "locked", "vacuum": "docked"}.get(thing.domain, "on")
    questions = list(ASKED[thing.domain](scene, _in_state(thing, state)))
    called = _called(scene, thing)
    if not questions or called is None:
        return None
    group = scene.rng.choice(questions).group
    said = scene.words.say(group, the_name=called, name=bare(called), **grammar(scene, called))
    fact = scene.words.answer(f"talk_{thing.state}", the_name=the(scene, thing), **grammar(scene, thing.name))
    return tells(scene, "tell_unavailable", said, fact)


def _in_state(thing: Thing, state: str) -> Thing:
    """Return a device in another state."""
    return Thing(
        thing.entity_id, thing.name, thing.kind, thing.area_id, state, thing.attributes, thing.aliases, thing.exposed
    )
