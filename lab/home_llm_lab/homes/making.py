"""Make a house: its floors, its rooms, and what stands in them."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from home_llm_lab.house import Area, Floor, House, Thing

from .capabilities import DOMAINS, Maker, capabilities
from .naming import Namer, slug
from .rooms import FLOOR_OF_ROOM, HOUSE_THINGS, ROOMS, SEVERAL, THINGS
from .states import Moment, draw_state
from .vocabulary import Vocabulary, load_vocabulary

LARGEST = 150
_HIDDEN = 0.08
_ALIASED = 0.25
# How many houses are plain: few rooms with few things, called after them and nothing else.
_PLAIN = 0.14
# What stands in them, with how common it is, and how many things there are at most without areas.
_PLAIN_THINGS = {
    "ceiling_light": 3, "lamp": 3, "plug": 3, "thermostat": 3, "tv": 3, "speaker": 2, "blind": 3, "shutter": 1,
    "curtain": 1, "door_lock": 2, "fan": 2, "temperature_sensor": 2, "window_sensor": 1, "coffee_maker": 1,
    "heater_switch": 1, "door_sensor": 1, "humidity_sensor": 1,
}  # fmt: skip
_PLAIN_HOUSE = {"alarm": 1, "vacuum": 2, "garage_door": 1, "weather": 1, "person": 2, "scene": 1, "water_heater": 0.5}
# How often the name of a thing has the room in it where its area does not tell.
_TOLD = 0.9
# What may be hidden for a while: what can be told to do something.
_HIDEABLE = frozenset({"light", "switch", "fan", "cover", "lock", "climate", "media_player", "humidifier", "vacuum",
                       "lawn_mower", "alarm_control_panel", "valve", "siren", "scene", "script"})  # fmt: skip
# What is called after nothing in its room, with the list that its names stand in.
_LISTED = {"scene": "scenes", "script": "scripts", "todo": "lists", "timer": "timers", "input_boolean": "booleans",
           "button": "buttons", "input_button": "buttons", "person": "people"}  # fmt: skip


def make_house(seed: int, language: str, *, held_out: bool = False) -> House:
    """Return the house of a seed, the same every time.

    Args:
        seed: any number.
        language: of its names, as en.
        held_out: whether it is for tests: its devices have names that no other house has.

    Raises:
        VocabularyError: there are no words in this language.
    """
    builder = _PlainBuilder if is_plain(seed) else _Builder
    return builder(seed, language, held_out=held_out).build()


def is_plain(seed: int) -> bool:
    """Return whether the house of a seed is a plain one: few things, one floor or none, few areas or none."""
    return random.Random(f"plain/{seed}").random() < _PLAIN


def hide(house: House, rng: random.Random) -> House:
    """Return the same house with a few more devices that the assistant may not know of."""
    shown = [thing for thing in house.things if thing.exposed and thing.domain in _HIDEABLE]
    most = min(5, len(house.exposed) // 4, len(shown))
    hidden = {thing.entity_id for thing in rng.sample(shown, rng.randint(1, most))} if most else set()
    return replace(
        house,
        things=tuple(replace(thing, exposed=False) if thing.entity_id in hidden else thing for thing in house.things),
    )


def restate(house: House, rng: random.Random) -> House:
    """Return the same house in another moment: everything but its states stays."""
    moment = Moment(rng, load_vocabulary(house.language), metric=house.metric)
    return replace(house, things=tuple(_in_state(thing, moment) for thing in house.things))


def _in_state(thing: Thing, moment: Moment) -> Thing:
    state, attributes = draw_state(thing, moment)
    return replace(thing, state=state, attributes=attributes)


@dataclass(frozen=True, slots=True)
class _Room:
    """A place for things."""

    kind: str
    area_id: str | None
    name: str | None


class _Builder:
    """The house of a seed while it is made."""

    def __init__(self, seed: int, language: str, *, held_out: bool) -> None:
        self.seed = seed
        self.language = language
        self.held_out = held_out
        self.rng = rng = random.Random(f"{seed}/{language}/{held_out}")
        self.words: Vocabulary = load_vocabulary(language)
        self.metric = language != "en" or rng.random() < 0.8
        self.namer = Namer(self.words, rng, held_out)
        self.maker = Maker(rng, self.words, self.metric)
        # How often nobody said in which area a thing is.
        self.forgotten = rng.choices((0.01, 0.12, 0.5), (0.7, 0.22, 0.08))[0]
        self.areas: list[Area] = []
        self.things: list[Thing] = []

    def build(self) -> House:
        """Return the house."""
        rng = self.rng
        size = min(LARGEST, max(5, int(rng.lognormvariate(math.log(24), 0.55))))
        rooms = min(14, max(2, round(size / rng.uniform(2.5, 5.5))))
        floors = self._floors(rooms)
        self._rooms(rooms, floors)
        self._house_things(max(1, size // 4))
        self._fill(size)
        house = House(
            self.seed,
            self.language,
            tuple(floors),
            tuple(self.areas),
            tuple(sorted(self.things, key=lambda thing: thing.entity_id)),
            self.metric,
            timers=rng.random() < 0.4,
        )
        return restate(house, rng)

    def _floors(self, rooms: int) -> list[Floor]:
        """Return the floors, none where nobody entered any or where there is one only."""
        rng = self.rng
        if rng.random() < 0.3 or rooms < 3:
            return []
        kinds = ["ground"]
        for kind, chance in (("upper", 0.75), ("basement", 0.3), ("attic", 0.2), ("outside", 0.2)):
            if len(kinds) < rooms // 2 and rng.random() < chance:
                kinds.append(kind)
        floors: list[Floor] = []
        taken: set[str] = set()
        for kind in kinds:
            name = self._unused(taken, "floors", kind)
            aliases = self._aliases(taken, kind) if rng.random() < 0.25 else ()
            floors.append(Floor(self._id(name, {floor.floor_id for floor in floors}), name, aliases, kind))
        return floors

    def _rooms(self, count: int, floors: list[Floor]) -> None:
        """Add the areas."""
        rng = self.rng
        # Each kind of room as often as a house may have it, the likely ones first.
        wanted = [
            (rng.random() ** (1 / chance) / (1 + 0.35 * copy), kind)
            for kind, chance, most in ROOMS
            for copy in range(most)
        ]
        taken: set[str] = {name.casefold() for floor in floors for name in (floor.name, *floor.aliases)}
        for _, kind in sorted(wanted, reverse=True)[:count]:
            name = self._unused(taken, "rooms", kind)
            aliases = self._aliases(taken, kind) if rng.random() < 0.15 else ()
            area_id = self._id(name, {area.area_id for area in self.areas})
            self.areas.append(Area(area_id, name, aliases, self._floor(kind, floors), kind))

    def _floor(self, kind: str, floors: list[Floor]) -> str | None:
        """Return the floor of a room; a few were forgotten."""
        if not floors or self.rng.random() < 0.04:
            return None
        by_kind = {floor.kind: floor.floor_id for floor in floors}
        usual = [by_kind[floor] for floor in FLOOR_OF_ROOM.get(kind, ()) if floor in by_kind]
        inside = [floor.floor_id for floor in floors if floor.kind != "outside"]
        return self.rng.choice(usual or inside)

    def _house_things(self, most: int) -> None:
        """Add what belongs to the whole house."""
        rng = self.rng
        added = 0
        for kind, chance, count in sorted(HOUSE_THINGS, key=lambda _: rng.random()):
            for _ in range(rng.randint(1, count) if rng.random() < chance else 0):
                # Some gave it an area all the same.
                halls = [area for area in self.areas if area.kind in ("hallway", "living_room")]
                area = (
                    rng.choice(halls) if halls and kind in ("alarm", "vacuum", "siren") and rng.random() < 0.5 else None
                )
                if added < most and self._add(
                    kind, _Room("", area.area_id if area else None, area.name if area else None)
                ):
                    added += 1

    def _fill(self, size: int) -> None:
        """Put things into the rooms until there are enough, or nothing more fits."""
        rng = self.rng
        counts: Counter[tuple[str | None, str]] = Counter()
        # Rooms have many things, or few.
        weight = {area.area_id: rng.uniform(0.4, 1.6) for area in self.areas}
        for _ in range(size * 6):
            if len(self.things) >= size:
                return
            area = rng.choices(self.areas, [weight[area.area_id] for area in self.areas])[0]
            kinds = THINGS[area.kind]
            kind = rng.choices(list(kinds), list(kinds.values()))[0]
            key = (area.area_id, kind)
            # Where somebody has one socket, there are often more.
            if counts[key] < SEVERAL.get(kind, 1) and self._add(kind, _Room(area.kind, area.area_id, area.name)):
                counts[key] += 1

    def _add(self, kind: str, room: _Room) -> bool:
        """Add a thing, unless no name is left for it."""
        rng, domain = self.rng, DOMAINS[kind]
        if room.area_id and rng.random() < self.forgotten:
            room = _Room(room.kind, None, room.name)
        named = self._name(kind, room)
        if named is None:
            return False
        name, attributes = named
        attributes = {**capabilities(kind, self.maker), **attributes}
        aliases: tuple[str, ...] = ()
        if rng.random() < _ALIASED and kind not in _LISTED and self.words.list("things", kind) and kind != "sun":
            aliases = self.namer.aliases(kind, room.area_id, room.name)
        entity_id = "sun.sun" if kind == "sun" else self.namer.entity_id(domain, name, room.name)
        exposed = rng.random() >= _HIDDEN
        self.things.append(Thing(entity_id, name, kind, room.area_id, "unknown", attributes, aliases, exposed))
        return True

    def _name(self, kind: str, room: _Room) -> tuple[str, dict[str, Any]] | None:
        """Return a name, and the attributes that come with it."""
        rng, rooms = self.rng, [area.name for area in self.areas]
        if kind in ("number", "input_number"):
            which, (unit, low, high, step) = rng.choice(sorted(_NUMBERS.items()))
            name = self.namer.listed("numbers", which, area_id=room.area_id, rooms=rooms)
            if name is None:
                return None
            if which == "temperature":
                unit, low, high = self.maker.unit, self.maker.degrees(low), self.maker.degrees(high)
            return name, {
                "min": low, "max": high, "step": step, "mode": "slider", "unit_of_measurement": unit,
            }  # fmt: skip
        if kind in ("select", "input_select"):
            chosen = rng.choice(self.words.list("selects"))
            name = self.namer.among(chosen["names"], room.area_id, rooms)
            return (name, {"options": list(map(str, chosen["options"]))}) if name else None
        if kind in _LISTED:
            listed = self.namer.listed(_LISTED[kind], area_id=room.area_id, rooms=rooms)
            return (listed, {}) if listed else None
        if kind == "sun":
            return str((self.words.list("things", "sun") or ["Sun"])[0]), {}
        # Where no area is given, the name tells the room.
        placed = _TOLD if room.kind and room.area_id is None else None
        return self.namer.name(kind, room.area_id, room.name, placed=placed), {}

    def _unused(self, taken: set[str], group: str, kind: str) -> str:
        """Return a name of a floor or a room that is not taken."""
        for _ in range(30):
            name = self.words.pick(self.rng, group, kind, held_out=self.held_out) or kind.replace("_", " ").capitalize()
            person = self.words.pick(self.rng, self.words.owners, held_out=self.held_out) or "Anna"
            name = name.replace("{person}", person)
            if name.casefold() not in taken:
                break
        else:
            name = next(f"{name} {number}" for number in range(2, 99) if f"{name} {number}".casefold() not in taken)
        taken.add(name.casefold())
        return name

    def _aliases(self, taken: set[str], kind: str) -> tuple[str, ...]:
        alias = self.words.pick(self.rng, "aliases", kind, held_out=self.held_out)
        if alias is None or alias.casefold() in taken:
            return ()
        taken.add(alias.casefold())
        return (alias,)

    def _id(self, name: str, taken: set[str]) -> str:
        """Return an id made from a name; a few were made from one that it had before."""
        base = slug(name) or "area"
        if self.rng.random() < 0.04:
            base = self.rng.choice(("room_1", "new_area", "area_2", f"{base}_old", "zone_3"))
        return next(
            found for number in range(1, 99) if (found := base if number == 1 else f"{base}_{number}") not in taken
        )


class _PlainBuilder(_Builder):
    """A house of somebody who has just begun: mostly one lamp a room, plain names, no floors, often no areas."""

    def build(self) -> House:
        """Return the house."""
        rng = self.rng
        self.namer.plain = True
        self.forgotten = rng.choice((0.0, 0.0, 1.0))
        size = rng.randint(3, 12)
        self._rooms(rng.randint(1, min(5, size)), [])
        for kind, weight in _PLAIN_HOUSE.items():
            if len(self.things) < size // 3 and rng.random() < weight / 6:
                self._add(kind, _Room("", None, None))
        taken: set[tuple[str | None, str]] = set()
        for area in self.areas:
            # Light is what people begin with.
            kind = rng.choice(("ceiling_light", "ceiling_light", "lamp"))
            if rng.random() < 0.8 and self._add(kind, _Room(area.kind, area.area_id, area.name)):
                taken.add((area.area_id, DOMAINS[kind]))
        for _ in range(size * 6):
            if len(self.things) >= size:
                break
            area = rng.choice(self.areas)
            kind = rng.choices(list(_PLAIN_THINGS), list(_PLAIN_THINGS.values()))[0]
            domain = DOMAINS[kind]
            if ((area.area_id, domain) not in taken or rng.random() < 0.1) and self._add(
                kind, _Room(area.kind, area.area_id, area.name)
            ):
                taken.add((area.area_id, domain))
        areas = () if self.forgotten else tuple(self.areas)
        things = tuple(sorted(self.things, key=lambda thing: thing.entity_id))
        house = House(self.seed, self.language, (), areas, things, self.metric, timers=rng.random() < 0.3)
        return restate(house, rng)


# Unit, smallest, largest, step.
_NUMBERS: dict[str, tuple[str, float, float, float]] = {
    "percent": ("%", 0, 100, 5),
    "temperature": ("°C", 5, 30, 1),
    "minutes": ("min", 1, 60, 1),
    "count": ("", 0, 10, 1),
}
