"""Virtual lamps, switches, fans, sirens and humidifiers: what is on or off."""

from __future__ import annotations

from typing import Any

from homeassistant.components.fan import FanEntity
from homeassistant.components.fan.const import FanEntityFeature
from homeassistant.components.humidifier import HumidifierEntity
from homeassistant.components.humidifier.const import HumidifierEntityFeature
from homeassistant.components.light import LightEntity
from homeassistant.components.light.const import ColorMode, LightEntityFeature
from homeassistant.components.siren import SirenEntity
from homeassistant.components.siren.const import SirenEntityFeature
from homeassistant.components.switch import SwitchEntity
from homeassistant.const import STATE_ON
from homeassistant.helpers.entity import ToggleEntity
from homeassistant.util import color as color_util

from home_llm_lab.house import Thing

from .remembering import Remembering


class _OnOff(Remembering, ToggleEntity):
    """A device that is on or off."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_is_on = thing.state == STATE_ON

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.keep(is_on=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(is_on=False)


class Lamp(_OnOff, LightEntity):
    """A lamp, which remembers its brightness and its colour while it is off."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        attributes = thing.attributes
        modes = {ColorMode(mode) for mode in attributes["supported_color_modes"]}
        self._attr_supported_color_modes = modes
        self._attr_color_mode = ColorMode(attributes.get("color_mode") or attributes["supported_color_modes"][0])
        self._attr_brightness = attributes.get("brightness", None if modes == {ColorMode.ONOFF} else 255)
        if ColorMode.COLOR_TEMP in modes:
            self._attr_min_color_temp_kelvin = attributes["min_color_temp_kelvin"]
            self._attr_max_color_temp_kelvin = attributes["max_color_temp_kelvin"]
            self._attr_color_temp_kelvin = attributes.get("color_temp_kelvin", attributes["min_color_temp_kelvin"])
        self._color(tuple(attributes.get("rgb_color") or (255, 255, 255)))

    def features(self, bits: int) -> int:
        """Return the supported features; effects have no names here."""
        return LightEntityFeature(bits)

    @property
    def effect_list(self) -> list[str]:
        """Return no effects."""
        return []

    def _color(self, rgb: tuple[int, ...]) -> None:
        """Remember a colour in the mode that the lamp has for it."""
        red, green, blue = rgb
        self._attr_rgb_color = (red, green, blue)
        self._attr_hs_color = color_util.color_RGB_to_hs(red, green, blue)
        self._attr_xy_color = color_util.color_RGB_to_xy(red, green, blue)
        self._attr_rgbw_color = color_util.color_rgb_to_rgbw(red, green, blue)

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on, with what is told of brightness and colour."""
        if "brightness" in kwargs:
            self._attr_brightness = kwargs["brightness"]
        if "color_temp_kelvin" in kwargs:
            self._attr_color_temp_kelvin = kwargs["color_temp_kelvin"]
            self._attr_color_mode = ColorMode.COLOR_TEMP
        for name, mode in (
            ("hs_color", ColorMode.HS),
            ("xy_color", ColorMode.XY),
            ("rgb_color", ColorMode.RGB),
            ("rgbw_color", ColorMode.RGBW),
        ):
            if name in kwargs:
                setattr(self, f"_attr_{name}", kwargs[name])
                self._attr_color_mode = mode
        self.keep(is_on=True)


class Plug(_OnOff, SwitchEntity):
    """A switch."""


class Siren(_OnOff, SirenEntity):
    """A siren."""

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return SirenEntityFeature(bits)


class Fan(Remembering, FanEntity):
    """A fan."""

    _same = ("percentage", "oscillating", "preset_mode", "preset_modes")
    _other = {"direction": "current_direction"}  # noqa: RUF012 - nobody writes into it

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_speed_count = round(100 / thing.attributes.get("percentage_step", 1))
        self._running = thing.state == STATE_ON

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return FanEntityFeature(bits)

    @property
    def is_on(self) -> bool:
        """Return whether it turns."""
        return self._running

    async def async_turn_on(self, percentage: int | None = None, preset_mode: str | None = None, **kwargs: Any) -> None:
        """Turn on."""
        self._running = True
        if preset_mode is not None:
            self.keep(preset_mode=preset_mode)
        elif FanEntityFeature.SET_SPEED in self.supported_features:
            self.keep(percentage=percentage or self.percentage or 50)
        else:
            self.keep()

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self._running = False
        self.keep(preset_mode=None, **({"percentage": 0} if self.percentage is not None else {}))

    async def async_set_percentage(self, percentage: int) -> None:
        """Set the speed."""
        self._running = percentage > 0
        self.keep(percentage=percentage, preset_mode=None)

    async def async_set_preset_mode(self, preset_mode: str) -> None:
        """Set the preset."""
        await self.async_turn_on(preset_mode=preset_mode)

    async def async_oscillate(self, oscillating: bool) -> None:
        """Swing, or not."""
        self.keep(oscillating=oscillating)

    async def async_set_direction(self, direction: str) -> None:
        """Turn the other way."""
        self.keep(current_direction=direction)


class Humidifier(_OnOff, HumidifierEntity):
    """A humidifier or a dehumidifier."""

    _same = ("current_humidity", "available_modes", "mode", "min_humidity", "max_humidity")
    _other = {"humidity": "target_humidity"}  # noqa: RUF012 - nobody writes into it

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return HumidifierEntityFeature(bits)

    async def async_set_humidity(self, humidity: int) -> None:
        """Set the target."""
        self.keep(target_humidity=humidity)

    async def async_set_mode(self, mode: str) -> None:
        """Set the mode."""
        self.keep(mode=mode)
