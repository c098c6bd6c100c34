"""Several devices of a place that has others of their domain: each is called, as the place would be too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from home_llm_lab.example import Call, Change
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, members
from home_llm_lab.kinds.act_common import Order, Subject, order, spoken_of
from home_llm_lab.kinds.act_cover import moved, word_groups
from home_llm_lab.kinds.act_groups import (
    BLINDS,
    CURTAINS,
    FANS,
    PLUGS,
    SHUTTERS,
    SPEAKERS,
    TVS,
    Category,
    group_name,
    group_phrase,
    places,
)
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.registry import Scene

# So many are called one by one; of more, nobody would wait for the answer.
_MOST = 4


def _some(scene: Scene, category: Category, service: str) -> Subject | None:
    """Return two to four of a category in a place where a call on the place would reach others too."""
    found: list[tuple[str, list[Thing]]] = []
    for target in places(scene, "area", "floor", "all"):
        meant = [thing for thing in scene.house.inside(target) if thing in category and can(thing, service)]
        if 1 < len(meant) <= _MOST and meant != members(scene, target, service):
            found.append((target, meant))
    if not found:
        return None
    target, things = scene.rng.choice(found)
    said = group_phrase(scene, category, target, count=1)
    return None if said is None else Subject(said, target, tuple(things), group_name(scene, category, target))


def _each(
    scene: Scene, subject: Subject, groups: Sequence[str], service: str, effects: Mapping[str, Change], clause: str
) -> Order:
    calls = tuple(Call(service, thing.entity_id) for thing in subject.things)
    told = {"name": subject.name}
    return Order(tuple(groups), spoken_of(scene, subject), calls, effects, clause, told, subject.things)


@order("some_covers", 4.2, together=0)
def some_covers(scene: Scene) -> Order | None:
    """Open or close the blinds of a place that has curtains too, or the other way round."""
    which = scene.rng.choice(("open", "close"))
    service = f"cover.{which}_cover"
    for category in scene.rng.sample((BLINDS, CURTAINS, SHUTTERS), 3):
        subject = _some(scene, category, service)
        if subject is not None:
            position = 100 if which == "open" else 0
            effects = {thing.entity_id: moved(thing, position) for thing in subject.things}
            return _each(scene, subject, word_groups(subject.things[0], which), service, effects, f"did_{which}")
    return None


@order("some_devices", 4.2, together=0)
def some_devices(scene: Scene) -> Order | None:
    """Turn the televisions of a place off that has speakers too, and the like."""
    which = scene.rng.choice(("on", "off", "off"))
    for category in scene.rng.sample((TVS, SPEAKERS, FANS, PLUGS), 4):
        service = f"{category.domain}.turn_{which}"
        subject = _some(scene, category, service)
        if subject is not None:
            effects = {thing.entity_id: switched(thing, which) for thing in subject.things}
            return _each(scene, subject, [f"act_{which}"], service, effects, f"did_turn_{which}")
    return None
