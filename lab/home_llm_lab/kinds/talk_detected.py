"""Questions about what detectors report in a room: motion, somebody, water, smoke."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_climate import places
from home_llm_lab.kinds.talk_common import UNKNOWN, grammar, in_place, tells, the

# The groups of words and of answers by device class.
_DETECTORS = {
    "motion": ("talk_ask_motion", "talk_motion", "talk_no_motion"),
    "occupancy": ("talk_ask_occupied", "talk_somebody", "talk_nobody_there"),
    "presence": ("talk_ask_occupied", "talk_somebody", "talk_nobody_there"),
    "moisture": ("talk_ask_leak", "talk_water", "talk_no_water"),
    "smoke": ("talk_ask_smoke", "talk_smoke", "talk_no_smoke"),
}


def detectors(scene: Scene) -> list[Thing]:
    """Return the detectors that are the only one of their sort in their room."""
    found = []
    for thing in scene.house.inside("all", "binary_sensor"):
        if thing.device_class not in _DETECTORS or thing.area_id is None or thing.state in UNKNOWN:
            continue
        there = scene.house.inside(f"area.{thing.area_id}", "binary_sensor")
        groups = _DETECTORS[thing.device_class]
        if [_DETECTORS.get(other.device_class or "") for other in there].count(groups) == 1:
            found.append(thing)
    return found


@kind("tell_detected", 3)
def tell_detected(scene: Scene) -> Example | None:
    """Ask whether something moves, burns or leaks in a room, or whether somebody is there."""
    found = detectors(scene)
    if not found:
        return None
    thing = scene.rng.choice(found)
    asked, yes, no = _DETECTORS[str(thing.device_class)]
    slots = places(scene, str(thing.area_id))
    if slots is None:
        return None
    # Whether a room is in use or empty is another question each; here only somebody in it means yes.
    said = scene.words.say(asked, the_name=the(scene, thing), **slots, **grammar(scene, thing.name))
    fact = scene.words.answer(yes if thing.state == "on" else no, in_area=in_place(scene, str(thing.area_id)))
    return tells(scene, "tell_detected", said, fact, thing.state == "on")
