"""Virtual covers, valves, locks and alarms: what opens and closes."""

from __future__ import annotations

from typing import Any

from homeassistant.components.alarm_control_panel import AlarmControlPanelEntity
from homeassistant.components.alarm_control_panel.const import AlarmControlPanelEntityFeature, AlarmControlPanelState
from homeassistant.components.cover import CoverEntity, CoverEntityFeature
from homeassistant.components.lock import LockEntity
from homeassistant.components.lock.const import LockEntityFeature
from homeassistant.components.valve.const import ValveEntityFeature
from homeassistant.components.valve.entity import ValveEntity

from home_llm_lab.house import Thing

from .remembering import Remembering


class Cover(Remembering, CoverEntity):
    """A cover, which is at once where it should be."""

    _other = {  # noqa: RUF012 - nobody writes into it
        "current_position": "current_cover_position",
        "current_tilt_position": "current_cover_tilt_position",
    }

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_is_closed = thing.state == "closed"

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return CoverEntityFeature(bits)

    def _move(self, position: int) -> None:
        if CoverEntityFeature.SET_POSITION in self.supported_features:
            self.keep(current_cover_position=position, is_closed=position == 0)
        else:
            self.keep(is_closed=position == 0)

    async def async_open_cover(self, **kwargs: Any) -> None:
        """Open."""
        self._move(100)

    async def async_close_cover(self, **kwargs: Any) -> None:
        """Close."""
        self._move(0)

    async def async_set_cover_position(self, **kwargs: Any) -> None:
        """Move."""
        self._move(kwargs["position"])

    async def async_stop_cover(self, **kwargs: Any) -> None:
        """Stop, which changes nothing in something that is at once where it should be."""
        self.keep()

    def _tilt(self, position: int) -> None:
        if CoverEntityFeature.SET_TILT_POSITION in self.supported_features:
            self.keep(current_cover_tilt_position=position)
        else:
            self.keep()

    async def async_open_cover_tilt(self, **kwargs: Any) -> None:
        """Open the slats."""
        self._tilt(100)

    async def async_close_cover_tilt(self, **kwargs: Any) -> None:
        """Close the slats."""
        self._tilt(0)

    async def async_set_cover_tilt_position(self, **kwargs: Any) -> None:
        """Tilt the slats."""
        self._tilt(kwargs["tilt_position"])


class Valve(Remembering, ValveEntity):
    """A valve."""

    _other = {"current_position": "current_valve_position"}  # noqa: RUF012 - nobody writes into it

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_reports_position = ValveEntityFeature.SET_POSITION in self.supported_features
        self._attr_is_closed = thing.state == "closed"

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return ValveEntityFeature(bits)

    async def async_open_valve(self) -> None:
        """Open."""
        await self.async_set_valve_position(100)

    async def async_close_valve(self) -> None:
        """Close."""
        await self.async_set_valve_position(0)

    async def async_set_valve_position(self, position: int) -> None:
        """Move."""
        if self.reports_position:
            self.keep(current_valve_position=position, is_closed=position == 0)
        else:
            self.keep(is_closed=position == 0)

    async def async_stop_valve(self) -> None:
        """Stop."""
        self.keep()


class DoorLock(Remembering, LockEntity):
    """A lock."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_is_locked = thing.state == "locked"
        self._attr_is_open = thing.state == "open"

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return LockEntityFeature(bits)

    async def async_lock(self, **kwargs: Any) -> None:
        """Lock."""
        self.keep(is_locked=True, is_open=False)

    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock."""
        self.keep(is_locked=False, is_open=False)

    async def async_open(self, **kwargs: Any) -> None:
        """Open the latch."""
        self.keep(is_locked=False, is_open=True)


class Alarm(Remembering, AlarmControlPanelEntity):
    """An alarm without a code."""

    _attr_code_arm_required = False

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_alarm_state = AlarmControlPanelState(thing.state) if self.available else None

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return AlarmControlPanelEntityFeature(bits)

    async def async_alarm_disarm(self, code: str | None = None) -> None:
        """Disarm."""
        self.keep(alarm_state=AlarmControlPanelState.DISARMED)

    async def async_alarm_arm_home(self, code: str | None = None) -> None:
        """Arm at home."""
        self.keep(alarm_state=AlarmControlPanelState.ARMED_HOME)

    async def async_alarm_arm_away(self, code: str | None = None) -> None:
        """Arm for leaving."""
        self.keep(alarm_state=AlarmControlPanelState.ARMED_AWAY)

    async def async_alarm_arm_night(self, code: str | None = None) -> None:
        """Arm for the night."""
        self.keep(alarm_state=AlarmControlPanelState.ARMED_NIGHT)
