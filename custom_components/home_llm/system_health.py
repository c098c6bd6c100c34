"""What the page "System information" tells of the servers."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import HomeLlmConfigEntry


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:  # noqa: ARG001
    """Say who knows how the servers do."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return how many servers and agents there are, and for each server whether it answers and with what."""
    entries: list[HomeLlmConfigEntry] = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    info: dict[str, Any] = {
        "servers": len(entries),
        "agents": sum(len(entry.subentries) for entry in entries),
    }
    for entry in entries:
        info[entry.title] = _describe(entry)
    return info


def _describe(entry: HomeLlmConfigEntry) -> str:
    """Return in a few words how a server does; names and states of servers are not translated."""
    if entry.state is not ConfigEntryState.LOADED:
        return str(entry.state.value)
    coordinator = entry.runtime_data
    if not coordinator.last_update_success:
        return "unreachable"
    server = coordinator.data
    if server.health is None:
        return f"ok, {server.default_model}"
    return f"{server.health.status}, {server.health.model}, version {server.health.version}"
