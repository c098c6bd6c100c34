"""What names a deed and orders none: it is forbidden, was done, will be done, is asked about, or was said elsewhere."""

from __future__ import annotations

from dataclasses import replace

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_groups import BLINDS, FANS, HEATING, LIGHTS, LOCKS, TVS, Category, group_phrase, places
from home_llm_lab.kinds.refer import refer
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, talk, turn
from home_llm_lab.kinds.talk_deeds import SPOKEN, tempting

_TOGETHER: tuple[Category, ...] = (LIGHTS, LIGHTS, LIGHTS, BLINDS, LOCKS, FANS, TVS, HEATING)
# How often several devices of a place are spoken of rather than one.
_SEVERAL = 0.3


def _several(scene: Scene) -> tuple[str, str] | None:
    """Return devices of a place as they are spoken of, and which words fit what is done to them."""
    category = scene.rng.choice(_TOGETHER)
    found = [
        target
        for target in places(scene, "area", "floor", "all")
        if any(thing in category for thing in scene.house.inside(target, category.domain))
    ]
    if not found:
        return None
    said = group_phrase(scene, category, scene.rng.choice(found))
    return (said, SPOKEN[category.domain]) if said else None


def _one(scene: Scene) -> tuple[str, Thing] | None:
    """Return a device as it is spoken of, and the device."""
    things = [thing for thing in scene.house.exposed if thing.domain in SPOKEN and thing.state not in UNKNOWN]
    scene.rng.shuffle(things)
    for thing in things[:4]:
        if said := refer(scene, thing):
            return said, thing
    return None


def _told(scene: Scene, name: str, group: str, answer: str) -> Example | None:
    """Return something said of a deed, with its answer; nothing is done."""
    thing: Thing | None = None
    if scene.rng.random() < _SEVERAL:
        if (found := _several(scene)) is None:
            return None
        it, words = found
    else:
        if (single := _one(scene)) is None:
            return None
        it, thing = single
        words = SPOKEN[thing.domain]
    clauses = {slot: scene.words.say(f"clause_{slot}_{words}", it=it) for slot in ("do", "done", "not")}
    said = scene.words.say(group, **clauses)
    made = talk(scene, name, turn(scene, said, scene.words.answer(answer), "talk"))
    return replace(made, tempting=tempting(scene, [thing] if thing else []))


@kind("talk_negated", 6)
def talk_negated(scene: Scene) -> Example | None:
    """Forbid a deed in as many ways as it can be ordered."""
    return _told(scene, "talk_negated", "talk_negated", "talk_leave_answer")


@kind("talk_reported", 3.5)
def talk_reported(scene: Scene) -> Example | None:
    """Tell that something was done, by whomever."""
    return _told(scene, "talk_reported", "talk_reported", "talk_remark_answer")


@kind("talk_planned", 3)
def talk_planned(scene: Scene) -> Example | None:
    """Tell what somebody will do, or always does, without the assistant."""
    return _told(scene, "talk_planned", "talk_planned", "talk_remark_answer")


@kind("talk_advice", 2.5)
def talk_advice(scene: Scene) -> Example | None:
    """Ask whether something should be done."""
    return _told(scene, "talk_advice", "talk_advice", "talk_advice_answer")


@kind("talk_supposed", 2)
def talk_supposed(scene: Scene) -> Example | None:
    """Speak of what would be if something were done."""
    return _told(scene, "talk_supposed", "talk_supposed", "talk_remark_answer")


@kind("talk_overheard", 2)
def talk_overheard(scene: Scene) -> Example | None:
    """Tell what somebody said to somebody else, or what is said in a film."""
    return _told(scene, "talk_overheard", "talk_overheard", "talk_remark_answer")


@kind("talk_television", 1.2)
def talk_television(scene: Scene) -> Example | None:
    """Hear what comes from a television or a radio."""
    said = scene.words.say("talk_television")
    return talk(scene, "talk_television", turn(scene, said, scene.words.answer("talk_remark_answer"), "talk"))


@kind("talk_guard", 3.5)
def talk_guard(scene: Scene) -> Example | None:
    """Tell of what could be a reason to lock, unlock, open or arm something; none of these is done by guessing."""
    said = scene.words.say("talk_guard")
    return talk(scene, "talk_guard", turn(scene, said, scene.words.answer("talk_guard_answer"), "talk"))
