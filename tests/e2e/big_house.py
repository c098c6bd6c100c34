"""A house of thirty devices in six areas on two floors, in a real Home Assistant, that remembers what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.components.alarm_control_panel import (
    AlarmControlPanelEntity,
    AlarmControlPanelEntityFeature,
    AlarmControlPanelState,
)
from homeassistant.components.climate import ClimateEntity, ClimateEntityFeature, HVACMode
from homeassistant.components.cover import CoverDeviceClass, CoverEntity, CoverEntityFeature
from homeassistant.components.fan import FanEntity, FanEntityFeature
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.light import ColorMode, LightEntity
from homeassistant.components.lock import LockEntity
from homeassistant.components.media_player import MediaPlayerEntity, MediaPlayerEntityFeature, MediaPlayerState
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.components.switch import SwitchEntity
from homeassistant.components.vacuum import StateVacuumEntity, VacuumActivity, VacuumEntityFeature
from homeassistant.const import UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers.entity import Entity
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import setup_test_component_platform

# What tells that a device has done something. Everything else follows from these.
TELLING = ("brightness", "rgb_color", "color_temp_kelvin", "temperature", "percentage", "current_position")
TELLING_SOUND = ("volume_level", "is_volume_muted")

FLOORS = {"Downstairs": ("Living Room", "Kitchen", "Hall", "Garage"), "Upstairs": ("Bedroom", "Office")}

type Snapshot = dict[str, tuple[Any, ...]]


class _Device(Entity):
    """A device that only remembers."""

    _attr_should_poll = False

    def __init__(self, name: str, **state: Any) -> None:
        """Begin in a state, to which it can be put back."""
        self._attr_name = name
        self._attr_unique_id = name
        self._begin = {f"_attr_{key}": value for key, value in state.items()}
        self._keep(self._begin)

    def reset(self) -> None:
        """Go back to how it began."""
        self.keep(**{key.removeprefix("_attr_"): value for key, value in self._begin.items()})

    def keep(self, **state: Any) -> None:
        """Remember a state and tell it."""
        self._keep({f"_attr_{key}": value for key, value in state.items()})
        self.async_write_ha_state()

    def _keep(self, state: Mapping[str, Any]) -> None:
        for key, value in state.items():
            setattr(self, key, value)


class Lamp(_Device, LightEntity):
    """A lamp."""

    def __init__(self, name: str, mode: ColorMode = ColorMode.BRIGHTNESS, *, is_on: bool = False) -> None:
        """Begin on or off."""
        level = None if mode is ColorMode.ONOFF else 255
        colors = {"rgb_color": (255, 255, 255)} if mode is ColorMode.RGB else {}
        super().__init__(name, is_on=is_on, brightness=level, **colors)
        self._attr_color_mode = mode
        self._attr_supported_color_modes = {mode}

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.keep(is_on=True, **{key: kwargs[key] for key in ("brightness", "rgb_color") if key in kwargs})

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(is_on=False)


class Plug(_Device, SwitchEntity):
    """A switch."""

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.keep(is_on=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(is_on=False)


class Fan(_Device, FanEntity):
    """A fan with speeds."""

    _attr_supported_features = FanEntityFeature.TURN_ON | FanEntityFeature.TURN_OFF | FanEntityFeature.SET_SPEED

    async def async_turn_on(self, percentage: int | None = None, preset_mode: str | None = None, **kwargs: Any) -> None:
        """Turn on."""
        self.keep(percentage=percentage or 50)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(percentage=0)

    async def async_set_percentage(self, percentage: int) -> None:
        """Set the speed."""
        self.keep(percentage=percentage)


class Cover(_Device, CoverEntity):
    """A blind, a curtain or a door."""

    _attr_supported_features = (
        CoverEntityFeature.OPEN | CoverEntityFeature.CLOSE | CoverEntityFeature.STOP | CoverEntityFeature.SET_POSITION
    )

    def __init__(self, name: str, kind: CoverDeviceClass, position: int) -> None:
        """Begin at a position."""
        super().__init__(name, current_cover_position=position)
        self._attr_device_class = kind

    @property
    def is_closed(self) -> bool:
        """Return whether it is shut."""
        return self.current_cover_position == 0

    async def async_open_cover(self, **kwargs: Any) -> None:
        """Open."""
        self.keep(current_cover_position=100)

    async def async_close_cover(self, **kwargs: Any) -> None:
        """Close."""
        self.keep(current_cover_position=0)

    async def async_stop_cover(self, **kwargs: Any) -> None:
        """Stop, which changes nothing in something that is at once where it should be."""

    async def async_set_cover_position(self, **kwargs: Any) -> None:
        """Move."""
        self.keep(current_cover_position=kwargs["position"])


class Door(_Device, LockEntity):
    """A lock."""

    async def async_lock(self, **kwargs: Any) -> None:
        """Lock."""
        self.keep(is_locked=True)

    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock."""
        self.keep(is_locked=False)


