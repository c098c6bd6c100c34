"""Diagnostics, without the key and without what the prompt says about the house."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_PROMPT, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from yarl import URL

from .const import CONF_ADMIN_KEY, CONF_HUB_TOKEN, DOMAIN
from .coordinator import HomeLlmConfigEntry

TO_REDACT = {CONF_ADMIN_KEY, CONF_API_KEY, CONF_HUB_TOKEN, CONF_PROMPT}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,
    entry: HomeLlmConfigEntry,
) -> dict[str, Any]:
    """Return what helps to find out why an agent does not answer."""
    data = async_redact_data(dict(entry.data), TO_REDACT)
    # An address may carry a password.
    if CONF_URL in data:
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
        # What a server says in a message may quote the prompt, so that only the kinds are told.
        "problems": sorted(
            str(issue.translation_key)
            for (domain, _), issue in ir.async_get(hass).issues.items()
            if domain == DOMAIN and (issue.data or {}).get("entry_id") == entry.entry_id
        ),
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
        "totals": asdict(coordinator.totals),
        "queue": asdict(coordinator.queue) if coordinator.queue else None,
    }
