"""A dozen simulated devices in four areas, and the services that change them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_PERCENT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 100}
_TEMPERATURE: dict[str, Any] = {"type": "integer", "minimum": 5, "maximum": 30}


@dataclass
class Device:
    """A simulated entity.

    Attributes:
        entity_id: as Home Assistant has it.
        name: as people say it.
        area: the room.
        state: as Home Assistant has it.
        attribute: what stands beside the state, such as `40%`.
    """

    entity_id: str
    name: str
    area: str
    state: str
    attribute: str = ""

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]

    @property
    def shown_state(self) -> str:
        """State and attribute, as the model and people see them."""
        return f"{self.state};{self.attribute}" if self.attribute else self.state


Change = Callable[[Device, dict[str, Any]], None]


@dataclass(frozen=True)
class Service:
    """What a service does to a device.

    Attributes:
        change: changes the device.
        parameters: JSON schemas of what it takes beside the entity.
        required: those of the parameters that must be given.
    """

    change: Change
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()


def _become(state: str, *, keep_attribute: bool = False) -> Change:
    def change(device: Device, _arguments: dict[str, Any]) -> None:
        device.state = state
        if not keep_attribute:
            device.attribute = ""

    return change


def _light_on(device: Device, arguments: dict[str, Any]) -> None:
    device.state = "on"
    if "brightness" in arguments:
        device.attribute = f"{arguments['brightness']}%"


def _set_temperature(device: Device, arguments: dict[str, Any]) -> None:
    device.attribute = f"{arguments['temperature']}C"


SERVICES: dict[str, Service] = {
    "climate.set_temperature": Service(_set_temperature, {"temperature": _TEMPERATURE}, ("temperature",)),
    "cover.open_cover": Service(_become("open")),
    "cover.close_cover": Service(_become("closed")),
    "fan.turn_on": Service(_become("on")),
    "fan.turn_off": Service(_become("off")),
    "light.turn_on": Service(_light_on, {"brightness": _PERCENT}),
    "light.turn_off": Service(_become("off")),
    "lock.lock": Service(_become("locked")),
    "lock.unlock": Service(_become("unlocked")),
    "media_player.turn_on": Service(_become("on")),
    "media_player.turn_off": Service(_become("off")),
    "switch.turn_on": Service(_become("on")),
    "switch.turn_off": Service(_become("off")),
    "vacuum.start": Service(_become("cleaning")),
    "vacuum.return_to_base": Service(_become("returning")),
}


class UnknownActionError(ValueError):
    """There is no such service, or no such device for it."""


class House:
    """The devices, by entity id."""

    def __init__(self) -> None:
        devices = (
            Device("climate.hall_thermostat", "Hall Thermostat", "Hall", "heat", "20C"),
            Device("cover.bedroom_blind", "Bedroom Blind", "Bedroom", "closed"),
            Device("fan.bedroom_fan", "Bedroom Fan", "Bedroom", "off"),
            Device("light.bedroom_lamp", "Bedroom Lamp", "Bedroom", "off"),
            Device("light.hall_light", "Hall Light", "Hall", "on"),
            Device("light.kitchen_light", "Kitchen Light", "Kitchen", "off"),
            Device("light.living_room_lamp", "Living Room Lamp", "Living Room", "on"),
            Device("lock.front_door", "Front Door", "Hall", "locked"),
            Device("media_player.living_room_tv", "Living Room TV", "Living Room", "off"),
            Device("sensor.kitchen_temperature", "Kitchen Temperature", "Kitchen", "21.5C"),
            Device("switch.coffee_maker", "Coffee Maker", "Kitchen", "off"),
            Device("vacuum.hoover", "Hoover", "Living Room", "docked"),
        )
        self.devices = {device.entity_id: device for device in devices}

    def services(self) -> dict[str, list[Device]]:
        """Return the services that some device takes, with those devices."""
        result: dict[str, list[Device]] = {}
        for name in SERVICES:
            domain = name.partition(".")[0]
            devices = [device for device in self.devices.values() if device.domain == domain]
            if devices:
                result[name] = devices
        return result

    def call(self, service: str, entity_id: str, arguments: dict[str, Any]) -> None:
        """Do what a service does to a device.

        Raises:
            UnknownActionError: the house cannot do that.
        """
        device = self.devices.get(entity_id)
        if device is None or device not in self.services().get(service, ()):
            raise UnknownActionError(f"{service} cannot be done with {entity_id}")
        SERVICES[service].change(device, arguments)
