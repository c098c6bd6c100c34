"""A dozen simulated devices in five areas on two floors, and the services that change them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

# The target that stands for the whole house, and the argument that leaves something out of a group.
ALL = "all"
EXCEPT = "except"

_PERCENT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 100}
_STEP: dict[str, Any] = {"type": "integer", "minimum": -100, "maximum": 100}
_TEMPERATURE: dict[str, Any] = {"type": "integer", "minimum": 5, "maximum": 30}

# Each floor with its areas.
FLOORS = {"Downstairs": ("Hall", "Kitchen", "Living Room"), "Upstairs": ("Bathroom", "Bedroom")}


@dataclass
class Device:
    """A simulated entity.

    Attributes:
        entity_id: as Home Assistant has it.
        name: as people say it.
        area: the room.
        state: as Home Assistant has it.
        attributes: what stands beside the state, named as the arguments of the services are.
    """

    entity_id: str
    name: str
    area: str
    state: str
    attributes: dict[str, int] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """The part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]

    @property
    def groups(self) -> tuple[str, ...]:
        """Its area, its floor and the whole house, as calls name them."""
        floor = next(floor for floor, areas in FLOORS.items() if self.area in areas)
        return target("area", self.area), target("floor", floor), ALL

    @property
    def shown_state(self) -> str:
        """State and attributes, as the model and people see them."""
        return ";".join([self.state, *(f"{name}={value}" for name, value in self.attributes.items())])


Change = Callable[[Device, dict[str, Any]], None]


@dataclass(frozen=True)
class Service:
    """What a service does to a device.

    Attributes:
        change: changes the device.
        parameters: JSON schemas of what it takes beside the target.
        required: those of the parameters that must be given.
        domains: the domains of its devices; empty for the one that it is named after.
        groups: whether it can be called on areas, floors and the whole house; with several domains, only on these.
    """

    change: Change
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    groups: bool = True


def target(kind: str, name: str) -> str:
    """Return an area or a floor as calls name it: area.living_room."""
    return f"{kind}.{name.lower().replace(' ', '_')}"


def _become(state: str) -> Change:
    def change(device: Device, _arguments: dict[str, Any]) -> None:
        device.state = state
        device.attributes = {}

    return change


def _light_on(device: Device, arguments: dict[str, Any]) -> None:
    device.state = "on"
    step = arguments.get("brightness_step")
    brightness = arguments.get("brightness")
    if step is not None:
        brightness = min(100, max(0, device.attributes.get("brightness", 100) + step))
    if brightness is not None:
        device.attributes = {"brightness": brightness}


def _set_temperature(device: Device, arguments: dict[str, Any]) -> None:
    device.attributes = {"temperature": arguments["temperature"]}


SERVICES: dict[str, Service] = {
    "climate.set_temperature": Service(_set_temperature, {"temperature": _TEMPERATURE}, ("temperature",)),
    "cover.open_cover": Service(_become("open")),
    "cover.close_cover": Service(_become("closed")),
    "fan.turn_on": Service(_become("on")),
    "fan.turn_off": Service(_become("off")),
    "light.turn_on": Service(_light_on, {"brightness": _PERCENT, "brightness_step": _STEP}),
    "light.turn_off": Service(_become("off")),
    "lock.lock": Service(_become("locked")),
    "lock.unlock": Service(_become("unlocked"), groups=False),
    "media_player.turn_on": Service(_become("on")),
    "media_player.turn_off": Service(_become("off")),
    "switch.turn_on": Service(_become("on")),
    "switch.turn_off": Service(_become("off")),
    "vacuum.start": Service(_become("cleaning"), groups=False),
    "vacuum.return_to_base": Service(_become("returning"), groups=False),
    "homeassistant.turn_off": Service(_become("off"), domains=("fan", "light", "media_player", "switch")),
}


class UnknownActionError(ValueError):
    """There is no such service, or no such target for it."""


class House:
    """The devices, by entity id."""

    def __init__(self) -> None:
        devices = (
            Device("climate.hall_thermostat", "Hall Thermostat", "Hall", "heat", {"temperature": 20}),
            Device("cover.bedroom_blind", "Bedroom Blind", "Bedroom", "closed"),
            Device("fan.bedroom_fan", "Bedroom Fan", "Bedroom", "off"),
            Device("light.bathroom_light", "Bathroom Light", "Bathroom", "on"),
            Device("light.bedroom_lamp", "Bedroom Lamp", "Bedroom", "off"),
            Device("light.hall_light", "Hall Light", "Hall", "on"),
            Device("light.kitchen_light", "Kitchen Light", "Kitchen", "off"),
            Device("light.living_room_lamp", "Living Room Lamp", "Living Room", "on"),
            Device("lock.front_door", "Front Door", "Hall", "locked"),
            Device("media_player.living_room_tv", "Living Room TV", "Living Room", "on"),
            Device("sensor.kitchen_temperature", "Kitchen Temperature", "Kitchen", "21.5 °C"),
            Device("switch.coffee_maker", "Coffee Maker", "Kitchen", "off"),
            Device("vacuum.hoover", "Hoover", "Living Room", "docked"),
        )
        self.devices = {device.entity_id: device for device in devices}

    def services(self) -> dict[str, list[Device]]:
        """Return the services that some device takes, with those devices."""
        result: dict[str, list[Device]] = {}
        for name, service in SERVICES.items():
            domains = service.domains or (name.partition(".")[0],)
            devices = [device for device in self.devices.values() if device.domain in domains]
            if devices:
                result[name] = devices
        return result

    def targets(self, name: str) -> list[str]:
        """Return what a service can be called on: devices, then areas and floors with such devices, then all."""
        devices = self.services()[name]
        single = [] if SERVICES[name].domains else [device.entity_id for device in devices]
        return [*single, *(group_targets(devices) if SERVICES[name].groups else ())]

    def exceptions(self, name: str) -> list[str]:
        """Return what a call of a service on a group can leave out; nothing where it is for a single device."""
        devices = self.services()[name]
        if not SERVICES[name].groups or len(devices) < 2:
            return []
        return [*(device.entity_id for device in devices), *group_targets(devices)[:-1]]

    def call(self, service: str, on: str, arguments: dict[str, Any]) -> None:
        """Do what a service does to a device, or to all devices of a group that take it.

        Raises:
            UnknownActionError: the house cannot do that.
        """
        spared = arguments.get(EXCEPT, [])
        able = self.services().get(service, [])
        if not able or on not in self.targets(service) or not set(spared) <= {*self.exceptions(service)}:
            raise UnknownActionError(f"{service} cannot be done with {on}")
        if spared and on in self.devices:
            raise UnknownActionError(f"{on} is a single device: nothing can be left out of it")
        for device in able:
            names = {device.entity_id, *device.groups}
            if on in names and not names.intersection(spared):
                SERVICES[service].change(device, arguments)


def group_targets(devices: Iterable[Device]) -> list[str]:
    """Return the areas, then the floors, then the whole house, that some devices are in."""
    groups = {group for device in devices for group in device.groups}
    return [*sorted(groups - {ALL}), *sorted(groups & {ALL})]
