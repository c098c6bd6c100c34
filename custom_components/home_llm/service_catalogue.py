"""The services a model may call in the compact home format, and what their arguments mean.

Free of Home Assistant. What is not listed here cannot be called, whatever the model writes. Arguments are in
the units that people say, percent and degrees; they are turned into Home Assistant's own on the way out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Device:
    """One exposed entity as the model sees it."""

    entity_id: str
    name: str
    state: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    area: str | None = None

    @property
    def domain(self) -> str:
        """Return the part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]


class ArgumentError(ValueError):
    """An argument is missing, unknown or out of range."""

    def __init__(self, parameter: str, value: Any) -> None:
        """Keep what was wrong, to be said in the user's language."""
        super().__init__(f"{parameter}={value!r}")
        self.parameter = parameter
        self.value = value


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a service beside the entity."""

    name: str
    kind: Literal["integer", "number", "choice"]
    description: str
    # The field of Home Assistant's service, and what one of our units is in its units.
    field: str
    factor: float = 1
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    # Attributes of the entity that hold its own limits or choices.
    minimum_attribute: str | None = None
    maximum_attribute: str | None = None
    choices_attribute: str | None = None
    # The parameter is offered only when the device knows one of these colour modes.
    color_modes: frozenset[str] = frozenset()

    def supported(self, device: Device) -> bool:
        """Return whether the device can make use of the argument."""
        if self.kind == "choice":
            return bool(self.choices(device))
        if not self.color_modes:
            return True
        modes = device.attributes.get("supported_color_modes")
        return isinstance(modes, (list, tuple, set, frozenset)) and any(str(mode) in self.color_modes for mode in modes)

    def choices(self, device: Device) -> list[str]:
        """Return the values that the device offers."""
        values = device.attributes.get(self.choices_attribute) if self.choices_attribute else None
        return [str(value) for value in values] if isinstance(values, (list, tuple)) else []

    def limits(self, device: Device) -> tuple[float | None, float | None]:
        """Return the smallest and the largest value that the device takes."""
        return (
            _limit(device, self.minimum_attribute, self.minimum),
            _limit(device, self.maximum_attribute, self.maximum),
        )

    def check(self, value: Any, device: Device) -> Any:
        """Return the value as the service wants it.

        Raises:
            ArgumentError: the value has the wrong type or is out of range.
        """
        if self.kind == "choice":
            if value not in self.choices(device):
                raise ArgumentError(self.name, value)
            return value
        number = self._number(value)
        minimum, maximum = self.limits(device)
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            raise ArgumentError(self.name, value)
        if self.factor != 1:
            return round(number * self.factor, 4)
        return int(number) if self.kind == "integer" else number

    def _number(self, value: Any) -> float:
        """Return a number from what a model may write for one."""
        if isinstance(value, str):
            try:
                value = float(value.strip().removesuffix("%"))
            except ValueError as err:
                raise ArgumentError(self.name, value) from err
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ArgumentError(self.name, value)
        if self.kind == "integer" and value != int(value):
            raise ArgumentError(self.name, value)
        return float(value)

    def schema(self, devices: Iterable[Device]) -> dict[str, Any]:
        """Return the JSON schema that admits what any of the devices takes."""
        devices = list(devices)
        if self.kind == "choice":
            choices = {choice for device in devices for choice in self.choices(device)}
            return {"type": "string", "enum": sorted(choices), "description": self.description}
        schema: dict[str, Any] = {"type": self.kind, "description": self.description}
        limits = [self.limits(device) for device in devices]
        minima = [minimum for minimum, _ in limits if minimum is not None]
        maxima = [maximum for _, maximum in limits if maximum is not None]
        # A device without a limit of its own takes anything.
        if minima and len(minima) == len(limits):
            schema["minimum"] = plain_number(min(minima))
        if maxima and len(maxima) == len(limits):
            schema["maximum"] = plain_number(max(maxima))
        return schema


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Home Assistant on one entity."""

    domain: str
    service: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    # The bits of supported_features without which the device cannot do this.
    features: int = 0

    @property
    def name(self) -> str:
        """Return the name that the model calls."""
        return f"{self.domain}.{self.service}"

    def supported(self, device: Device) -> bool:
        """Return whether the device can do this; a device that does not tell its features is believed to."""
        if device.domain != self.domain:
            return False
        features = device.attributes.get("supported_features")
        if self.features and isinstance(features, int) and features & self.features != self.features:
            return False
        return all(parameter.supported(device) for parameter in self.parameters if parameter.required)

    def service_data(self, arguments: Mapping[str, Any], device: Device) -> dict[str, Any]:
        """Return the fields of the service call for a device.

        Raises:
            ArgumentError: an argument is missing, unknown or out of range.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        data: dict[str, Any] = {"entity_id": device.entity_id}
        for name, value in arguments.items():
            if name == "entity_id":
                continue
            if name not in known:
                raise ArgumentError(name, value)
            data[known[name].field] = known[name].check(value, device)
        for parameter in self.parameters:
            if parameter.required and parameter.name not in arguments:
                raise ArgumentError(parameter.name, None)
        return data


def _limit(device: Device, attribute: str | None, default: float | None) -> float | None:
    """Return a device's own limit, or the general one."""
    value = device.attributes.get(attribute) if attribute else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return default


