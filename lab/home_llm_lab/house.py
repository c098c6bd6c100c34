"""A house as the lab thinks of it: floors, areas and devices with their names and states.

Everything else is made from it: the house in a real Home Assistant, the commands that are said in it, and what should
come of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Devices that the house has and the assistant must not know of are here too.
ON_OFF_DOMAINS = frozenset({"light", "switch", "input_boolean", "fan", "media_player", "humidifier"})


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor with what people call it."""

    floor_id: str
    name: str
    aliases: tuple[str, ...] = ()
    # What it is, whatever the language: ground, upper, basement, attic, outside.
    kind: str = "ground"

    @property
    def target(self) -> str:
        """Return how calls name it."""
        return f"floor.{self.floor_id}"


@dataclass(frozen=True, slots=True)
class Area:
    """An area with what people call it."""

    area_id: str
    name: str
    aliases: tuple[str, ...] = ()
    floor_id: str | None = None
    # What it is, whatever the language: kitchen, bedroom, garden...
    kind: str = ""

    @property
    def target(self) -> str:
        """Return how calls name it."""
        return f"area.{self.area_id}"


@dataclass(frozen=True, slots=True)
class Thing:
    """An entity.

    Attributes:
        entity_id: as Home Assistant has it.
        name: the friendly name, the first thing that people call it.
        kind: what it is, whatever the language: a key of the vocabulary such as ceiling_light, blind, garage_door.
        area_id: where it stands, None where nobody said.
        state: as Home Assistant reports it.
        attributes: as Home Assistant reports them, capabilities included (supported_features, supported_color_modes,
            device_class, unit_of_measurement, hvac_modes, min_temp, source_list...).
        aliases: what else people call it.
        exposed: whether the assistant may know of it.
    """

    entity_id: str
    name: str
    kind: str
    area_id: str | None
    state: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    exposed: bool = True

    @property
    def domain(self) -> str:
        """Return the part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Return everything that it is called."""
        return (self.name, *self.aliases)

    @property
    def device_class(self) -> str | None:
        """Return what kind of its domain Home Assistant takes it for."""
        return self.attributes.get("device_class")

    @property
    def features(self) -> int:
        """Return Home Assistant's supported_features."""
        return int(self.attributes.get("supported_features", 0))

    @property
    def color_modes(self) -> tuple[str, ...]:
        """Return the colour modes of a light."""
        return tuple(self.attributes.get("supported_color_modes", ()))


@dataclass(frozen=True, slots=True)
class House:
    """A house with everything in it, in one moment.

    Attributes:
        seed: what it was made from; houses of other seeds differ.
        language: of its names and its people, as en, de, fr, es, pl.
        metric: whether degrees are Celsius.
        timers: whether the satellites of the house have timers: assist.start_timer and the like are offered then.
    """

    seed: int
    language: str
    floors: tuple[Floor, ...]
    areas: tuple[Area, ...]
    things: tuple[Thing, ...]
    metric: bool = True
    timers: bool = False
    # What is asked for all the time, found once.
    _exposed: tuple[Thing, ...] = field(init=False, repr=False, compare=False)
    _areas: Mapping[str | None, Area] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find what is asked for all the time."""
        object.__setattr__(self, "_exposed", tuple(thing for thing in self.things if thing.exposed))
        object.__setattr__(self, "_areas", {area.area_id: area for area in self.areas})

    @property
    def exposed(self) -> tuple[Thing, ...]:
        """Return what the assistant may know of."""
        return self._exposed

    def thing(self, entity_id: str) -> Thing:
        """Return a device.

        Raises:
            KeyError: there is none with this id.
        """
        for thing in self.things:
            if thing.entity_id == entity_id:
                return thing
        raise KeyError(entity_id)

    def area(self, area_id: str | None) -> Area | None:
        """Return an area by its id."""
        return self._areas.get(area_id)

    def floor(self, floor_id: str | None) -> Floor | None:
        """Return a floor by its id."""
        return next((floor for floor in self.floors if floor.floor_id == floor_id), None)

    def floor_of(self, thing: Thing) -> Floor | None:
        """Return the floor that a device is on."""
        area = self.area(thing.area_id)
        return self.floor(area.floor_id) if area else None

    def on_floor(self, floor_id: str) -> Iterator[Area]:
        """Yield the areas of a floor."""
        yield from (area for area in self.areas if area.floor_id == floor_id)

    def inside(self, target: str, *domains: str) -> list[Thing]:
        """Return the exposed devices in an area, on a floor or in all, as calls name them, of some domains or any."""
        kind, _, name = target.partition(".")
        found = []
        for thing in self._exposed:
            if domains and thing.domain not in domains:
                continue
            area = self._areas.get(thing.area_id)
            if (
                target == "all"
                or (kind == "area" and thing.area_id == name)
                or (kind == "floor" and area is not None and area.floor_id == name)
            ):
                found.append(thing)
        return found
