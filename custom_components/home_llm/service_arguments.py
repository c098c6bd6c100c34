"""The arguments of the home services, in the units that people say.

Free of Home Assistant.
"""

from __future__ import annotations

from .service_types import COLORED, DIMMABLE, TINTED, Parameter

COLORS = (
    "blue",
    "cyan",
    "gold",
    "green",
    "magenta",
    "orange",
    "pink",
    "purple",
    "red",
    "turquoise",
    "violet",
    "white",
    "yellow",
)


def percent(name: str, description: str, field: str | None = None, factor: float = 1) -> Parameter:
    """Return a required parameter in percent."""
    return Parameter(
        name, "integer", description, field=field or name, factor=factor, required=True, minimum=0, maximum=100
    )


def choice(name: str, description: str, attribute: str, field: str | None = None) -> Parameter:
    """Return a required parameter that takes what the device lists in an attribute."""
    return Parameter(name, "choice", description, field=field or name, required=True, choices_attribute=attribute)


BRIGHTNESS = Parameter(
    "brightness",
    "integer",
    "Brightness in percent",
    field="brightness_pct",
    minimum=0,
    maximum=100,
    color_modes=DIMMABLE,
)
BRIGHTNESS_STEP = Parameter(
    "brightness_step",
    "integer",
    "How many percent brighter, or darker below 0",
    field="brightness_step_pct",
    minimum=-100,
    maximum=100,
    color_modes=DIMMABLE,
    excludes="brightness",
)
COLOR = Parameter("color", "choice", "Colour", field="color_name", fixed_choices=COLORS, color_modes=COLORED)
COLOR_TEMP = Parameter(
    "color_temp",
    "integer",
    "Colour temperature in kelvin, 2700 is warm and 6500 is cold",
    field="color_temp_kelvin",
    minimum=1000,
    maximum=10000,
    minimum_attribute="min_color_temp_kelvin",
    maximum_attribute="max_color_temp_kelvin",
    color_modes=TINTED,
    excludes="color",
)
FAN_SPEED = percent("percentage", "Speed in percent")
OSCILLATING = Parameter("oscillating", "boolean", "Whether it swings", field="oscillating", required=True)
DIRECTION = Parameter(
    "direction",
    "choice",
    "Direction",
    field="direction",
    required=True,
    fixed_choices=("forward", "reverse"),
)
POSITION = percent("position", "Position in percent, 100 is open")
TILT = percent("tilt_position", "Tilt in percent, 100 is open")
TEMPERATURE = Parameter(
    "temperature",
    "number",
    "Target temperature",
    field="temperature",
    required=True,
    minimum_attribute="min_temp",
    maximum_attribute="max_temp",
)
HUMIDITY = Parameter(
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
VOLUME = percent("volume", "Volume in percent", "volume_level", factor=0.01)
MUTED = Parameter("muted", "boolean", "Whether it is silent", field="is_volume_muted", required=True)
VALUE = Parameter(
    "value",
    "number",
    "Value",
    field="value",
    required=True,
    minimum_attribute="min",
    maximum_attribute="max",
)
ITEM = Parameter("item", "text", "What is on the list", field="item", required=True)
DURATION = Parameter("duration", "duration", "Such as 5 minutes", field="duration")
