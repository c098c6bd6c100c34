"""States of things, and the attributes that go with them, as Home Assistant reports them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from home_llm_lab.house import Thing

from .capabilities import SENSORS, Attributes
from .vocabulary import Vocabulary

# What belongs to a moment, not to the thing.
STATE_ATTRIBUTES = frozenset(
    {
        "brightness", "color_mode", "color_temp_kelvin", "rgb_color", "percentage", "oscillating", "direction",
        "preset_mode", "current_position", "current_tilt_position", "temperature", "current_temperature",
        "hvac_action", "fan_mode", "operation_mode", "humidity", "current_humidity", "mode", "volume_level",
        "is_volume_muted", "source", "media_title", "media_track", "items", "remaining", "wind_speed",
    }
)  # fmt: skip
COLORS = (
    (255, 0, 0), (0, 0, 255), (0, 128, 0), (255, 255, 0), (255, 165, 0), (128, 0, 128), (255, 192, 203), (0, 255, 255),
    (255, 160, 80), (255, 214, 170),
)  # fmt: skip
_UNAVAILABLE = 0.02
# What never is out of reach: it is Home Assistant itself.
_OWN = frozenset(
    {
        "scene",
        "script",
        "input_boolean",
        "input_number",
        "input_select",
        "input_button",
        "timer",
        "sun",
        "person",
        "todo",
    }
)


class Moment:
    """What states are drawn with: chance, and what is usual in this house now."""

    def __init__(self, rng: random.Random, words: Vocabulary, *, metric: bool) -> None:
        """Draw what is usual now: how much is switched on, how warm it is."""
        self.rng = rng
        self.words = words
        self.metric = metric
        self.on = rng.choice((0.15, 0.35, 0.35, 0.6))
        self.open = rng.choice((0.2, 0.5, 0.8))
        self.warmth = rng.uniform(17.5, 24)

    def degrees(self, celsius: float, digits: int = 1) -> float:
        """Return a temperature as this house measures it."""
        value = celsius if self.metric else celsius * 9 / 5 + 32
        return _plain(round(value, digits))

    def chance(self, probability: float) -> bool:
        """Return whether something happens."""
        return self.rng.random() < probability


def draw_state(thing: Thing, moment: Moment) -> tuple[str, Attributes]:
    """Return a state for a thing, and all its attributes."""
    fixed = {key: value for key, value in thing.attributes.items() if key not in STATE_ATTRIBUTES}
    if thing.domain not in _OWN and moment.chance(_UNAVAILABLE):
        return "unavailable", {**fixed, **({"items": ()} if thing.domain == "todo" else {})}
    draw = _BY_DOMAIN.get(thing.domain)
    state, changing = draw(thing, fixed, moment) if draw else ("unknown", {})
    return state, {**fixed, **changing}


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


def _on_off(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return ("on" if moment.chance(moment.on) else "off"), {}


def _light(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    if not moment.chance(moment.on):
        return "off", {}
    rng = moment.rng
    mode = rng.choice(fixed["supported_color_modes"])
    if mode == "onoff":
        return "on", {"color_mode": mode}
    # In steps of a percent or as somebody dragged it.
    brightness = rng.choice((255, 255, 128, 204, 77, 51, 26, 191, rng.randint(3, 254)))
    found: Attributes = {"color_mode": mode, "brightness": brightness}
    if mode == "color_temp":
        low, high = fixed["min_color_temp_kelvin"], fixed["max_color_temp_kelvin"]
        found["color_temp_kelvin"] = min(high, max(low, rng.choice((2700, 3000, 4000, 5000, 2200, 6500))))
    elif mode in ("hs", "xy", "rgb", "rgbw"):
        found["rgb_color"] = rng.choice(COLORS)
    return "on", found


def _fan(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng, features = moment.rng, fixed["supported_features"]
    running = moment.chance(moment.on)
    found: Attributes = {}
    if features & 1:
        step = fixed["percentage_step"]
        found["percentage"] = int(step * rng.randint(1, int(100 / step)) + 0.01) if running else 0
    if features & 2:
        found["oscillating"] = moment.chance(0.4)
    if features & 4:
        found["direction"] = rng.choice(("forward", "reverse"))
    if features & 8:
        found["preset_mode"] = rng.choice((None, *fixed["preset_modes"])) if running and not features & 1 else None
    return ("on" if running else "off"), found


def _cover(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng, features = moment.rng, fixed["supported_features"]
    door = thing.device_class in ("garage", "gate")
    is_open = moment.chance(0.15 if door else moment.open)
    found: Attributes = {}
    if features & 4:
        found["current_position"] = rng.choice((100, 100, 100, 50, 75, 25, rng.randint(1, 99))) if is_open else 0
    if features & 128:
        found["current_tilt_position"] = rng.choice((0, 50, 100, rng.randint(0, 100)))
    return ("open" if is_open else "closed"), found


def _lock(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return ("locked" if moment.chance(0.7) else "unlocked"), {}


def _climate(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    state = "off" if moment.chance(0.3) else rng.choice([mode for mode in fixed["hvac_modes"] if mode != "off"])
    step = fixed["target_temp_step"]
    wanted = moment.degrees(rng.uniform(17, 24), 6)
    wanted = min(fixed["max_temp"], max(fixed["min_temp"], round(wanted / step) * step))
    found: Attributes = {
        "temperature": _plain(round(wanted, 1)),
        # Home Assistant tells whole degrees of Fahrenheit.
        "current_temperature": moment.degrees(moment.warmth + rng.uniform(-2, 2), 1 if moment.metric else 0),
    }
    if "preset_modes" in fixed:
        found["preset_mode"] = rng.choice(("none", "none", *fixed["preset_modes"]))
    if "fan_modes" in fixed:
        found["fan_mode"] = rng.choice(fixed["fan_modes"])
    return state, found


def _water_heater(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    modes = fixed.get("operation_list", ("off", "electric"))
    state = "off" if moment.chance(0.25) else rng.choice(modes[1:])
    low, high = fixed["min_temp"], fixed["max_temp"]
    found: Attributes = {
        "temperature": _plain(round(rng.uniform(low, high))),
        "current_temperature": _plain(round(rng.uniform(low - 5, high))),
    }
    return state, ({**found, "operation_mode": state} if "operation_list" in fixed else found)


def _humidifier(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    low, high = fixed["min_humidity"], fixed["max_humidity"]
    found: Attributes = {
        "humidity": min(high, max(low, rng.choice((40, 45, 50, 55, 60)))),
        "current_humidity": rng.randint(28, 75),
    }
    if "available_modes" in fixed:
        found["mode"] = rng.choice(fixed["available_modes"])
    return ("on" if moment.chance(moment.on) else "off"), found


def _media_player(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    resting = "off" if fixed["supported_features"] & 256 else "idle"
    state = (
        rng.choice(("playing", "playing", "paused", "on" if resting == "off" else "idle"))
        if moment.chance(moment.on)
        else resting
    )
    if state == "off":
        return state, {}
    found: Attributes = {
        "volume_level": rng.choice((0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.35, 0.6, 0.15)),
        "is_volume_muted": moment.chance(0.08),
    }
    if "source_list" in fixed:
        found["source"] = rng.choice(fixed["source_list"])
    if state in ("playing", "paused") and moment.chance(0.8):
        found["media_title"] = moment.words.pick(rng, "titles", held_out=False) or "Radio"
        if fixed["supported_features"] & 32:
            found["media_track"] = rng.randint(2, 12)
    return state, found


def _vacuum(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return moment.rng.choice(("docked", "docked", "docked", "cleaning", "paused", "returning", "idle", "error")), {}


def _lawn_mower(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return moment.rng.choice(("docked", "docked", "docked", "mowing", "paused", "returning", "error")), {}


def _alarm(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    states = [
        state
        for bit, state in ((1, "armed_home"), (2, "armed_away"), (4, "armed_night"))
        if fixed["supported_features"] & bit
    ]
    return ("disarmed" if moment.chance(0.6) else moment.rng.choice(states)), {}


def _siren(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return ("on" if moment.chance(0.08) else "off"), {}


def _valve(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    is_open = moment.chance(0.4)
    if fixed["supported_features"] & 4:
        return ("open" if is_open else "closed"), {
            "current_position": moment.rng.choice((100, 100, 50, 30)) if is_open else 0
        }
    return ("open" if is_open else "closed"), {}


def _used(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    """Return when something that has no state was last used."""
    if moment.chance(0.3):
        return "unknown", {}
    rng = moment.rng
    return f"2026-0{rng.randint(1, 9)}-{rng.randint(10, 28)}T{rng.randint(10, 23)}:{rng.randint(10, 59)}:00+00:00", {}


def _script(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return "off", {}


def _todo(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    words = list(moment.words.list("todo_items"))
    items = tuple(moment.rng.sample(words, min(len(words), moment.rng.randint(0, 8))))
    return str(len(items)), {"items": items}


def _timer(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    state = moment.rng.choice(("idle", "idle", "active", "paused"))
    return state, (
        {} if state == "idle" else {"remaining": f"0:0{moment.rng.randint(0, 2)}:{moment.rng.randint(10, 59)}"}
    )


def _number(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    low, high, step = fixed["min"], fixed["max"], fixed["step"]
    value = low + step * moment.rng.randint(0, int((high - low) / step))
    return str(float(value) if thing.domain == "input_number" else _plain(value)), {}


def _select(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return moment.rng.choice(fixed["options"]), {}


def _binary_sensor(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rare = thing.device_class in ("moisture", "smoke", "carbon_monoxide", "battery")
    return ("on" if moment.chance(0.08 if rare else 0.35) else "off"), {}


def _sensor(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    if thing.kind in ("washer_state", "bin_sensor"):
        return str(moment.words.pick(rng, "sensor_states", thing.kind, held_out=False) or "unknown"), {}
    _, _, low, high, digits = SENSORS[thing.kind]
    if thing.device_class == "temperature":
        name = thing.entity_id + thing.name.casefold()
        low, high = moment.warmth - 2.5, moment.warmth + 2.5
        if any(word in name for word in ("fridge", "kühlschrank", "frigo", "nevera", "lodówk")):
            low, high = 2, 8
        elif any(word in name for word in ("freezer", "gefrier", "congel", "zamraż")):
            low, high = -22, -15
        elif thing.area_id is None or any(word in name for word in ("out", "garden", "außen", "extér", "zewn")):
            low, high = -6, 33
        return str(moment.degrees(round(rng.uniform(low, high), digits))), {}
    # Mostly small, seldom large.
    value = round(low + (high - low) * rng.random() ** (2 if high > 1000 or thing.kind == "rain_sensor" else 1), digits)
    return str(value if digits else int(value)), {}


def _weather(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    rng = moment.rng
    state = str(moment.words.pick(rng, "conditions", held_out=False) or "sunny")
    warm = rng.uniform(-4, 3) if state == "snowy" else rng.uniform(-2, 32)
    return state, {
        "temperature": moment.degrees(warm),
        "humidity": rng.randint(25, 98),
        "wind_speed": round(rng.uniform(0, 45), 1),
    }


def _presence(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    chance = moment.rng.random()
    if chance < 0.5:
        return "home", {}
    return (moment.words.pick(moment.rng, "zones", held_out=False) or "not_home") if chance < 0.75 else "not_home", {}


def _sun(thing: Thing, fixed: Attributes, moment: Moment) -> tuple[str, Attributes]:
    return ("above_horizon" if moment.chance(0.6) else "below_horizon"), {}


_BY_DOMAIN: Mapping[str, Callable[[Thing, Attributes, Moment], tuple[str, dict[str, Any]]]] = {
    "light": _light,
    "switch": _on_off,
    "input_boolean": _on_off,
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
    "scene": _used,
    "button": _used,
    "input_button": _used,
    "script": _script,
    "todo": _todo,
    "timer": _timer,
    "number": _number,
    "input_number": _number,
    "select": _select,
    "input_select": _select,
    "binary_sensor": _binary_sensor,
    "sensor": _sensor,
    "weather": _weather,
    "person": _presence,
    "device_tracker": _presence,
    "sun": _sun,
}
