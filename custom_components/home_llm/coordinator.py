"""Keep an eye on the server: which models it has, whether it is there, and what its answers cost."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .backend import async_create_client
from .chat_events import ChatEvent
from .client import HomeLlmAuthenticationError, HomeLlmError, ServerInfo
from .const import DOMAIN, LOGGER, UPDATE_INTERVAL_CONNECTED, UPDATE_INTERVAL_DISCONNECTED
from .errors import error_key
from .measure import Answer, Totals, measured, note_answer
from .metrics import Queue
from .problems import Problems
from .server_routes import async_queue
from .warmth import Warmth

type HomeLlmConfigEntry = ConfigEntry[HomeLlmCoordinator]

# The context of entities that want to know the queue. Only for them it is asked.
WANTS_QUEUE = "queue"


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
        )
        self.client = async_create_client(hass, entry.data)
        self.problems = Problems(hass, entry)
        self.totals = Totals()
        self.queue: Queue | None = None
        self.warmth = Warmth(hass, self)

    async def async_chat(self, agent: ConfigSubentry, request: Mapping[str, Any]) -> AsyncGenerator[ChatEvent]:
        """Stream the answer to a request of an agent; measure it, and learn from what goes wrong.

        Raises:
            HomeLlmError: see the subclasses.
        """
        try:
            async with aclosing(measured(self.client.async_chat(request), self._async_answered)) as events:
                async for event in events:
                    yield event
        except HomeLlmError as err:
            self.problems.request_failed(agent, err)
            raise
        self.problems.request_succeeded(agent)

    @callback
    def _async_answered(self, answer: Answer) -> None:
        """Count an answer, and show it."""
        self.totals.add(answer)
        note_answer(answer)
        self.async_update_listeners()

    @override
    async def _async_update_data(self) -> ServerInfo:
        """Fetch the list of models, the health of a server that is ours, and its queue where somebody wants it."""
        self.update_interval = UPDATE_INTERVAL_DISCONNECTED
        try:
            server = await self.client.async_server_info()
            self.queue = await async_queue(self.client) if WANTS_QUEUE in self.async_contexts() else None
        except HomeLlmAuthenticationError as err:
            raise ConfigEntryAuthFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(err),
                translation_placeholders={"message": str(err)},
            ) from err
        except HomeLlmError as err:
            self.problems.server_failed(err)
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(err),
                translation_placeholders={"message": str(err)},
            ) from err
        self.problems.server_answered(server)
        # A server that is still getting its model ready is looked at more often.
        if server.models and (server.health is None or server.health.status == "ok"):
            self.update_interval = UPDATE_INTERVAL_CONNECTED
        return server

    @callback
    def async_server_changed(self) -> None:
        """Look at once at a server that has gone or is back."""
        self.config_entry.async_create_background_task(self.hass, self.async_refresh(), f"{self.name} refresh")