def plain_number(value: float) -> float:
    """Return a number as people write it, whole where it is whole."""
    return int(value) if value == int(value) else value


_BRIGHTNESS = Parameter(
    "brightness",
    "integer",
    "Brightness in percent",
    field="brightness_pct",
    minimum=0,
    maximum=100,
    color_modes=frozenset({"brightness", "color_temp", "hs", "xy", "rgb", "rgbw", "rgbww", "white"}),
)
_FAN_SPEED = Parameter(
    "percentage", "integer", "Speed in percent", field="percentage", required=True, minimum=0, maximum=100
)
_POSITION = Parameter(
    "position",
    "integer",
    "Position in percent, 100 is open",
    field="position",
    required=True,
    minimum=0,
    maximum=100,
)
_TEMPERATURE = Parameter(
    "temperature",
    "number",
    "Target temperature",
    field="temperature",
    required=True,
    minimum_attribute="min_temp",
    maximum_attribute="max_temp",
)
_HVAC_MODE = Parameter("hvac_mode", "choice", "Mode", field="hvac_mode", required=True, choices_attribute="hvac_modes")
_HUMIDITY = Parameter(
    "humidity",
    "integer",
    "Target humidity in percent",
    field="humidity",
    required=True,
    minimum=0,
    maximum=100,
    minimum_attribute="min_humidity",
    maximum_attribute="max_humidity",
)
_VOLUME = Parameter(
    "volume",
    "integer",
    "Volume in percent",
    field="volume_level",
    factor=0.01,
    required=True,
    minimum=0,
    maximum=100,
)

# The numbers are the supported_features bits of Home Assistant's entity components.
CATALOGUE: tuple[Service, ...] = (
    Service("light", "turn_on", "Turn on a light, or dim it", (_BRIGHTNESS,)),
    Service("light", "turn_off", "Turn off a light"),
    Service("switch", "turn_on", "Turn on a switch"),
    Service("switch", "turn_off", "Turn off a switch"),
    Service("input_boolean", "turn_on", "Turn on a switch"),
    Service("input_boolean", "turn_off", "Turn off a switch"),
    Service("fan", "turn_on", "Turn on a fan", features=32),
    Service("fan", "turn_off", "Turn off a fan", features=16),
    Service("fan", "set_percentage", "Set the speed of a fan", (_FAN_SPEED,), features=1),
    Service("cover", "open_cover", "Open a cover", features=1),
    Service("cover", "close_cover", "Close a cover", features=2),
    Service("cover", "stop_cover", "Stop a cover", features=8),
    Service("cover", "set_cover_position", "Move a cover to a position", (_POSITION,), features=4),
    Service("lock", "lock", "Lock a lock"),
    Service("lock", "unlock", "Unlock a lock"),
    Service("climate", "set_temperature", "Set the target temperature", (_TEMPERATURE,), features=1),
    Service("climate", "set_hvac_mode", "Set the mode of heating or cooling", (_HVAC_MODE,)),
    Service("humidifier", "turn_on", "Turn on a humidifier"),
    Service("humidifier", "turn_off", "Turn off a humidifier"),
    Service("humidifier", "set_humidity", "Set the target humidity", (_HUMIDITY,)),
    Service("media_player", "turn_on", "Turn on a media player", features=128),
    Service("media_player", "turn_off", "Turn off a media player", features=256),
    Service("media_player", "media_play", "Play or resume", features=16384),
    Service("media_player", "media_pause", "Pause", features=1),
    Service("media_player", "volume_set", "Set the volume", (_VOLUME,), features=4),
    Service("vacuum", "start", "Start a vacuum cleaner", features=8192),
    Service("vacuum", "return_to_base", "Send a vacuum cleaner home", features=16),
    Service("scene", "turn_on", "Activate a scene"),
    Service("script", "turn_on", "Run a script"),
    Service("button", "press", "Press a button"),
    Service("input_button", "press", "Press a button"),
)


def offered_services(devices: Iterable[Device]) -> dict[Service, list[Device]]:
    """Return the services that at least one device can do, each with the devices that can."""
    devices = sorted(devices, key=lambda device: device.entity_id)
    offered = {service: [device for device in devices if service.supported(device)] for service in CATALOGUE}
    return {service: able for service, able in offered.items() if able}
