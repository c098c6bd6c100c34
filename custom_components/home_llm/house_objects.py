"""The house as a template sees it: devices, areas and floors as plain objects, with names that are only data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    area_registry as ar,
)
from homeassistant.helpers import (
    device_registry as dr,
)
from homeassistant.helpers import (
    entity_registry as er,
)
from homeassistant.helpers import (
    floor_registry as fr,
)
from homeassistant.helpers import (
    intent,
)

from .home_format import clean, render_device

if TYPE_CHECKING:
    from .service_catalogue import Device


@dataclass(frozen=True, slots=True)
class PromptFloor:
    """A floor with its names."""

    floor_id: str
    name: str
    aliases: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the name, for templates that join floors."""
        return self.name


@dataclass(frozen=True, slots=True)
class PromptArea:
    """An area with its names and its floor."""

    area_id: str
    name: str
    aliases: list[str] = field(default_factory=list)
    floor: PromptFloor | None = None

    def __str__(self) -> str:
        """Return the name, for templates that join areas."""
        return self.name


@dataclass(frozen=True, slots=True)
class PromptDevice:
    """One exposed entity, as its line in the prompt has it."""

    entity_id: str
    name: str
    state: str
    # What else its line tells, such as brightness=40.
    attributes: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    area: PromptArea | None = None

    @property
    def domain(self) -> str:
        """Return the part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]

    @property
    def floor(self) -> PromptFloor | None:
        """Return the floor of its area."""
        return self.area.floor if self.area else None

    @property
    def area_id(self) -> str | None:
        """Return the id of its area."""
        return self.area.area_id if self.area else None

    @property
    def area_name(self) -> str | None:
        """Return the name of its area."""
        return self.area.name if self.area else None


@callback
def async_prompt_devices(hass: HomeAssistant, devices: Iterable[Device]) -> list[PromptDevice]:
    """Return devices with everything that a template may want to know of them."""
    entities = er.async_get(hass)
    found: list[PromptDevice] = []
    for device in devices:
        entry = entities.async_get(device.entity_id)
        # Told as the line tells them, so that a template speaks the units of the services. No name holds a quote.
        state, *attributes = render_device(replace(device, area=None)).partition("' = ")[2].split(";")
        found.append(
            PromptDevice(
                entity_id=device.entity_id,
                name=clean(device.name),
                state=state,
                attributes=attributes,
                aliases=_aliases(hass, entry, device.name),
                area=_area(hass, _area_id(hass, entry)),
            )
        )
    return found


@callback
def async_area_of(hass: HomeAssistant, device_id: str | None) -> PromptArea | None:
    """Return the area of a device of the device registry, such as the satellite that heard a command."""
    device = dr.async_get(hass).async_get(device_id) if device_id else None
    return _area(hass, dr.async_get_effective_area_id(hass, device)) if device else None


def areas_of(devices: Iterable[PromptDevice]) -> list[PromptArea]:
    """Return the areas in which there are devices, by name."""
    areas = {device.area.area_id: device.area for device in devices if device.area}
    return sorted(areas.values(), key=lambda area: (area.name.casefold(), area.area_id))


def floors_of(areas: Iterable[PromptArea]) -> list[PromptFloor]:
    """Return the floors on which areas are, by name."""
    floors = {area.floor.floor_id: area.floor for area in areas if area.floor}
    return sorted(floors.values(), key=lambda floor: (floor.name.casefold(), floor.floor_id))


def _aliases(hass: HomeAssistant, entry: er.RegistryEntry | None, name: str) -> list[str]:
    """Return the other names of an entity."""
    state = hass.states.get(entry.entity_id) if entry else None
    if entry is None or state is None:
        return []
    names = intent.async_get_entity_aliases(hass, entry, state=state)
    return [clean(alias) for alias in names if alias and alias != name]


def _area_id(hass: HomeAssistant, entry: er.RegistryEntry | None) -> str | None:
    """Return the area of an entity, or of its device."""
    if entry is None or entry.area_id:
        return entry.area_id if entry else None
    device = dr.async_get(hass).async_get(entry.device_id) if entry.device_id else None
    return dr.async_get_effective_area_id(hass, device) if device else None


def _area(hass: HomeAssistant, area_id: str | None) -> PromptArea | None:
    """Return an area by its id."""
    area = ar.async_get(hass).async_get_area(area_id) if area_id else None
    if area is None:
        return None
    entry = fr.async_get(hass).async_get_floor(area.floor_id) if area.floor_id else None
    floor = PromptFloor(entry.floor_id, clean(entry.name), sorted(map(clean, entry.aliases))) if entry else None
    return PromptArea(area.id, clean(area.name), sorted(map(clean, area.aliases)), floor)
