"""What all virtual devices have in common: they take their state from a thing, remember, and can be put back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity import Entity

from home_llm_lab.house import Thing


class Remembering(Entity):
    """An entity that is what its thing says, until it is told something else."""

    _attr_should_poll = False
    # Attributes of a thing that Home Assistant's entity class has under the same name, or under another.
    _same: ClassVar[tuple[str, ...]] = ()
    _other: ClassVar[Mapping[str, str]] = {}

    def __init__(self, thing: Thing) -> None:
        """Begin as the thing is."""
        self.entity_id = thing.entity_id
        self._attr_unique_id = thing.entity_id
        self._attr_name = thing.name
        self.thing = thing
        self.touched = False
        # What it fails with, whatever it is told.
        self.fault: str | None = None
        self.take(thing)

    def become(self, thing: Thing) -> None:
        """Be as a thing is, and tell it."""
        self.thing = thing
        self.take(thing)
        self.touched = False
        self.async_write_ha_state()

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        attributes = thing.attributes
        self._attr_available = thing.state != STATE_UNAVAILABLE
        if "device_class" in attributes:
            self._attr_device_class = attributes["device_class"]
        if "supported_features" in attributes:
            self._attr_supported_features = self.features(attributes["supported_features"])
        if "unit_of_measurement" in attributes:
            self._attr_unit_of_measurement = attributes["unit_of_measurement"]
        for name in self._same:
            setattr(self, f"_attr_{name}", attributes.get(name))
        for name, own in self._other.items():
            setattr(self, f"_attr_{own}", attributes.get(name))

    def features(self, bits: int) -> int:
        """Return the supported features as the entity class has them."""
        return bits

    def keep(self, **state: Any) -> None:
        """Remember something new, and tell it.

        Raises:
            HomeAssistantError: the device is broken.
        """
        self.touched = True
        if self.fault is not None:
            raise HomeAssistantError(self.fault)
        for name, value in state.items():
            setattr(self, f"_attr_{name}", value)
        self.async_write_ha_state()


class Teller(Remembering):
    """An entity that can only tell: sensors, people, the weather."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing, just as they are."""
        self._attr_available = thing.state != STATE_UNAVAILABLE
        self._attr_state = thing.state
        own = ("device_class", "supported_features", "unit_of_measurement")
        for name in own:
            setattr(self, f"_attr_{name}", thing.attributes.get(name))
        self._attr_extra_state_attributes = _without(thing.attributes, own)


class Helper(Remembering):
    """An entity of Home Assistant itself, whose state is one word."""

    # Attributes of a thing that are not reported.
    _inner: ClassVar[tuple[str, ...]] = ()

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_state = thing.state
        self._attr_extra_state_attributes = _without(
            thing.attributes, ("device_class", "supported_features", "unit_of_measurement", *self._inner)
        )

    def keep(self, **state: Any) -> None:
        """Remember a state, and attributes beside it."""
        self._attr_extra_state_attributes = {
            **self._attr_extra_state_attributes,
            **{name: value for name, value in state.items() if name != "state"},
        }
        super().keep(**{name: value for name, value in state.items() if name == "state"})


def _without(attributes: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in names}
