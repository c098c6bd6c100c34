"""What a home service is: devices, the groups they stand in, arguments and their rules.

Free of Home Assistant. Arguments are in the units that people say, percent and degrees; they are turned into
Home Assistant's own on the way out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_TEXT_LENGTH = 100
# The target that stands for the whole house.
ALL = "all"
# The argument that names what is left out of a group.
EXCEPT = "except"

# Colour modes of lights, by what they can be told.
DIMMABLE = frozenset({"brightness", "color_temp", "hs", "xy", "rgb", "rgbw", "rgbww", "white"})
COLORED = frozenset({"hs", "xy", "rgb", "rgbw", "rgbww"})
TINTED = frozenset({"color_temp"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_DURATION = re.compile(r"(\d{1,3}) (hour|minute|second)s?(?: |$)")
DURATION_PATTERN = "^[0-9]{1,3} (hours?|minutes?|seconds?)( [0-9]{1,2} (minutes?|seconds?))?$"
_SECONDS = {"hour": 3600, "minute": 60, "second": 1}


@dataclass(frozen=True, slots=True)
class Group:
    """An area, a floor or the whole house: what stands for all devices in it."""

    # How calls name it: area.kitchen, floor.upstairs, all.
    target: str
    # Its name and aliases.
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """One exposed entity as the model sees it."""

    entity_id: str
    name: str
    state: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    area: str | None = None
    # Every name that it goes by; empty where it has only the one.
    names: tuple[str, ...] = ()
    # Its area and its floor.
    groups: tuple[Group, ...] = ()

    @property
    def domain(self) -> str:
        """Return the part of the entity id before the dot."""
        return self.entity_id.partition(".")[0]

    @property
    def device_class(self) -> str | None:
        """Return what kind of its domain it is."""
        value = self.attributes.get("device_class")
        return str(value) if value else None


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
    kind: Literal["integer", "number", "choice", "boolean", "text", "duration"]
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
    # Choices that are the same for every device.
    fixed_choices: tuple[str, ...] = ()
    # The parameter is offered only when the device knows one of these colour modes.
    color_modes: frozenset[str] = frozenset()
    # Another parameter that cannot be given together with this one.
    excludes: str | None = None

    def supported(self, device: Device) -> bool:
        """Return whether the device can make use of the argument."""
        if self.color_modes:
            modes = device.attributes.get("supported_color_modes")
            known = modes if isinstance(modes, (list, tuple, set, frozenset)) else ()
            if not any(str(mode) in self.color_modes for mode in known):
                return False
        return self.kind != "choice" or bool(self.choices(device))

    def choices(self, device: Device) -> list[str]:
        """Return the values that the device offers."""
        values = device.attributes.get(self.choices_attribute) if self.choices_attribute else self.fixed_choices
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
        match self.kind:
            case "choice":
                return self._choice(value, device)
            case "boolean":
                return self._boolean(value)
            case "text":
                return self._text(value)
            case "duration":
                return self._duration(value)
        number = self._number(value)
        minimum, maximum = self.limits(device)
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            raise ArgumentError(self.name, value)
        if self.factor != 1:
            return round(number * self.factor, 4)
        return int(number) if self.kind == "integer" else number

    def _choice(self, value: Any, device: Device) -> str:
        """Return one of the choices, whatever its case."""
        choices = self.choices(device)
        if isinstance(value, str):
            if value in choices:
                return value
            for choice in choices:
                if choice.casefold() == value.strip().casefold():
                    return choice
        raise ArgumentError(self.name, value)

    def _boolean(self, value: Any) -> bool:
        """Return a truth value from what a model may write for one."""
        if isinstance(value, str):
            value = {"true": True, "on": True, "false": False, "off": False}.get(value.strip().casefold(), value)
        if not isinstance(value, bool):
            raise ArgumentError(self.name, value)
        return value

    def _text(self, value: Any) -> str:
        """Return one line of text."""
        text = _CONTROL.sub(" ", value).strip() if isinstance(value, str) else ""
        if not 0 < len(text) <= MAX_TEXT_LENGTH:
            raise ArgumentError(self.name, value)
        return text

    def _duration(self, value: Any) -> str:
        """Return a duration such as "5 minutes" in Home Assistant's way, 00:05:00."""
        seconds = duration_seconds(value)
        if seconds is None:
            raise ArgumentError(self.name, value)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"

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
        match self.kind:
            case "choice":
                choices = {choice for device in devices for choice in self.choices(device)}
                return {"type": "string", "enum": sorted(choices), "description": self.description}
            case "boolean":
                return {"type": "boolean", "description": self.description}
            case "text":
                return {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_TEXT_LENGTH,
                    "description": self.description,
                }
            case "duration":
                return {"type": "string", "pattern": DURATION_PATTERN, "description": self.description}
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
    """One service of Home Assistant on one entity, or on all that can in an area, on a floor or in the house."""

    domain: str
    service: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    # The bits of supported_features without which the device cannot do this.
    features: int = 0
    # Others that do as well.
    or_features: int = 0
    # Whether an area, a floor or the whole house can be meant.
    groups: bool = False
    # The service of Home Assistant behind this one, and what it is always given, where the model's word is another.
    calls: str | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    # The services of single domains that this one stands for; it is called on groups and on no single device.
    covers: tuple[Service, ...] = ()

    @property
    def name(self) -> str:
        """Return the name that the model calls."""
        return f"{self.domain}.{self.service}"

    @property
    def called(self) -> str:
        """Return the name of Home Assistant's service."""
        return self.calls or self.service

    def supported(self, device: Device) -> bool:
        """Return whether the device can do this; a device that does not tell its features is believed to."""
        if self.covers:
            return any(service.supported(device) for service in self.covers)
        if device.domain != self.domain:
            return False
        features = device.attributes.get("supported_features")
        if isinstance(features, int) and not any(
            features & bits == bits for bits in (self.features, self.or_features or self.features)
        ):
            return False
        return all(parameter.supported(device) for parameter in self.parameters if parameter.required)

    def service_data(self, arguments: Mapping[str, Any], device: Device) -> dict[str, Any]:
        """Return the fields of the service call for a device.

        Raises:
            ArgumentError: an argument is missing, unknown or out of range.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        data: dict[str, Any] = {"entity_id": device.entity_id, **dict(self.fixed)}
        for name, value in arguments.items():
            if name == "entity_id":
                continue
            parameter = known.get(name)
            if parameter is None or not parameter.supported(device) or parameter.excludes in arguments:
                raise ArgumentError(name, value)
            data[parameter.field] = parameter.check(value, device)
        for parameter in self.parameters:
            if parameter.required and parameter.name not in arguments:
                raise ArgumentError(parameter.name, None)
        return data


def duration_seconds(value: Any) -> int | None:
    """Return the seconds of a duration such as "1 hour 30 minutes", or None for what is none."""
    if not isinstance(value, str):
        return None
    text = " ".join(value.casefold().split())
    end = 0
    total = 0
    while found := _DURATION.match(text, end):
        total += int(found[1]) * _SECONDS[found[2]]
        end = found.end()
    return total if total and end == len(text) else None


def plain_number(value: float) -> float:
    """Return a number as people write it, whole where it is whole."""
    return int(value) if value == int(value) else value


def _limit(device: Device, attribute: str | None, default: float | None) -> float | None:
    """Return a device's own limit, or the general one."""
    value = device.attributes.get(attribute) if attribute else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return default
