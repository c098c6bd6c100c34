"""The kinds of commands by name, each with how often it is wanted."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from home_llm_lab.example import Example
from home_llm_lab.house import House
from home_llm_lab.kinds.noise import noisy
from home_llm_lab.phrases.book import Words, load_book
from home_llm_lab.phrases.template import TemplateError

# How many of the sentences come through speech recognition, or from a hurried thumb.
_NOISE = 0.15
# How many of the prompts tell the time, though nothing hangs on it.
_TIMED = 0.06
_FIRST_DAY, _DAYS = datetime(2024, 1, 1), 365 * 6  # noqa: DTZ001 - local time, as it is told


@dataclass(slots=True)
class Scene:
    """What a kind has to work with.

    Attributes:
        house: everything in it.
        words: the phrase book of the house's language; it notes the templates that were used.
        rng: the only source of chance.
        area_id: where the speaker's satellite stands, or None; a kind that needs none ignores it.
        persona: who answers.
    """

    house: House
    words: Words
    rng: random.Random
    area_id: str | None = None
    persona: str = "al"


# Returns None where the house has nothing of the kind.
Maker: TypeAlias = Callable[[Scene], Example | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of command.

    Attributes:
        name: as in Example.kind.
        weight: how often it is wanted, relative to the others.
        make: makes an example, or None.
    """

    name: str
    weight: float
    make: Maker


KINDS: dict[str, Kind] = {}


def kind(name: str, weight: float = 1) -> Callable[[Maker], Maker]:
    """Register a maker as a kind."""

    def register(make: Maker) -> Maker:
        if name in KINDS:
            raise ValueError(f"there are two kinds {name}")
        KINDS[name] = Kind(name, weight, make)
        return make

    return register


@functools.cache
def load_kinds() -> Mapping[str, Kind]:
    """Return all kinds by name; they register themselves when their modules are imported."""
    package = importlib.import_module("home_llm_lab.kinds")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        if module.startswith(("act_", "talk_")):
            importlib.import_module(f"home_llm_lab.kinds.{module}")
    return KINDS


def make_example(
    house: House,
    rng: random.Random,
    *,
    held_out: bool = False,
    name: str | None = None,
    persona: str | None = None,
) -> Example | None:
    """Return an example for a house, of a kind or of any as often as they are wanted; None where nothing fits.

    Kinds of a language whose phrase book lacks a group are left out of it.
    """
    kinds = load_kinds()
    chosen = name or rng.choices(list(kinds), [item.weight for item in kinds.values()])[0]
    words = Words(load_book(house.language), rng, held_out)
    areas = [area.area_id for area in house.areas if house.inside(area.target)]
    scene = Scene(
        house,
        words,
        rng,
        area_id=rng.choice(areas) if areas and rng.random() < 0.4 else None,
        persona=persona or rng.choices(("al", "robo", "blackbeard"), (0.9, 0.05, 0.05))[0],
    )
    try:
        example = kinds[chosen].make(scene)
    except TemplateError:
        if house.language == "en":
            raise
        return None
    if example is None:
        return None
    language = example.language or house.language
    turns = tuple(
        replace(turn, said=noisy(turn.said, rng, language)) if turn.said and rng.random() < _NOISE else turn
        for turn in example.turns
    )
    told = example.tell_time
    if told is None and not example.timeless and rng.random() < _TIMED:
        told = some_time(rng).isoformat(timespec="minutes")
    return replace(example, turns=turns, templates=tuple(words.used), persona=scene.persona, tell_time=told)


def some_time(rng: random.Random) -> datetime:
    """Return some minute of some years, by the clock on the wall."""
    return _FIRST_DAY + timedelta(days=rng.randrange(_DAYS), minutes=rng.randrange(24 * 60))
