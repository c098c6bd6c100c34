"""Questions about what sensors are on: the battery of the doorbell, the washing machine, the fridge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import spoken, tidy, vocabulary, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, grammar, reading, state_word, tells, the

# By what sensors are called, the groups of words for what they are on; the words that end their names are in the books.
_ENDS = {
    "battery_sensor": ("talk_end_battery", "talk_ask_battery"),
    "power_sensor": ("talk_end_power", "talk_ask_power"),
    "temperature_sensor": ("talk_end_temperature", "talk_ask_warm_thing"),
    "washer_state": ("talk_end_state", "talk_ask_machine"),
    "soil_sensor": ("talk_end_moisture", "talk_ask_moist"),
}
_RUNNING = frozenset({"running", "rinsing", "spinning"})


@dataclass(frozen=True, slots=True)
class Subject:
    """A sensor, what it is on, and the group of questions after that."""

    sensor: Thing
    of: str
    group: str


def subjects(scene: Scene) -> Iterator[Subject]:
    """Yield the sensors whose name says what they are on, which is no room."""
    known = tuple(scene.words.book.groups.get("talk_measured", ()))
    for thing in scene.house.inside("all", "sensor"):
        if thing.kind not in _ENDS or thing.state in UNKNOWN:
            continue
        ends, group = _ENDS[thing.kind]
        for end in scene.words.book.groups.get(ends, ()):
            if thing.name.casefold().endswith(f" {end.casefold()}"):
                of = thing.name[: -len(end) - 1].strip(" -")
                if of.casefold().endswith(known):
                    yield Subject(thing, of, group)
                break


@kind("tell_sensor_of", 3)
def tell_sensor_of(scene: Scene) -> Example | None:
    """Ask for a battery, a power, a temperature or a state of what a sensor is on."""
    found = [subject for subject in subjects(scene) if _alone(scene, subject)]
    if not found:
        return None
    subject = scene.rng.choice(found)
    thing = subject.sensor
    name = spoken(scene, subject.of)
    of = tidy(scene, scene.words.answer("talk_the_name", name=name), name)
    slots = {"the_device": of, "device": name, **grammar(scene, of)}
    fact = scene.words.answer(
        "talk_value", the_name=the(scene, thing), value=reading(thing), **grammar(scene, thing.name)
    )
    if thing.kind == "washer_state":
        fact = scene.words.answer(
            "talk_value", the_name=the(scene, thing), value=state_word(scene, thing.state), **grammar(scene, thing.name)
        )
        group, yes = scene.rng.choice(
            (
                ("talk_ask_machine", None),
                ("talk_ask_machine_running", thing.state in _RUNNING),
                ("talk_ask_machine_done", thing.state == "finished"),
            )
        )
        return tells(scene, "tell_sensor_of", scene.words.say(group, **slots), fact, yes)
    return tells(scene, "tell_sensor_of", scene.words.say(subject.group, **slots), fact)


def _alone(scene: Scene, subject: Subject) -> bool:
    """Return whether no other sensor of the same sort, and no machine, is called so."""
    meant = words_of(subject.of)
    others = [other for other in scene.house.exposed if other is not subject.sensor]
    kindred = [
        other
        for other in others
        if other.kind == subject.sensor.kind or (subject.sensor.kind == "washer_state" and other.domain != "sensor")
    ]
    return not any(meant <= vocabulary(scene.words.book, scene.house, other) for other in kindred)
