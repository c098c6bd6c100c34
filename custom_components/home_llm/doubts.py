"""Hold a call against the words that were said; see near_miss for how."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import llm

from .actions import Action
from .errors import AgentError
from .exposure import async_exposed_devices
from .home_format import clean
from .near_miss import Doubt, Named, doubt
from .service_types import Device, Group

# What is called on with words of the user's own.
_FREE_TEXT = frozenset({"todo", "timer"})


@callback
def async_doubt(hass: HomeAssistant, action: Action, said: str, llm_context: llm.LLMContext) -> bool:
    """Return whether the user has to say which device is meant.

    Raises:
        AgentError: the user named something else in full.
    """
    domain = action.service.domain
    if not said or domain in _FREE_TEXT:
        return False
    devices = async_exposed_devices(hass, llm_context.assistant)
    groups = {group.target: group for device in devices for group in device.groups}
    target = _group(action.group, domain) if action.group else _device(action.devices[0])
    others = [*(_device(device) for device in devices), *(_group(group, domain) for group in groups.values())]
    given = [str(value) for name, value in action.arguments.items() if name != "entity_id"]
    match doubt(said, llm_context.language, target, others, given):
        case Doubt.OTHER:
            raise AgentError("other_device", device=action.label, said=clean(said))
        case Doubt.NEAR:
            return True
    return False


def _device(device: Device) -> Named:
    """Return a device with all that may be said of it."""
    places = tuple(name for group in device.groups for name in group.names)
    return Named(device.entity_id, device.domain, device.names or (device.name,), places)


def _group(group: Group, domain: str) -> Named:
    """Return an area or a floor as what stands for its devices of a domain."""
    return Named(group.target, domain, group.names, is_group=True)
