"""Virtual heating, players, vacuum cleaners and lawn mowers."""

from __future__ import annotations

from typing import Any

from homeassistant.components.climate import ClimateEntity
from homeassistant.components.climate.const import ClimateEntityFeature, HVACMode
from homeassistant.components.lawn_mower import LawnMowerEntity
from homeassistant.components.lawn_mower.const import LawnMowerActivity, LawnMowerEntityFeature
from homeassistant.components.media_player import MediaPlayerEntity
from homeassistant.components.media_player.const import MediaPlayerEntityFeature, MediaPlayerState
from homeassistant.components.vacuum import StateVacuumEntity
from homeassistant.components.vacuum.const import VacuumActivity, VacuumEntityFeature
from homeassistant.components.water_heater import WaterHeaterEntity
from homeassistant.components.water_heater.const import WaterHeaterEntityFeature
from homeassistant.const import STATE_OFF

from home_llm_lab.house import Thing

from .remembering import Remembering

# By how much one step louder is louder.
VOLUME_STEP = 0.1


class Climate(Remembering, ClimateEntity):
    """A thermostat, a radiator or an air conditioner."""

    _same = ("current_temperature", "preset_mode", "preset_modes", "fan_mode", "fan_modes", "min_temp", "max_temp")
    _other = {"temperature": "target_temperature", "target_temp_step": "target_temperature_step"}  # noqa: RUF012

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_hvac_modes = [HVACMode(mode) for mode in thing.attributes["hvac_modes"]]
        self._attr_hvac_mode = HVACMode(thing.state) if self.available else None

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return ClimateEntityFeature(bits)

    @property
    def temperature_unit(self) -> str:
        """Return the unit of the house."""
        return self.hass.config.units.temperature_unit

    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature."""
        if "hvac_mode" in kwargs:
            self._attr_hvac_mode = kwargs["hvac_mode"]
        self.keep(target_temperature=kwargs["temperature"])

    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Set the mode."""
        self.keep(hvac_mode=hvac_mode)

    async def async_set_preset_mode(self, preset_mode: str) -> None:
        """Set the preset."""
        self.keep(preset_mode=preset_mode)

    async def async_set_fan_mode(self, fan_mode: str) -> None:
        """Set the fan."""
        self.keep(fan_mode=fan_mode)

    async def async_turn_off(self) -> None:
        """Turn off."""
        self.keep(hvac_mode=HVACMode.OFF)

    async def async_turn_on(self) -> None:
        """Turn on in the first mode that is one."""
        self.keep(hvac_mode=next(mode for mode in self.hvac_modes if mode is not HVACMode.OFF))


class WaterHeater(Remembering, WaterHeaterEntity):
    """A water heater."""

    _same = ("current_temperature", "min_temp", "max_temp", "operation_list")
    _other = {"temperature": "target_temperature"}  # noqa: RUF012 - nobody writes into it

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_current_operation = thing.state if self.available else None

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return WaterHeaterEntityFeature(bits)

    @property
    def temperature_unit(self) -> str:
        """Return the unit of the house."""
        return self.hass.config.units.temperature_unit

    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature."""
        self.keep(target_temperature=kwargs["temperature"])

    async def async_set_operation_mode(self, operation_mode: str) -> None:
        """Set the mode."""
        self.keep(current_operation=operation_mode)

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on, unless it is."""
        if self.current_operation == STATE_OFF:
            modes = [mode for mode in self.operation_list or ("electric",) if mode != STATE_OFF]
            self.keep(current_operation=modes[0])
        else:
            self.keep()

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(current_operation=STATE_OFF)


class Player(Remembering, MediaPlayerEntity):
    """A television, a speaker, a radio."""

    _same = ("source", "source_list", "media_title", "media_track", "volume_level", "is_volume_muted")

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing; what is off has its volume for when it is on."""
        super().take(thing)
        self._attr_state = MediaPlayerState(thing.state) if self.available else None
        if self._attr_volume_level is None:
            self._attr_volume_level, self._attr_is_volume_muted = 0.3, False

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return MediaPlayerEntityFeature(bits)

    @property
    def volume_step(self) -> float:
        """Return how much louder one step is."""
        return VOLUME_STEP

    async def async_turn_on(self) -> None:
        """Turn on, unless it is."""
        if self.state == MediaPlayerState.OFF:
            self.keep(state=MediaPlayerState.ON)
        else:
            self.keep()

    async def async_turn_off(self) -> None:
        """Turn off."""
        self.keep(state=MediaPlayerState.OFF)

    async def async_media_play(self) -> None:
        """Play."""
        self.keep(state=MediaPlayerState.PLAYING)

    async def async_media_pause(self) -> None:
        """Pause."""
        self.keep(state=MediaPlayerState.PAUSED)

    async def async_media_stop(self) -> None:
        """Stop."""
        self.keep(state=MediaPlayerState.IDLE)

    async def async_media_next_track(self) -> None:
        """Go on by one track."""
        self.keep(media_track=(self.media_track or 1) + 1)

    async def async_media_previous_track(self) -> None:
        """Go back by one track."""
        self.keep(media_track=max(1, (self.media_track or 1) - 1))

    async def async_set_volume_level(self, volume: float) -> None:
        """Set the volume."""
        self.keep(volume_level=volume)

    async def async_mute_volume(self, mute: bool) -> None:
        """Mute, or not."""
        self.keep(is_volume_muted=mute)

    async def async_select_source(self, source: str) -> None:
        """Select a source."""
        self.keep(source=source)


class Vacuum(Remembering, StateVacuumEntity):
    """A vacuum cleaner."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_activity = VacuumActivity(thing.state) if self.available else None

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return VacuumEntityFeature(bits)

    async def async_start(self) -> None:
        """Start."""
        self.keep(activity=VacuumActivity.CLEANING)

    async def async_pause(self) -> None:
        """Pause."""
        self.keep(activity=VacuumActivity.PAUSED)

    async def async_stop(self, **kwargs: Any) -> None:
        """Stop."""
        self.keep(activity=VacuumActivity.IDLE)

    async def async_return_to_base(self, **kwargs: Any) -> None:
        """Go home."""
        self.keep(activity=VacuumActivity.RETURNING)

    async def async_locate(self, **kwargs: Any) -> None:
        """Make a sound."""
        self.keep()


class Mower(Remembering, LawnMowerEntity):
    """A lawn mower."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_activity = LawnMowerActivity(thing.state) if self.available else None

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return LawnMowerEntityFeature(bits)

    async def async_start_mowing(self) -> None:
        """Start."""
        self.keep(activity=LawnMowerActivity.MOWING)

    async def async_pause(self) -> None:
        """Pause."""
        self.keep(activity=LawnMowerActivity.PAUSED)

    async def async_dock(self) -> None:
        """Go home."""
        self.keep(activity=LawnMowerActivity.RETURNING)