class Alarm(_Device, AlarmControlPanelEntity):
    """An alarm without a code."""

    _attr_code_arm_required = False
    _attr_supported_features = AlarmControlPanelEntityFeature.ARM_HOME | AlarmControlPanelEntityFeature.ARM_AWAY

    async def async_alarm_disarm(self, code: str | None = None) -> None:
        """Disarm."""
        self.keep(alarm_state=AlarmControlPanelState.DISARMED)

    async def async_alarm_arm_home(self, code: str | None = None) -> None:
        """Arm at home."""
        self.keep(alarm_state=AlarmControlPanelState.ARMED_HOME)

    async def async_alarm_arm_away(self, code: str | None = None) -> None:
        """Arm for leaving."""
        self.keep(alarm_state=AlarmControlPanelState.ARMED_AWAY)


class Heating(_Device, ClimateEntity):
    """A thermostat."""

    _attr_supported_features = (
        ClimateEntityFeature.TARGET_TEMPERATURE | ClimateEntityFeature.TURN_ON | ClimateEntityFeature.TURN_OFF
    )
    _attr_hvac_modes = [HVACMode.OFF, HVACMode.HEAT]  # noqa: RUF012 - as Home Assistant has it
    _attr_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_min_temp = 7
    _attr_max_temp = 28

    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature."""
        self.keep(target_temperature=kwargs["temperature"])

    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Set the mode."""
        self.keep(hvac_mode=hvac_mode)


class Player(_Device, MediaPlayerEntity):
    """A player."""

    _attr_supported_features = (
        MediaPlayerEntityFeature.TURN_ON
        | MediaPlayerEntityFeature.TURN_OFF
        | MediaPlayerEntityFeature.PLAY
        | MediaPlayerEntityFeature.PAUSE
        | MediaPlayerEntityFeature.VOLUME_SET
        | MediaPlayerEntityFeature.VOLUME_MUTE
    )

    async def async_turn_on(self) -> None:
        """Turn on."""
        self.keep(state=MediaPlayerState.ON)

    async def async_turn_off(self) -> None:
        """Turn off."""
        self.keep(state=MediaPlayerState.OFF)

    async def async_media_play(self) -> None:
        """Play."""
        self.keep(state=MediaPlayerState.PLAYING)

    async def async_media_pause(self) -> None:
        """Pause."""
        self.keep(state=MediaPlayerState.PAUSED)

    async def async_set_volume_level(self, volume: float) -> None:
        """Set the volume."""
        self.keep(volume_level=volume)

    async def async_mute_volume(self, mute: bool) -> None:
        """Mute."""
        self.keep(is_volume_muted=mute)


class Robot(_Device, StateVacuumEntity):
    """A vacuum cleaner."""

    _attr_supported_features = (
        VacuumEntityFeature.START
        | VacuumEntityFeature.PAUSE
        | VacuumEntityFeature.RETURN_HOME
        | VacuumEntityFeature.STATE
    )

    async def async_start(self) -> None:
        """Start."""
        self.keep(activity=VacuumActivity.CLEANING)

    async def async_pause(self) -> None:
        """Pause."""
        self.keep(activity=VacuumActivity.PAUSED)

    async def async_return_to_base(self, **kwargs: Any) -> None:
        """Go home."""
        self.keep(activity=VacuumActivity.RETURNING)


class Thermometer(_Device, SensorEntity):
    """A temperature."""

    _attr_device_class = SensorDeviceClass.TEMPERATURE
    _attr_native_unit_of_measurement = UnitOfTemperature.CELSIUS


