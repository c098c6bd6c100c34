"""Hold what has changed in a house against what should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from home_llm_lab.example import Change

Values = Mapping[str, Any]

# What changes with something else, so that nobody has to say so: an attribute, and those of which one was meant.
_FOLLOWS: Mapping[str, frozenset[str]] = {
    "state": frozenset(
        {
            "brightness", "color", "rgb_color", "color_temp_kelvin", "percentage", "preset_mode", "current_position",
            "items", "operation_mode", "hvac_mode",
        }
    ),
    "color_mode": frozenset({"color", "rgb_color", "color_temp_kelvin"}),
    "rgb_color": frozenset({"color", "color_temp_kelvin", "color_mode"}),
    "color_temp_kelvin": frozenset({"color", "rgb_color", "color_mode"}),
    "brightness": frozenset({"state"}),
    "percentage": frozenset({"state", "preset_mode"}),
    "preset_mode": frozenset({"state", "percentage"}),
    "current_position": frozenset({"state"}),
    "operation_mode": frozenset({"state"}),
    "items": frozenset({"state"}),
    "duration": frozenset({"state"}),
}  # fmt: skip
# How far off a number may be: Home Assistant rounds.
_CLOSE: Mapping[str, float] = {"brightness": 1.5, "volume_level": 0.006}
_NEAR = 0.051
_SAME_COLOR = 12
# What a player that is on may be.
_ON = frozenset({"on", "idle", "playing", "paused", "standby", "buffering"})


def fault_of_changes(
    changes: Mapping[str, tuple[Values, Values]], effects: Mapping[str, Change], now: Mapping[str, Values]
) -> str | None:
    """Return what is wrong with what has changed, or None where it is just what was meant.

    Args:
        changes: what was and what is, by entity id, of what has changed.
        effects: what should be different; what was so already need not have changed.
        now: what is, of everything that should be different.
    """
    for entity_id, (was, is_now) in changes.items():
        if entity_id not in effects:
            return f"{entity_id.partition('.')[0]} changed beside the effects"
        meant = effects[entity_id]
        for name in (*was, *(name for name in is_now if name not in was)):
            if was.get(name) == is_now.get(name) or name in meant or _same(name, was.get(name), is_now.get(name)):
                continue
            # What shows only when something is on comes and goes with it.
            shows = "state" in meant and (was.get(name) is None or is_now.get(name) is None)
            if not shows and not _FOLLOWS.get(name, frozenset()) & set(meant):
                return f"{entity_id.partition('.')[0]} {name} changed beside the effects"
    for entity_id, meant in effects.items():
        for name, value in meant.items():
            found = now[entity_id].get(name) if entity_id in now else None
            switched = entity_id.startswith("media_player.") and value == "on" and found in _ON
            if not switched and not fits(name, value, found):
                return f"{entity_id.partition('.')[0]} {name} did not become what was meant"
    return None


def fits(name: str, meant: Any, found: Any) -> bool:
    """Return whether an attribute is what was meant: a value, or within a range."""
    if _is_range(meant):
        number = _number(found)
        slack = _CLOSE.get(name, _NEAR)
        return number is not None and meant[0] - slack <= number <= meant[1] + slack
    return bool(_same(name, meant, found))


def _same(name: str, one: Any, other: Any) -> bool:
    if isinstance(one, Sequence) and not isinstance(one, str):
        if not isinstance(other, Sequence) or len(one) != len(other):
            return False
        if name == "rgb_color":
            return all(abs(mine - yours) <= _SAME_COLOR for mine, yours in zip(one, other, strict=True))
        return sorted(map(str, one)) == sorted(map(str, other))
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return bool(one == other)
    first, second = _number(one), _number(other)
    if first is not None and second is not None:
        return abs(first - second) <= _CLOSE.get(name, _NEAR)
    return str(one) == str(other)


def _is_range(meant: Any) -> bool:
    return isinstance(meant, tuple) and len(meant) == 2 and all(isinstance(end, (int, float)) for end in meant)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
