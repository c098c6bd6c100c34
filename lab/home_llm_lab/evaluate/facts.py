"""What a prompt tells of the house: devices with their states, areas and floors. Enough to tell what a call means."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_DEVICE = re.compile(r"([a-z_]+\.[A-Za-z0-9_]+) '([^']*)'(?: = (.*))?")
_GROUP = re.compile(r"((?:area|floor)\.[a-z0-9_]+)(?: '([^']*)')?(?: \(([^)]*)\))?")
ALL = "all"


@dataclass(frozen=True, slots=True)
class Told:
    """A device as the prompt tells it.

    Attributes:
        entity_id: its id.
        names: what it is called.
        state: as it stands there, empty where it has none.
        groups: its area and its floor, as calls name them.
    """

    entity_id: str
    names: tuple[str, ...]
    state: str
    groups: tuple[str, ...]

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Facts:
    """A house as the prompt tells it.

    Attributes:
        devices: by entity id.
        groups: what the areas and floors are called, by their ids in calls.
    """

    devices: Mapping[str, Told]
    groups: Mapping[str, tuple[str, ...]]

    def inside(self, target: str) -> list[Told]:
        """Return the devices of an area, of a floor, of all, or the one device."""
        if target in self.devices:
            return [self.devices[target]]
        return [device for device in self.devices.values() if target == ALL or target in device.groups]


def read_facts(system: str, where: Mapping[str, Sequence[str]] | None = None) -> Facts:
    """Return what a system prompt tells.

    An area is not told of a device whose name holds the area's: it is then found by the name, the longest one first.

    Args:
        system: the prompt.
        where: areas and floors by entity id, for what is known better.
    """
    return _read(system, tuple((entity, tuple(groups)) for entity, groups in (where or {}).items()))


@functools.lru_cache(maxsize=16)
def _read(system: str, where: tuple[tuple[str, tuple[str, ...]], ...]) -> Facts:
    areas: dict[str, tuple[str, ...]] = {}
    floors: dict[str, tuple[str, ...]] = {}
    inside: dict[str, list[str]] = {}
    lines = system.splitlines()
    for line in lines:
        kind, _, rest = line.partition(": ")
        if kind in ("Areas", "Floors"):
            for found in _GROUP.finditer(rest):
                target, names, members = found.groups()
                if members is None and target.startswith("area.") and kind == "Floors":
                    continue
                plain = target.partition(".")[2].replace("_", " ")
                called = (*(name.strip() for name in (names or "").split(", ") if name.strip()), plain)
                (areas if target.startswith("area.") else floors)[target] = called
                for member in filter(None, (members or "").split(", ")):
                    inside.setdefault(member, []).append(target)
    known = dict(where)
    devices = {}
    for line in lines:
        if told := _DEVICE.fullmatch(line):
            device = _device(told, areas, inside, known)
            devices[device.entity_id] = device
    return Facts(devices, {**areas, **floors})


def _device(
    found: re.Match[str],
    areas: Mapping[str, tuple[str, ...]],
    inside: Mapping[str, Sequence[str]],
    known: Mapping[str, tuple[str, ...]],
) -> Told:
    entity_id, name, rest = found[1], found[2], found[3] or ""
    parts = rest.split(";")
    named = next((part.removeprefix("area=") for part in parts if part.startswith("area=")), None)
    names = tuple(part.strip() for part in name.split(", "))
    groups = known.get(entity_id)
    if groups is None:
        area = _area(areas, lambda called: called == named.casefold()) if named is not None else None
        if area is None and named is None:
            area = _area(areas, lambda called: called in names[0].casefold())
        groups = (area, *inside.get(area, ())) if area else ()
    state = "" if "=" in parts[0] else parts[0]
    return Told(entity_id, names, state, groups)


def _area(areas: Mapping[str, tuple[str, ...]], fits: Callable[[str], bool]) -> str | None:
    found = [(len(called), target) for target, names in areas.items() for called in names if fits(called.casefold())]
    return max(found)[1] if found else None


def names_in(text: str, facts: Facts) -> set[str]:
    """Return the entity ids of the devices that a text names, the longest names first."""
    rest = text.casefold()
    found: set[str] = set()
    for length, name, entity_id in sorted(_all_names(facts.devices.values()), reverse=True):
        if length and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", rest):
            found.add(entity_id)
            rest = rest.replace(name, " ")
    return found


def _all_names(devices: Iterable[Told]) -> list[tuple[int, str, str]]:
    return [(len(name), name.casefold(), device.entity_id) for device in devices for name in device.names]