def _rooms() -> dict[str, dict[str, list[_Device]]]:
    """Return the exposed devices by area and domain."""
    on_off = ColorMode.ONOFF
    player = {"state": MediaPlayerState.PLAYING, "volume_level": 0.5, "is_volume_muted": False}
    heat = {"hvac_mode": HVACMode.HEAT, "current_temperature": 19.5}
    return {
        "Living Room": {
            "light": [Lamp("Living Room Lamp", ColorMode.RGB, is_on=True), Lamp("Reading Light")],
            "media_player": [Player("TV", **player)],
            "cover": [Cover("Living Room Blinds", CoverDeviceClass.BLIND, 100)],
            "climate": [Heating("Living Room Thermostat", target_temperature=20.0, **heat)],
            "fan": [Fan("Ceiling Fan", percentage=0)],
        },
        "Kitchen": {
            "light": [Lamp("Kitchen Light"), Lamp("Counter Light", on_off, is_on=True)],
            "switch": [Plug("Coffee Maker", is_on=False), Plug("Dishwasher", is_on=True)],
            "media_player": [Player("Kitchen Speaker", **player)],
            "sensor": [Thermometer("Fridge Temperature", native_value=5.5)],
        },
        "Hall": {
            "light": [Lamp("Hall Light", on_off)],
            "lock": [Door("Front Door", is_locked=True)],
            "alarm_control_panel": [Alarm("Home Alarm", alarm_state=AlarmControlPanelState.ARMED_HOME)],
            "vacuum": [Robot("Robbie", activity=VacuumActivity.DOCKED)],
            "sensor": [Thermometer("Outside Temperature", native_value=12.5)],
        },
        "Garage": {
            "light": [Lamp("Garage Light", on_off)],
            "cover": [Cover("Garage Door", CoverDeviceClass.GARAGE, 0)],
            "switch": [Plug("Car Charger", is_on=False)],
        },
        "Bedroom": {
            "light": [Lamp("Bedroom Light", is_on=True), Lamp("Nightstand Lamp")],
            "cover": [Cover("Bedroom Curtain", CoverDeviceClass.CURTAIN, 100)],
            "climate": [Heating("Bedroom Heater", target_temperature=18.0, **heat)],
            "fan": [Fan("Bedroom Fan", percentage=50)],
        },
        "Office": {
            "light": [Lamp("Office Light", on_off), Lamp("Desk Lamp", is_on=True)],
            "switch": [Plug("Printer", is_on=True)],
            "cover": [Cover("Office Blinds", CoverDeviceClass.BLIND, 0)],
            "media_player": [Player("Office Radio", **player)],
        },
    }


def _hidden() -> dict[str, list[_Device]]:
    """Return what is not exposed."""
    return {
        "light": [Lamp("Safe Light")],
        "lock": [Door("Cellar Door", is_locked=True)],
        "switch": [Plug("Server Rack", is_on=True)],
    }


@dataclass(frozen=True)
class House:
    """The devices of the house."""

    hass: HomeAssistant
    devices: list[_Device]
    exposed: frozenset[str]
    hidden: frozenset[str]

    async def reset(self) -> None:
        """Put everything back to how it began."""
        for device in self.devices:
            device.reset()
        await self.hass.async_block_till_done()

    def snapshot(self) -> Snapshot:
        """Return the states of all devices, exposed or not."""
        return {entity_id: self._state(entity_id) for entity_id in sorted(self.exposed | self.hidden)}

    def changes(self, before: Snapshot) -> Snapshot:
        """Return the new states of what is not as before."""
        return {entity_id: state for entity_id, state in self.snapshot().items() if before[entity_id] != state}

    def _state(self, entity_id: str) -> tuple[Any, ...]:
        state = self.hass.states.get(entity_id)
        assert state is not None
        # A player that is switched off tells no volume, which is no second change.
        names = TELLING if entity_id.startswith("media_player.") and state.state == "off" else TELLING + TELLING_SOUND
        found = ((name, state.attributes.get(name)) for name in names)
        return (state.state, *((name, value) for name, value in found if value is not None))


async def build_house(hass: HomeAssistant) -> House:
    """Set the house up and expose it."""
    rooms, hidden = _rooms(), _hidden()
    domains: dict[str, list[_Device]] = {}
    for part in (*rooms.values(), hidden):
        for domain, devices in part.items():
            domains.setdefault(domain, []).extend(devices)
    for domain, devices in domains.items():
        setup_test_component_platform(hass, domain, devices)
    for domain in domains:
        assert await async_setup_component(hass, domain, {domain: {"platform": "test"}})
    await hass.async_block_till_done()
    floors, areas, entities = fr.async_get(hass), ar.async_get(hass), er.async_get(hass)
    for floor_name, names in FLOORS.items():
        floor = floors.async_create(floor_name)
        for name in names:
            area = areas.async_create(name, floor_id=floor.floor_id)
            for device in (device for devices in rooms[name].values() for device in devices):
                entities.async_update_entity(device.entity_id, area_id=area.id)
    exposed = {device.entity_id for room in rooms.values() for devices in room.values() for device in devices}
    kept = {device.entity_id for devices in hidden.values() for device in devices}
    for entity_id in exposed | kept:
        async_expose_entity(hass, "conversation", entity_id, should_expose=entity_id in exposed)
    await hass.async_block_till_done()
    every = [device for devices in domains.values() for device in devices]
    return House(hass, every, frozenset(exposed), frozenset(kept))
