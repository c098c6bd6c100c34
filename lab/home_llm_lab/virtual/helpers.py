"""Virtual scenes, scripts, buttons, numbers, choices, lists and timers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from homeassistant.components.button import ButtonEntity
from homeassistant.components.number import NumberEntity
from homeassistant.components.scene import Scene
from homeassistant.components.select import SelectEntity
from homeassistant.components.todo.const import TodoItemStatus, TodoListEntityFeature
from homeassistant.components.todo.entity import TodoItem, TodoListEntity
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNKNOWN
from homeassistant.exceptions import HomeAssistantError

from home_llm_lab.house import Thing

from .remembering import Helper, Remembering


def _last(thing: Thing) -> str | None:
    """Return when something without a state was last used."""
    return None if thing.state == STATE_UNKNOWN else thing.state


class Picture(Remembering, Scene):
    """A scene, which moves nothing here."""

    def take(self, thing: Thing) -> None:
        """Take the time of the last use from a thing, where Home Assistant's own class keeps it."""
        super().take(thing)
        vars(self)["_BaseScene__last_activated"] = _last(thing)

    async def async_activate(self, **kwargs: Any) -> None:
        """Be activated."""
        self.keep()


class Button(Remembering, ButtonEntity):
    """A button, of a device or of Home Assistant itself."""

    def take(self, thing: Thing) -> None:
        """Take the time of the last use from a thing, where Home Assistant's own class keeps it."""
        super().take(thing)
        vars(self)["_ButtonEntity__last_pressed_isoformat"] = _last(thing)
        vars(self).pop("state", None)
        if "editable" in thing.attributes:
            self._attr_extra_state_attributes = {"editable": thing.attributes["editable"]}

    async def async_press(self) -> None:
        """Be pressed."""
        self.keep()


class Script(Helper):
    """A script, which is done at once and does nothing here."""

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Run."""
        runs = self._attr_extra_state_attributes.get("last_triggered", 0)
        self.keep(last_triggered=runs + 1)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Stop."""
        self.keep(state=STATE_OFF)


class Toggle(Helper):
    """A switch of Home Assistant's own."""

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.keep(state=STATE_ON)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.keep(state=STATE_OFF)


class Number(Remembering, NumberEntity):
    """A number of a device."""

    _same = ("mode",)
    _other = {  # noqa: RUF012 - nobody writes into it
        "min": "native_min_value",
        "max": "native_max_value",
        "step": "native_step",
        "unit_of_measurement": "native_unit_of_measurement",
    }

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        # An integration has units of its own, which Home Assistant calls native.
        self._attr_unit_of_measurement = None
        self._attr_native_value = _number(thing.state) if self.available else None

    async def async_set_native_value(self, value: float) -> None:
        """Set it."""
        self.keep(native_value=_number(value))


class InputNumber(Helper):
    """A number of Home Assistant's own."""

    async def async_set_native_value(self, value: float) -> None:
        """Set it.

        Raises:
            HomeAssistantError: it is out of range.
        """
        if not self.thing.attributes["min"] <= value <= self.thing.attributes["max"]:
            raise HomeAssistantError(f"{value} is out of range")
        self.keep(state=str(float(value)))


class Choice(Remembering, SelectEntity):
    """A choice, of a device or of Home Assistant itself."""

    def take(self, thing: Thing) -> None:
        """Take state and attributes from a thing."""
        super().take(thing)
        self._attr_options = list(thing.attributes["options"])
        self._attr_current_option = thing.state if self.available else None

    async def async_select_option(self, option: str) -> None:
        """Select an option."""
        self.keep(current_option=option)


class Todo(Remembering, TodoListEntity):
    """A list of things to do or to buy."""

    def take(self, thing: Thing) -> None:
        """Take the items from a thing, all of them open."""
        super().take(thing)
        self._attr_todo_items = [
            TodoItem(summary=item, uid=str(number), status=TodoItemStatus.NEEDS_ACTION)
            for number, item in enumerate(thing.attributes.get("items", ()))
        ]

    def features(self, bits: int) -> int:
        """Return the supported features."""
        return TodoListEntityFeature(bits)

    @property
    def items(self) -> tuple[str, ...]:
        """Return what is still open."""
        return tuple(item.summary or "" for item in self.todo_items or () if item.status is TodoItemStatus.NEEDS_ACTION)

    async def async_create_todo_item(self, item: TodoItem) -> None:
        """Put something on the list."""
        item.uid = f"new {len(self._items())}"
        self.keep(todo_items=[*self._items(), item])

    async def async_update_todo_item(self, item: TodoItem) -> None:
        """Change something on the list."""
        self.keep(todo_items=[item if other.uid == item.uid else other for other in self._items()])

    async def async_delete_todo_items(self, uids: list[str]) -> None:
        """Take something off the list."""
        self.keep(todo_items=[item for item in self._items() if item.uid not in uids])

    def _items(self) -> list[TodoItem]:
        return list(self.todo_items or ())


class Timer(Helper):
    """A timer that is an entity, whose time stands still here."""

    async def async_start(self, duration: timedelta | None = None) -> None:
        """Start with a new duration, or go on."""
        length = _clock(duration) if duration else self._attr_extra_state_attributes.get("remaining")
        length = length or self._attr_extra_state_attributes["duration"]
        told = {"duration": length} if duration else {}
        self.keep(state="active", remaining=length, **told)

    async def async_pause(self) -> None:
        """Pause, where it runs."""
        self.keep(state="paused" if self._attr_state == "active" else self._attr_state)

    async def async_cancel(self) -> None:
        """Cancel, which brings its own duration back."""
        self.keep(state="idle", duration=self.thing.attributes["duration"], remaining=None)


def _number(value: str | float) -> float:
    number = float(value)
    return int(number) if number == int(number) else number


def _clock(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
