"""What a call of one of Assist's intents is on: the entities that it may act on, and what else may have been meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import intent, llm

from .doubts import async_said_otherwise, named_device, named_group
from .errors import AgentError
from .exposure import async_device, async_exposed_device
from .home_format import clean
from .service_types import Device, Group
from .wording import words

# The intents on things of the house; the others are about timers, lists and messages, which are called anything.
ON_THINGS = frozenset(
    {
        intent.INTENT_TURN_ON,
        intent.INTENT_TURN_OFF,
        intent.INTENT_SET_POSITION,
        intent.INTENT_STOP_MOVING,
        "HassClimateSetTemperature",
        "HassFanSetSpeed",
        "HassHumidifierMode",
        "HassHumidifierSetpoint",
        "HassLawnMowerDock",
        "HassLawnMowerStartMowing",
        "HassLightSet",
        "HassMediaNext",
        "HassMediaPause",
        "HassMediaPlayerMute",
        "HassMediaPlayerUnmute",
        "HassMediaPrevious",
        "HassMediaUnpause",
        "HassSetVolume",
        "HassSetVolumeRelative",
        "HassVacuumReturnToBase",
        "HassVacuumStart",
    }
)
_PLACING = frozenset({"name", "area", "floor", "domain", "device_class"})


@dataclass(frozen=True, slots=True)
class Mistaken:
    """What speaks against a call.

    Attributes:
        label: what the call is on, as it is spoken of.
        named: whether something else was named in full.
        instead: that other device, where there is one.
    """

    label: str
    named: bool
    instead: Device | None = None


@callback
def async_targets(hass: HomeAssistant, arguments: Mapping[str, Any], llm_context: llm.LLMContext) -> list[State]:
    """Return the entities that an intent will act on, as far as its arguments make sense."""
    name = _text(arguments, "name")
    constraints = intent.MatchTargetsConstraints(
        name=None if name == "all" else name,
        area_name=_text(arguments, "area"),
        floor_name=_text(arguments, "floor"),
        domains=_texts(arguments, "domain"),
        device_classes=_texts(arguments, "device_class"),
        assistant=llm_context.assistant,
    )
    if not constraints.has_constraints:
        return []
    preferences = llm.async_get_match_preferences(hass, llm_context)
    return list(intent.async_match_targets(hass, constraints, preferences).states)


@callback
def async_mistaken(
    hass: HomeAssistant, arguments: Mapping[str, Any], states: list[State], said: str, llm_context: llm.LLMContext
) -> Mistaken | None:
    """Return what the user's words say against a call of an intent, or None.

    Args:
        hass: Home Assistant.
        arguments: of the call.
        states: what it acts on.
        said: what the user said.
        llm_context: of the request.
    """
    devices = [async_device(hass, state) for state in states]
    domains = {device.domain for device in devices}
    if len(domains) != 1 or not said:
        return None
    if (name := _text(arguments, "name")) and name != "all":
        target, label = named_device(devices[0]), devices[0].name
    elif group := _group(arguments, devices[0]):
        target, label = named_group(group, devices[0].domain), group.names[0]
    else:
        return None
    given = [str(value) for key, value in arguments.items() if key not in _PLACING]
    found = async_said_otherwise(hass, target, said, llm_context, given=given)
    if found is None:
        return None
    instead = async_exposed_device(hass, llm_context.assistant, found.named[0]) if len(found.named) == 1 else None
    return Mistaken(clean(label), bool(found.named), instead)


def not_matched(err: intent.MatchFailedError) -> AgentError:
    """Return what to say about an intent that has found nothing, or too much."""
    wanted = err.constraints
    named = wanted.name or wanted.area_name or wanted.floor_name or ", ".join(sorted(wanted.domains or ()))
    several = err.result.no_match_reason in (
        intent.MatchFailedReason.DUPLICATE_NAME,
        intent.MatchFailedReason.MULTIPLE_TARGETS,
    )
    device = clean(named)
    return AgentError("several_found", device=device) if several else AgentError("nothing_found", device=device)


def _group(arguments: Mapping[str, Any], device: Device) -> Group | None:
    """Return the area or the floor that a call names, as one of those that a device is in."""
    wanted = [words(text) for key in ("area", "floor") if (text := _text(arguments, key))]
    return next((group for group in device.groups if any(words(name) in wanted for name in group.names)), None)


def _text(arguments: Mapping[str, Any], key: str) -> str | None:
    """Return an argument as the intent will read it, None for none."""
    value = arguments.get(key)
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return text if text.strip() else None


def _texts(arguments: Mapping[str, Any], key: str) -> set[str] | None:
    """Return an argument that may be one text or several."""
    value = arguments.get(key)
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return {text for text in texts if isinstance(text, str) and text} or None
