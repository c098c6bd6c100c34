"""Home LLM: a voice assistant whose mind runs on the house's own hardware."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .backend import async_forget_backend, async_start_backend
from .const import DOMAIN
from .coordinator import HomeLlmConfigEntry, HomeLlmCoordinator
from .local_cache import async_clean_cache
from .services import async_setup_services

PLATFORMS = (Platform.AI_TASK, Platform.CONVERSATION, Platform.SENSOR)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001
    """Register the actions, which are there also while no server is set up, and tidy up."""
    async_setup_services(hass)
    hass.async_create_background_task(async_clean_cache(hass), f"{DOMAIN} clean cache")
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> bool:
    """Set up a server and its agents."""
    coordinator = HomeLlmCoordinator(hass, entry)
    await async_start_backend(hass, entry, coordinator.client, coordinator.async_server_changed)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    coordinator.warmth.async_start()
    entry.async_on_unload(entry.add_update_listener(async_update_listener))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> bool:
    """Unload a server and its agents."""
    entry.runtime_data.problems.clear_all()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> None:
    """Delete what the server of an entry has stored on this machine, and what nobody else uses."""
    await async_forget_backend(hass, entry)
    await async_clean_cache(hass)


async def async_update_listener(hass: HomeAssistant, entry: HomeLlmConfigEntry) -> None:
    """Start again with changed data or agents."""
    await hass.config_entries.async_reload(entry.entry_id)
