"""From a call to what it does: the resolver, which finds what is meant, and the executor, which does it.

Both look at what is exposed for themselves: whatever reaches the executor, it touches nothing else.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers import llm

from .const import DOMAIN, LOGGER, SERVICE_TIMEOUT
from .errors import AgentError
from .exposure import AREA, FLOOR, async_exposed_device, async_exposed_devices
from .home_format import clean
from .service_catalogue import group_members
from .service_types import ALL, EXCEPT, ArgumentError, Device, Group, Service
from .whole_house import whole_house
from .wording import words


@dataclass(frozen=True, slots=True)
class Action:
    """A call that can be carried out."""

    service: Service
    # What it is on, as the call wrote it and as it is spoken of.
    target: str
    label: str
    devices: tuple[Device, ...]
    # The fields of the service calls; more than one where devices want different ones.
    calls: tuple[dict[str, Any], ...]
    arguments: Mapping[str, Any]
    group: Group | None = None
    # What of the group is left out: entities, areas and floors.
    excepted: tuple[str, ...] = ()


@callback
def async_resolve(
    hass: HomeAssistant,
    assistant: str,
    service: Service,
    arguments: Mapping[str, Any],
    language: str | None = None,
) -> Action:
    """Return what a call means.

    Args:
        hass: Home Assistant.
        assistant: for which entities are exposed.
        service: what is called.
        arguments: with which.
        language: in which the whole house is spoken of.

    Raises:
        AgentError: it means nothing that is exposed, or nothing that can do this.
    """
    target = arguments.get("entity_id")
    kind, _, name = target.partition(".") if isinstance(target, str) else ("", "", "")
    if kind in (AREA, FLOOR) or target == ALL:
        devices = async_exposed_devices(hass, assistant)
        group = whole_house(language) if target == ALL else _find_group(devices, f"{kind}.{name}")
        if group is None:
            raise AgentError("not_exposed", device=clean(str(target)))
        return _resolve_group(devices, service, arguments, group)
    device = async_exposed_device(hass, assistant, target) if isinstance(target, str) else None
    if device is None:
        raise AgentError("not_exposed", device=clean(str(target)))
    label = clean(device.name)
    if EXCEPT in arguments:
        raise AgentError("except_of_one", device=label)
    if service.covers or not service.supported(device):
        raise AgentError("not_supported", device=label, service=service.name)
    if device.state == STATE_UNAVAILABLE:
        # Home Assistant passes over such entities in silence.
        raise AgentError("device_unavailable", device=label)
    try:
        data = service.service_data(arguments, device)
    except ArgumentError as err:
        raise _argument_error(err, label) from err
    return Action(service, device.entity_id, label, (device,), (data,), arguments)


def _resolve_group(devices: list[Device], service: Service, arguments: Mapping[str, Any], group: Group) -> Action:
    """Return what a call on a group means: the exposed devices in it that can do it now and are not left out.

    Raises:
        AgentError: there are none, or something is to be left out that is not exposed.
    """
    label = clean(group.names[0])
    members = group_members(service, group.target, devices)
    if not members:
        raise AgentError("not_supported", device=label, service=service.name)
    rest = dict(arguments)
    excepted = _find_exceptions(devices, rest.pop(EXCEPT), label) if EXCEPT in rest else ()
    left = [device for device in members if not is_in(device, excepted)]
    if not left:
        raise AgentError("nothing_left", device=label)
    available = [device for device in left if device.state != STATE_UNAVAILABLE]
    if not available:
        raise AgentError("device_unavailable", device=label)
    calls: list[dict[str, Any]] = []
    able: list[Device] = []
    wrong: ArgumentError | None = None
    for device in available:
        try:
            data = service.service_data(rest, device)
        except ArgumentError as err:
            # A lamp that cannot be dimmed is passed over when the others are.
            wrong = err
            continue
        able.append(device)
        fields = {**data, "entity_id": []}
        call = next((call for call in calls if {**call, "entity_id": []} == fields), None)
        if call is None:
            calls.append(call := fields)
        call["entity_id"].append(device.entity_id)
    if wrong is not None and not able:
        raise _argument_error(wrong, label) from wrong
    return Action(service, group.target, label, tuple(able), tuple(calls), arguments, group, excepted)


def _find_exceptions(devices: list[Device], value: Any, label: str) -> tuple[str, ...]:
    """Return what a call leaves out, as the registries name it.

    Raises:
        AgentError: it is no list of targets, or one of them is not exposed: rather nothing is done than too much.
    """
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list) or not wanted or not all(isinstance(item, str) for item in wanted):
        raise _argument_error(ArgumentError(EXCEPT, value), label)
    known = {device.entity_id for device in devices}
    found: list[str] = []
    for item in wanted:
        group = None if item in known else _find_group(devices, item)
        if group is None and item not in known:
            raise AgentError("not_exposed", device=clean(item))
        found.append(group.target if group else item)
    return tuple(found)


def is_in(device: Device, targets: tuple[str, ...]) -> bool:
    """Return whether a device is one of some targets, or in one of them."""
    return device.entity_id in targets or any(group.target in targets for group in device.groups)


def _find_group(devices: list[Device], target: str) -> Group | None:
    """Return an area or a floor with exposed devices, by its id or by one of its names."""
    groups = {group.target: group for device in devices for group in device.groups}
    if target in groups:
        return groups[target]
    kind, _, name = target.partition(".")
    wanted = words(name)
    found = [
        group
        for group in groups.values()
        if group.target.startswith(f"{kind}.") and any(words(alias) == wanted for alias in group.names)
    ]
    return found[0] if wanted and len(found) == 1 else None


async def async_perform(hass: HomeAssistant, action: Action, llm_context: llm.LLMContext) -> None:
    """Carry an action out, in the name of the speaker.

    Raises:
        AgentError: it failed.
    """
    service = action.service
    for device in action.devices:
        if not async_should_expose(hass, llm_context.assistant, device.entity_id):
            raise AgentError("not_exposed", device=clean(device.entity_id))
    if not hass.services.has_service(service.domain, service.called):
        raise AgentError("not_supported", device=action.label, service=service.name)
    await async_wait(hass, _async_call(hass, action, llm_context), action.label, service.name)


async def _async_call(hass: HomeAssistant, action: Action, llm_context: llm.LLMContext) -> None:
    """Call the services of an action one after the other."""
    for data in action.calls:
        await hass.services.async_call(
            action.service.domain, action.service.called, data, blocking=True, context=llm_context.context
        )


async def async_wait(hass: HomeAssistant, work: Any, label: str, name: str) -> None:
    """Wait for what a call does, but not longer than a person would.

    Raises:
        AgentError: it failed.
    """
    task = hass.async_create_task(work, name=f"{DOMAIN} {name}")
    await asyncio.wait({task}, timeout=SERVICE_TIMEOUT)
    if not task.done():
        LOGGER.debug("%s goes on in the background", name)
        task.add_done_callback(_log_late_failure)
        return
    try:
        task.result()
    except Unauthorized as err:
        raise AgentError("not_allowed", device=label) from err
    except HomeAssistantError as err:
        raise AgentError("service_failed", device=label, message=clean(str(err), 200)) from err
    except Exception as err:
        # Whatever an integration raises, the assistant has to answer for it.
        LOGGER.exception("%s failed", name)
        raise AgentError("service_failed", device=label, message=clean(str(err), 200)) from err


def _log_late_failure(task: asyncio.Task[None]) -> None:
    """Log what went wrong after the assistant had answered."""
    if not task.cancelled() and (err := task.exception()) is not None:
        LOGGER.error("%s failed after the answer: %s", task.get_name(), err)


def _argument_error(err: ArgumentError, label: str) -> AgentError:
    """Return what to say about an argument."""
    return AgentError("invalid_argument", device=label, argument=err.parameter, value=clean(str(err.value)))
