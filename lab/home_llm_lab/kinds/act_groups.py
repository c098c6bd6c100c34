"""Several devices in one place: the lights in the kitchen, the blinds upstairs, all fans."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import can, members
from home_llm_lab.kinds.act_common import Subject
from home_llm_lab.kinds.refer import phrases_of, refer_group, tidy
from home_llm_lab.kinds.registry import Scene
from home_llm_lab.kinds.talk_common import in_place

_WORD = re.compile(r"[^\W_]+")
_DETERMINERS = frozenset(["the", "all", "every", "each", "of", "single", "in", "on", "at", "and"])


@dataclass(frozen=True, slots=True)
class Category:
    """Devices that people call by one noun.

    Attributes:
        noun: the key of their nouns, as in noun_X and nouns_X.
        domain: what of Home Assistant they are.
        kinds: of which kind, all of the domain where there is none.
    """

    noun: str
    domain: str
    kinds: frozenset[str] = frozenset()

    def __contains__(self, thing: Thing) -> bool:
        """Return whether a device is one of them."""
        return thing.domain == self.domain and (not self.kinds or thing.kind in self.kinds)


LIGHTS = Category("light", "light")
BLINDS = Category("blind", "cover", frozenset({"blind", "shade"}))
CURTAINS = Category("curtain", "cover", frozenset({"curtain"}))
SHUTTERS = Category("shutter", "cover", frozenset({"shutter"}))
WINDOW_COVERS = Category("window_cover", "cover", frozenset({"blind", "shade", "curtain", "shutter"}))
PLUGS = Category("plug", "switch", frozenset({"plug"}))
SWITCHES = Category("any_switch", "switch")
FANS = Category("fan", "fan", frozenset({"fan", "ceiling_fan"}))
SPEAKERS = Category("speaker", "media_player", frozenset({"speaker"}))
TVS = Category("tv", "media_player", frozenset({"tv"}))
PLAYERS = Category("player", "media_player")
LOCKS = Category("lock", "lock")
HEATING = Category("heating_device", "climate", frozenset({"thermostat", "radiator"}))
COOLING = Category("air_conditioner", "climate", frozenset({"air_conditioner"}))
HUMIDIFIERS = Category("humidifier", "humidifier", frozenset({"humidifier"}))


def group_of(
    scene: Scene,
    category: Category,
    service: str,
    test: Callable[[Thing], bool] = bool,
    *,
    kinds: Sequence[str] = ("area",),
    least: int = 1,
) -> Subject | None:
    """Return the devices of a category in some place where exactly they are what a service reaches; None without one.

    Args:
        scene: where it is said.
        category: what they are.
        service: what shall be done with them.
        test: what they must be able to do besides; others in the place are passed over.
        kinds: of places: area, floor, all.
        least: how many there must be.
    """
    targets = []
    for target in places(scene, *kinds):
        meant = [thing for thing in scene.house.inside(target) if thing in category and can(thing, service)]
        reached = members(scene, target, service)
        if meant == reached and sum(map(test, meant)) >= least:
            targets.append((target, [thing for thing in meant if test(thing)]))
    scene.rng.shuffle(targets)
    # Rooms with several are more worth talking about.
    targets.sort(key=lambda found: len(found[1]) > 1 or scene.rng.random() < 0.4, reverse=True)
    for target, things in targets[:3]:
        said = group_phrase(scene, category, target, count=len(things))
        if said is not None:
            return Subject(said, target, tuple(things), group_name(scene, category, target))
    return None


def places(scene: Scene, *kinds: str) -> list[str]:
    """Return the areas, the floors and all, as calls name them, as far as wanted."""
    found: list[str] = []
    if "area" in kinds:
        found.extend(area.target for area in scene.house.areas)
    if "floor" in kinds:
        found.extend(floor.target for floor in scene.house.floors)
    if "all" in kinds:
        found.append("all")
    return found


def group_phrase(scene: Scene, category: Category, target: str, *, count: int = 2) -> str | None:
    """Return how devices of a place are spoken of, with article, or None where it would mean something else."""
    groups = scene.words.book.groups
    many = list(groups.get(f"nouns_{category.noun}", ()))
    single = [noun for noun in groups.get(f"noun_{category.noun}", ()) if noun not in many]
    if not many:
        return None
    values = {"nouns": scene.rng.choice(many)}
    if single:
        values["noun"] = scene.rng.choice(single)
    for _ in range(4):
        if target == "all":
            said = scene.words.answer("group_all", **values, in_place=refer_group(scene, target) or "")
        elif target == f"area.{scene.area_id}" and scene.rng.random() < 0.5:
            said = scene.words.answer("group_here", **values, in_place=refer_group(scene, target) or "")
        else:
            place = refer_group(scene, target)
            called = refer_group(scene, target, "bare")
            if place is None or called is None:
                return None
            # One lamp of a room with several stands for all of them.
            some = "group_light" if category is LIGHTS and count > 1 and scene.rng.random() < 0.12 else "group_in"
            said = tidy(scene, scene.words.answer(some, **values, in_place=place, place=called), called)
        if not is_named(scene, said):
            return said
    return None


def group_name(scene: Scene, category: Category, target: str) -> str:
    """Return how the answer calls the devices of a place, without article."""
    nouns = phrases_of(scene.words.book, f"nouns_{category.noun}")[0]
    if target == "all":
        return scene.words.answer("told_all", nouns=nouns)
    return scene.words.answer("told_in", nouns=nouns, in_place=place_name(scene, target))


def place_name(scene: Scene, target: str) -> str:
    """Return a place in an answer, by its name in the prompt."""
    kind, _, name = target.partition(".")
    if kind == "area":
        return in_place(scene, name)
    if target == "all":
        return phrases_of(scene.words.book, "in_all")[0]
    floor = scene.house.floor(name)
    if floor is None:
        raise KeyError(target)
    groups = scene.words.book.groups
    if any(floor.name.casefold() in groups[group] for group in groups if group.startswith("floor_adverb_")):
        return floor.name.lower()
    group = f"on_floor_{floor.kind}" if f"on_floor_{floor.kind}" in groups else "on_floor"
    return tidy(scene, scene.words.first(group, floor=floor.name), floor.name)


def is_named(scene: Scene, said: str) -> bool:
    """Return whether a phrase is the name of a device, which would then be meant."""
    meant = _content(said)
    return any(_content(name) == meant for thing in scene.house.exposed for name in thing.names)


def _content(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold().replace("'s", ""))) - _DETERMINERS
