"""What a house is like in a moment, and what is different in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from homeassistant.core import State

from .helpers import Todo
from .world import Residence

# What tells that a device has done something. Everything else follows from these.
TELLING = (
    "brightness", "color_mode", "color_temp_kelvin", "rgb_color", "percentage", "oscillating", "direction",
    "preset_mode", "current_position", "current_tilt_position", "temperature", "fan_mode", "operation_mode",
    "humidity", "mode", "volume_level", "is_volume_muted", "source", "media_track", "duration",
)  # fmt: skip
# These have no state but when they were last used, which is told as being activated.
ACTIVATED = frozenset({"scene", "script", "button", "input_button"})

Values: TypeAlias = Mapping[str, Any]
Snapshot: TypeAlias = Mapping[str, Values]


def snapshot(residence: Residence) -> Snapshot:
    """Return state and telling attributes of all entities of a house, exposed or not, by entity id."""
    return {entity_id: values_of(residence, entity_id) for entity_id in residence.entities}


class Watch:
    """Tells what changes in a house from a moment on.

    Home Assistant replaces the state of what changes, so that only these have to be looked at.
    """

    def __init__(self, residence: Residence) -> None:
        """Remember the states of now."""
        self._residence = residence
        self._before = {entity_id: _state(residence, entity_id) for entity_id in residence.entities}
        self._items = {
            entity_id: entity.items for entity_id, entity in residence.entities.items() if isinstance(entity, Todo)
        }

    def changes(self) -> dict[str, tuple[Values, Values]]:
        """Return what was and what is, of the entities of which anything telling is different."""
        found: dict[str, tuple[Values, Values]] = {}
        for entity_id, before in self._before.items():
            after = _state(self._residence, entity_id)
            entity = self._residence.entities[entity_id]
            items = entity.items if isinstance(entity, Todo) else None
            if after is before and items == self._items.get(entity_id):
                continue
            was, now = _telling(before), _telling(after)
            if after.domain in ACTIVATED:
                was, now = {}, {"state": "activated"}
            if items is not None:
                was, now = {**was, "items": self._items[entity_id]}, {**now, "items": items}
            if was != now:
                found[entity_id] = (was, now)
        return found


def values_of(residence: Residence, entity_id: str) -> Values:
    """Return state and telling attributes of an entity."""
    entity = residence.entities[entity_id]
    values = _telling(_state(residence, entity_id))
    return {**values, "items": entity.items} if isinstance(entity, Todo) else values


def _telling(state: State) -> Values:
    found = {name: value for name in TELLING if (value := state.attributes.get(name)) is not None}
    return {"state": state.state, **found}


def _state(residence: Residence, entity_id: str) -> State:
    state = residence.hass.states.get(entity_id)
    if state is None:
        raise RuntimeError(f"{entity_id} is gone")
    return state
