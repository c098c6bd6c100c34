"""Home LLM: a voice assistant whose mind runs on the house's own hardware."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_TOOL_MODE, DOMAIN, SUBENTRY_CONVERSATION, ToolMode
from .coordinator import HomeLlmConfigEntry, HomeLlmCoordinator

PLATFORMS = (Platform.CONVERSATION,)


async def async_setup_entry(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> bool:
    """Set up a server and its agents."""
    coordinator = HomeLlmCoordinator(hass, entry)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator

    _async_check_home_mode(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(coordinator.async_add_listener(lambda: _async_check_home_mode(hass, entry)))
    entry.async_on_unload(entry.add_update_listener(async_update_listener))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> bool:
    """Unload a server and its agents."""
    # Also those of agents that have been removed since.
    prefix = _home_mode_issue(entry)
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.startswith(prefix):
            ir.async_delete_issue(hass, DOMAIN, issue_id)
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_update_listener(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> None:
    """Start again with changed data or agents."""
    await hass.config_entries.async_reload(entry.entry_id)


@callback
def _async_check_home_mode(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> None:
    """Report the agents that use home services on a server which does not know them.

    A repair and not a failed setup: the agent can still be set to another mode, which a failed entry would
    not allow.
    """
    for subentry in entry.subentries.values():
        if subentry.subentry_type != SUBENTRY_CONVERSATION:
            continue
        mode = ToolMode(subentry.data.get(CONF_TOOL_MODE, ToolMode.HOME))
        if mode is not ToolMode.HOME or entry.runtime_data.data.is_home_llm:
            ir.async_delete_issue(hass, DOMAIN, _home_mode_issue(entry, subentry.subentry_id))
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            _home_mode_issue(entry, subentry.subentry_id),
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key="home_mode_unsupported",
            translation_placeholders={"agent": subentry.title, "server": entry.title},
        )


def _home_mode_issue(entry: HomeLlmConfigEntry, subentry_id: str = "") -> str:
    """Return the id of the repair issue of an agent, or what all those of an entry begin with."""
    return f"home_mode_unsupported_{entry.entry_id}_{subentry_id}"
