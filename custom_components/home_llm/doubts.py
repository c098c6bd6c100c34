"""Hold a call against the words that were said; see near_miss for how."""

from collections.abc import Iterable, Sequence

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import llm

from .actions import Action, is_in
from .exposure import async_exposed_devices
from .near_miss import Doubt, Named, doubt
from .service_catalogue import offered_targets
from .service_types import EXCEPT, Device, Group

# What is called on with words of the user's own.
_FREE_TEXT = frozenset({"todo", "timer"})


@callback
def async_doubt(hass: HomeAssistant, action: Action, said: str, llm_context: llm.LLMContext) -> Doubt | None:
    """Return what the user's words say against an action, or None.

    What was named in full is told as far as the service can be called on it.
    """
    domain = action.service.domain
    if not said or domain in _FREE_TEXT:
        return None
    target = named_group(action.group, domain) if action.group else named_device(action.devices[0])
    given = [str(value) for name, value in action.arguments.items() if name not in ("entity_id", EXCEPT)]
    found = async_said_otherwise(hass, target, said, llm_context, given=given, excepted=action.excepted)
    if found is None or not found.named:
        return found
    # The user may have named it for another reason, but it is what could have been meant.
    possible = offered_targets(action.service, async_exposed_devices(hass, llm_context.assistant))
    return Doubt(tuple(name for name in found.named if name in possible) or found.named)


@callback
def async_said_otherwise(
    hass: HomeAssistant,
    target: Named,
    said: str,
    llm_context: llm.LLMContext,
    *,
    given: Iterable[str] = (),
    excepted: Sequence[str] = (),
) -> Doubt | None:
    """Return what the user's words say against a call on something, or None.

    Args:
        hass: Home Assistant.
        target: what the call is on.
        said: what the user said.
        llm_context: of the request.
        given: other arguments of the call.
        excepted: what the call leaves out.
    """
    devices = async_exposed_devices(hass, llm_context.assistant)
    groups = {group.target: group for device in devices for group in device.groups}
    others = [
        *(named_device(device) for device in devices),
        *(named_group(group, target.domain) for group in groups.values()),
    ]
    given = list(given)
    if excepted:
        # What is left out was named as well, and with it the place where it is.
        spared = [device for device in devices if is_in(device, tuple(excepted))]
        around = {device.entity_id for device in spared} | {group.target for one in spared for group in one.groups}
        given += [name for other in others if other.target in around for name in (*other.names, *other.places)]
        others = [other for other in others if other.target not in around]
    # An AI task says no language.
    return doubt(said, llm_context.language or hass.config.language, target, others, given)


def named_device(device: Device) -> Named:
    """Return a device with all that may be said of it."""
    places = tuple(name for group in device.groups for name in group.names)
    return Named(device.entity_id, device.domain, device.names or (device.name,), places)


def named_group(group: Group, domain: str) -> Named:
    """Return an area or a floor as what stands for its devices of a domain."""
    return Named(group.target, domain, group.names, is_group=True)
