"""Keep an eye on the server: which models it has, and whether it is there."""

from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .client import HomeLlmAuthenticationError, HomeLlmClient, HomeLlmError, ServerInfo
from .const import DOMAIN, LOGGER, UPDATE_INTERVAL_CONNECTED, UPDATE_INTERVAL_DISCONNECTED
from .errors import error_key

type HomeLlmConfigEntry = ConfigEntry[HomeLlmCoordinator]


class HomeLlmCoordinator(DataUpdateCoordinator[ServerInfo]):
    """Ask the server for its models, seldom while it answers and often while it does not."""

    config_entry: HomeLlmConfigEntry

    def __init__(self, hass: HomeAssistant, entry: HomeLlmConfigEntry) -> None:
        """Prepare the client of the entry's server."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=UPDATE_INTERVAL_DISCONNECTED,
            always_update=False,
        )
        self.client = HomeLlmClient(async_get_clientsession(hass), entry.data[CONF_URL], entry.data.get(CONF_API_KEY))

    @override
    async def _async_update_data(self) -> ServerInfo:
        """Fetch the list of models, and the health of a server that is ours."""
        self.update_interval = UPDATE_INTERVAL_DISCONNECTED
        try:
            server = await self.client.async_server_info()
        except HomeLlmAuthenticationError as err:
            raise ConfigEntryAuthFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(err),
                translation_placeholders={"message": str(err)},
            ) from err
        except HomeLlmError as err:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(err),
                translation_placeholders={"message": str(err)},
            ) from err
        # A server that is still getting its model ready is looked at more often.
        if server.models and (server.health is None or server.health.status == "ok"):
            self.update_interval = UPDATE_INTERVAL_CONNECTED
        return server
