"""Diagnostics, without the key and without what the prompt says about the house."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_PROMPT, CONF_URL
from homeassistant.core import HomeAssistant
from yarl import URL

from .coordinator import HomeLlmConfigEntry

TO_REDACT = {CONF_API_KEY, CONF_PROMPT}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001
    entry: HomeLlmConfigEntry,
) -> dict[str, Any]:
    """Return what helps to find out why an agent does not answer."""
    data = async_redact_data(dict(entry.data), TO_REDACT)
    # An address may carry a password.
    data[CONF_URL] = str(URL(data[CONF_URL]).with_user(None))
    return {
        "title": entry.title,
        "source": entry.source,
        "data": data,
        "state": entry.state.value,
        **_server_diagnostics(entry),
        "agents": [
            {
                "title": subentry.title,
                "type": subentry.subentry_type,
                "data": async_redact_data(dict(subentry.data), TO_REDACT),
            }
            for subentry in entry.subentries.values()
        ],
    }


def _server_diagnostics(entry: HomeLlmConfigEntry) -> dict[str, Any]:
    """Return what is known of the server, which is nothing before the first answer."""
    if entry.state is not ConfigEntryState.LOADED:
        return {}
    coordinator = entry.runtime_data
    return {
        "last_update_success": coordinator.last_update_success,
        "last_error": type(coordinator.last_exception).__name__ if coordinator.last_exception else None,
        "server": asdict(coordinator.data),
    }
