"""What sounds like a command and is none: commands that are forbidden, and remarks about devices."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import refer
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, talk, turn
from home_llm_lab.kinds.talk_deeds import SPOKEN

# What may be spoken of, with the words for what should not be done there.
_KINDS_OF = {**SPOKEN, "scene": "named", "script": "named"}


def _some(scene: Scene, *, named: bool) -> tuple[Thing, str] | None:
    """Return a device and words for it."""
    things = [
        thing
        for thing in scene.house.exposed
        if thing.domain in _KINDS_OF and thing.state not in UNKNOWN and (named or _KINDS_OF[thing.domain] != "named")
    ]
    scene.rng.shuffle(things)
    for thing in things:
        if said := refer(scene, thing):
            return thing, said
    return None


@kind("talk_leave", 4)
def talk_leave(scene: Scene) -> Example | None:
    """Say what should not be done: nothing is."""
    if (found := _some(scene, named=True)) is None:
        return None
    thing, said = found
    group = f"talk_leave_{_KINDS_OF[thing.domain]}"
    words = scene.words.say(scene.rng.choice((group, "talk_leave_any")), it=said)
    return talk(scene, "talk_leave", turn(scene, words, scene.words.answer("talk_leave_answer"), "talk"))


@kind("talk_remark", 3)
def talk_remark(scene: Scene) -> Example | None:
    """Tell something about a device or a place that asks for nothing."""
    if (found := _some(scene, named=False)) is None:
        return None
    words = scene.words.say("talk_remark", it=found[1])
    return talk(scene, "talk_remark", turn(scene, words, scene.words.answer("talk_remark_answer"), "talk"))
