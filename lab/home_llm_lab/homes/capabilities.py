"""What things can do: their domain, and the capabilities that Home Assistant reports of them.

The numbers are the supported_features bits of Home Assistant's entity components.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .vocabulary import Vocabulary

Attributes: TypeAlias = dict[str, Any]

LIGHTS = (
    "ceiling_light", "lamp", "floor_lamp", "table_lamp", "bedside_lamp", "desk_lamp", "reading_light", "led_strip",
    "spotlights", "chandelier", "wall_light", "counter_light", "mirror_light", "outdoor_light", "fairy_lights",
)  # fmt: skip
SWITCHES = (
    "plug", "coffee_maker", "kettle", "toaster", "dishwasher", "washing_machine", "heater_switch", "printer",
    "aquarium", "charger", "pump", "sprinkler_switch", "electric_blanket",
)  # fmt: skip
COVERS = {
    "blind": "blind", "curtain": "curtain", "shutter": "shutter", "shade": "shade", "awning": "awning",
    "skylight": "window", "garage_door": "garage", "gate": "gate",
}  # fmt: skip
BINARY_SENSORS = {
    "motion_sensor": "motion", "occupancy_sensor": "occupancy", "door_sensor": "door", "window_sensor": "window",
    "garage_sensor": "garage_door", "leak_sensor": "moisture", "smoke_sensor": "smoke",
    "gas_sensor": "carbon_monoxide", "doorbell_sensor": None, "vibration_sensor": "vibration",
    "battery_low_sensor": "battery",
}  # fmt: skip
# Device class, unit, smallest and largest usual value, digits after the point.
SENSORS: dict[str, tuple[str | None, str | None, float, float, int]] = {
    "humidity_sensor": ("humidity", "%", 28, 75, 0),
    "power_sensor": ("power", "W", 0, 2400, 1),
    "energy_sensor": ("energy", "kWh", 0, 38, 2),
    "battery_sensor": ("battery", "%", 3, 100, 0),
    "robot_sensor": ("battery", "%", 3, 100, 0),
    "co2_sensor": ("carbon_dioxide", "ppm", 410, 1900, 0),
    "illuminance_sensor": ("illuminance", "lx", 0, 1200, 0),
    "pm25_sensor": ("pm25", "µg/m³", 1, 60, 0),
    "noise_sensor": ("sound_pressure", "dB", 30, 80, 0),
    "wind_sensor": ("wind_speed", "km/h", 0, 60, 1),
    "rain_sensor": ("precipitation", "mm", 0, 22, 1),
    "pressure_sensor": ("atmospheric_pressure", "hPa", 985, 1035, 0),
    "soil_sensor": ("moisture", "%", 5, 80, 0),
    "water_sensor": ("water", "L", 0, 480, 0),
    "temperature_sensor": ("temperature", "°C", 15, 28, 1),
    "washer_state": ("enum", None, 0, 0, 0),
    "bin_sensor": (None, None, 0, 0, 0),
}

_OTHER_DOMAINS = {
    "fan": "fan", "ceiling_fan": "fan", "extractor_fan": "fan", "air_purifier": "fan", "door_lock": "lock",
    "thermostat": "climate", "radiator": "climate", "air_conditioner": "climate", "water_heater": "water_heater",
    "humidifier": "humidifier", "dehumidifier": "humidifier", "tv": "media_player", "speaker": "media_player",
    "radio": "media_player", "receiver": "media_player", "projector": "media_player", "vacuum": "vacuum",
    "mower": "lawn_mower", "alarm": "alarm_control_panel", "siren": "siren", "valve": "valve", "scene": "scene",
    "script": "script", "button": "button", "input_button": "input_button", "todo": "todo", "timer": "timer",
    "input_boolean": "input_boolean", "number": "number", "input_number": "input_number", "select": "select",
    "input_select": "input_select", "weather": "weather", "person": "person", "sun": "sun",
    "phone_tracker": "device_tracker", "car_tracker": "device_tracker",
}  # fmt: skip

DOMAINS: dict[str, str] = {
    **dict.fromkeys(LIGHTS, "light"),
    **dict.fromkeys(SWITCHES, "switch"),
    **dict.fromkeys(COVERS, "cover"),
    **dict.fromkeys(BINARY_SENSORS, "binary_sensor"),
    **dict.fromkeys(SENSORS, "sensor"),
    **_OTHER_DOMAINS,
}


@dataclass(frozen=True, slots=True)
class Maker:
    """What capabilities are drawn with."""

    rng: random.Random
    words: Vocabulary
    metric: bool

    def some(self, group: str, least: int, most: int) -> list[str]:
        """Return some of a list of words, in its order."""
        words = list(self.words.list(group))
        chosen = set(self.rng.sample(words, min(len(words), self.rng.randint(least, most))))
        return [word for word in words if word in chosen]

    def degrees(self, celsius: float) -> float:
        """Return a temperature as this house measures it: whole degrees Fahrenheit."""
        return celsius if self.metric else round(celsius * 9 / 5 + 32)

    @property
    def unit(self) -> str:
        """Return the unit of temperatures."""
        return "°C" if self.metric else "°F"


def capabilities(kind: str, make: Maker) -> Attributes:
    """Return the attributes of a new thing that do not change with its state."""
    drawn = _BY_DOMAIN.get(DOMAINS[kind])
    return drawn(kind, make) if drawn else {}


def _light(kind: str, make: Maker) -> Attributes:
    rng = make.rng
    strips = kind in ("led_strip", "fairy_lights")
    modes = rng.choices(
        (
            ["onoff"],
            ["brightness"],
            ["color_temp"],
            ["color_temp", "hs"],
            ["color_temp", "xy"],
            ["rgb"],
            ["hs"],
            ["rgbw"],
        ),
        (2, 2, 1, 3, 2, 4, 1, 1) if strips else (5, 9, 6, 4, 4, 1, 0.6, 0.6),
    )[0]
    found: Attributes = {"supported_color_modes": modes}
    if "color_temp" in modes:
        found["min_color_temp_kelvin"] = rng.choice((2000, 2200, 2202, 2700))
        found["max_color_temp_kelvin"] = rng.choice((4000, 6500, 6500, 6535))
    return {**found, "supported_features": 0 if modes == ["onoff"] else rng.choice((0, 32, 40))}


def _switch(kind: str, make: Maker) -> Attributes:
    return {"device_class": "outlet"} if kind == "plug" and make.rng.random() < 0.5 else {}


def _fan(kind: str, make: Maker) -> Attributes:
    rng = make.rng
    features = 48
    found: Attributes = {}
    if rng.random() < 0.8:
        features |= 1
        found["percentage_step"] = rng.choice((1, 1, 10, 25, 33.333333333333336))
    if kind == "fan" and rng.random() < 0.5:
        features |= 2
    if kind == "ceiling_fan" and rng.random() < 0.5:
        features |= 4
    if kind == "air_purifier" or rng.random() < 0.3:
        features |= 8
        found["preset_modes"] = make.some("fan_presets", 2, 4)
    return {**found, "supported_features": features}


def _cover(kind: str, make: Maker) -> Attributes:
    rng = make.rng
    features = 3
    if rng.random() < 0.85:
        features |= 8
    if rng.random() < (0.3 if kind in ("garage_door", "gate") else 0.75):
        features |= 4
    if kind == "blind" and rng.random() < 0.35:
        features |= rng.choice((0xF0, 0x70, 0xB0))
    return {"device_class": COVERS[kind], "supported_features": features}


def _lock(kind: str, make: Maker) -> Attributes:
    return {"supported_features": 1 if make.rng.random() < 0.2 else 0}


def _climate(kind: str, make: Maker) -> Attributes:
    rng = make.rng
    features = 1 | 128 | 256
    cooling = kind == "air_conditioner"
    modes = ["off", "heat"]
    if cooling:
        modes = rng.choice(
            (["off", "cool", "heat", "fan_only"], ["off", "auto", "cool", "dry", "fan_only", "heat"], ["off", "cool"])
        )
    elif kind == "thermostat":
        modes = rng.choice(
            (["off", "heat"], ["off", "heat", "auto"], ["off", "heat", "cool"], ["off", "heat", "cool", "heat_cool"])
        )
    elif rng.random() < 0.3:
        modes = ["off", "heat", "auto"]
    low, high = (16, 30) if cooling else rng.choice(((5, 30), (7, 28), (5, 35), (7, 35), (10, 30)))
    found: Attributes = {
        "hvac_modes": modes,
        "min_temp": make.degrees(low),
        "max_temp": make.degrees(high),
        "target_temp_step": (rng.choice((0.5, 0.5, 1)) if make.metric else 1),
    }
    if rng.random() < 0.45:
        features |= 16
        found["preset_modes"] = ["none", *make.some("climate_presets", 2, 4)]
    if cooling and rng.random() < 0.8:
        features |= 8
        found["fan_modes"] = rng.choice(
            (["auto", "low", "medium", "high"], ["low", "medium", "high"], ["auto", "low", "high"])
        )
    return {**found, "supported_features": features}


def _water_heater(kind: str, make: Maker) -> Attributes:
    features = 1 | (8 if make.rng.random() < 0.6 else 0)
    found: Attributes = {
        "min_temp": make.degrees(make.rng.choice((30, 40))),
        "max_temp": make.degrees(make.rng.choice((60, 65, 75))),
    }
    if make.rng.random() < 0.6:
        features |= 2
        found["operation_list"] = ["off", *make.some("water_modes", 2, 4)]
    return {**found, "supported_features": features}


def _humidifier(kind: str, make: Maker) -> Attributes:
    found: Attributes = {
        "device_class": kind,
        "min_humidity": make.rng.choice((0, 30, 35)),
        "max_humidity": make.rng.choice((70, 80, 100)),
    }
    if make.rng.random() < 0.5:
        return {**found, "available_modes": make.some("humidifier_modes", 2, 4), "supported_features": 1}
    return {**found, "supported_features": 0}


def _media_player(kind: str, make: Maker) -> Attributes:
    rng = make.rng
    features = 1 | 4 | 8 | 16384 | 1024 | 512
    if kind != "radio" or rng.random() < 0.5:
        features |= 16 | 32
    if kind in ("tv", "receiver", "projector") or rng.random() < 0.4:
        features |= 128 | 256
    if rng.random() < 0.6:
        features |= 4096
    found: Attributes = {}
    if kind == "tv" and rng.random() < 0.6:
        found["device_class"] = "tv"
    elif kind in ("speaker", "receiver") and rng.random() < 0.6:
        found["device_class"] = {"speaker": "speaker", "receiver": "receiver"}[kind]
    if rng.random() < (0.85 if kind in ("tv", "receiver", "projector") else 0.5):
        sources = list(make.words.list("sources", kind))
        found["source_list"] = rng.sample(sources, min(len(sources), rng.randint(2, 6)))
        features |= 2048
    return {**found, "supported_features": features}


def _vacuum(kind: str, make: Maker) -> Attributes:
    features = 8192 | 4 | 16 | 4096 | (8 if make.rng.random() < 0.5 else 0) | (512 if make.rng.random() < 0.5 else 0)
    return {"supported_features": features}


def _lawn_mower(kind: str, make: Maker) -> Attributes:
    return {"supported_features": make.rng.choice((7, 7, 5))}


def _alarm(kind: str, make: Maker) -> Attributes:
    return {"code_format": None, "code_arm_required": False, "supported_features": make.rng.choice((3, 7, 7, 2))}


def _siren(kind: str, make: Maker) -> Attributes:
    return {"supported_features": 3}


def _valve(kind: str, make: Maker) -> Attributes:
    features = 3 | (4 if make.rng.random() < 0.3 else 0) | (8 if make.rng.random() < 0.4 else 0)
    return {"device_class": make.rng.choice(("water", "water", "water", "gas")), "supported_features": features}


def _todo(kind: str, make: Maker) -> Attributes:
    return {"supported_features": 7 | make.rng.choice((0, 8, 120))}


def _timer(kind: str, make: Maker) -> Attributes:
    return {"duration": make.rng.choice(("0:05:00", "0:10:00", "0:30:00", "1:00:00", "0:03:00")), "editable": True}


def _editable(kind: str, make: Maker) -> Attributes:
    return {"editable": make.rng.random() < 0.7}


def _binary_sensor(kind: str, make: Maker) -> Attributes:
    device_class = BINARY_SENSORS[kind]
    return {"device_class": device_class} if device_class else {}


def _sensor(kind: str, make: Maker) -> Attributes:
    device_class, unit, *_ = SENSORS[kind]
    if device_class == "temperature":
        unit = make.unit
    found: Attributes = {"state_class": "measurement", "unit_of_measurement": unit} if unit else {}
    if kind == "washer_state":
        found["options"] = list(make.words.list("sensor_states", kind))
    return {**found, "device_class": device_class} if device_class else found


def _weather(kind: str, make: Maker) -> Attributes:
    return {"temperature_unit": make.unit, "supported_features": 1}


_BY_DOMAIN: Mapping[str, Callable[[str, Maker], Attributes]] = {
    "light": _light,
    "switch": _switch,
    "fan": _fan,
    "cover": _cover,
    "lock": _lock,
    "climate": _climate,
    "water_heater": _water_heater,
    "humidifier": _humidifier,
    "media_player": _media_player,
    "vacuum": _vacuum,
    "lawn_mower": _lawn_mower,
    "alarm_control_panel": _alarm,
    "siren": _siren,
    "valve": _valve,
    "todo": _todo,
    "timer": _timer,
    "input_boolean": _editable,
    "input_button": _editable,
    "binary_sensor": _binary_sensor,
    "sensor": _sensor,
    "weather": _weather,
}
