"""What an assistant may know of and act on: the exposed entities with their names, areas and floors."""

import re

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.core import HomeAssistant, State, callback
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

from .service_types import Device, Group

AREA = "area"
FLOOR = "floor"

# What a call can hold; Home Assistant makes no other ids.
_ID = re.compile(r"[a-z0-9_]+")


@callback
def async_exposed_devices(hass: HomeAssistant, assistant: str) -> list[Device]:
    """Return the entities exposed to an assistant, sorted by entity id."""
    return [
        async_device(hass, state)
        for state in sorted(hass.states.async_all(), key=lambda state: state.entity_id)
        if async_should_expose(hass, assistant, state.entity_id)
    ]


@callback
def async_exposed_device(hass: HomeAssistant, assistant: str, entity_id: str) -> Device | None:
    """Return an entity, or None where it does not exist or is kept from the assistant: both sound the same."""
    state = hass.states.get(entity_id)
    if state is None or not async_should_expose(hass, assistant, state.entity_id):
        return None
    return async_device(hass, state)


@callback
def async_device(hass: HomeAssistant, state: State) -> Device:
    """Return an entity with the names that it goes by, the first one foremost, and where it is."""
    entry = er.async_get(hass).async_get(state.entity_id)
    names = tuple(name for name in intent.async_get_entity_aliases(hass, entry, state=state) if name)
    area = _area(hass, entry)
    return Device(
        entity_id=state.entity_id,
        name=names[0] if names else state.name,
        state=state.state,
        attributes=state.attributes,
        area=area.name if area else None,
        names=names or (state.name,),
        groups=_groups(hass, area) if area else (),
    )


def _area(hass: HomeAssistant, entry: er.RegistryEntry | None) -> ar.AreaEntry | None:
    """Return the area of an entity, or of its device."""
    if entry is None:
        return None
    area_id = entry.area_id
    device = dr.async_get(hass).async_get(entry.device_id) if entry.device_id else None
    if area_id is None and device is not None:
        area_id = dr.async_get_effective_area_id(hass, device)
    return ar.async_get(hass).async_get_area(area_id) if area_id else None


def _groups(hass: HomeAssistant, area: ar.AreaEntry) -> tuple[Group, ...]:
    """Return an area, and its floor if it is on one."""
    groups: list[Group] = []
    if _ID.fullmatch(area.id):
        groups.append(Group(f"{AREA}.{area.id}", (area.name, *sorted(area.aliases))))
    floor = fr.async_get(hass).async_get_floor(area.floor_id) if area.floor_id else None
    if floor is not None and _ID.fullmatch(floor.floor_id):
        groups.append(Group(f"{FLOOR}.{floor.floor_id}", (floor.name, *sorted(floor.aliases))))
    return tuple(groups)
