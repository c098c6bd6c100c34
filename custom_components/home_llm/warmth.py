"""Keep what every request of an agent begins with in the server's cache, so that a command waits for its own words.

It is read in the background: when Home Assistant has started, when the server has its model, when what the agents know
of the house has changed, and when somebody is about to speak. States are of no concern: they come last in a prompt.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import async_listen_entity_updates, async_should_expose
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, Event, HassJob, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.json import json_bytes
from homeassistant.helpers.start import async_at_started

from .client import HomeLlmError, ServerInfo
from .const import LOGGER, WARM_COOLDOWN
from .errors import AgentError, api_errors
from .known_models import loaded_context
from .server_routes import async_warm
from .usage import Usage

if TYPE_CHECKING:
    from .coordinator import HomeLlmCoordinator

# The request of an agent as far as it is known before anybody speaks.
type Prefix = Callable[[], Awaitable[Mapping[str, Any]]]

# What a change of an entity's entry can have to do with a prompt.
_NAMING = frozenset({"aliases", "area_id", "device_id", "disabled_by", "entity_id", "name", "options", "original_name"})


class Warmth:
    """The prefixes of one server's agents."""

    def __init__(self, hass: HomeAssistant, coordinator: HomeLlmCoordinator) -> None:
        """Begin without agents."""
        self._hass = hass
        self._coordinator = coordinator
        self._agents: dict[str, tuple[ConfigSubentry, Prefix]] = {}
        # What the server has read of each agent, as a digest.
        self._read: dict[str, bytes] = {}
        self._reading = asyncio.Lock()
        self._waking: set[str] = set()
        self._model: tuple[str, str | None] | None = None
        self._started = False
        self._cancel_timer: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Begin to listen, until the entry is unloaded."""
        entry = self._coordinator.config_entry
        bus = self._hass.bus
        for unsubscribe in (
            async_at_started(self._hass, self._async_started),
            self._coordinator.async_add_listener(self._async_server_changed),
            async_listen_entity_updates(self._hass, conversation.DOMAIN, self._async_house_changed),
            bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._async_entity_changed),
            bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._async_registry_changed),
            bus.async_listen(ar.EVENT_AREA_REGISTRY_UPDATED, self._async_registry_changed),
            bus.async_listen(fr.EVENT_FLOOR_REGISTRY_UPDATED, self._async_registry_changed),
            self._async_stop_timer,
        ):
            entry.async_on_unload(unsubscribe)

    @callback
    def async_add(self, agent: ConfigSubentry, prefix: Prefix) -> CALLBACK_TYPE:
        """Add an agent; return what removes it."""
        self._agents[agent.subentry_id] = (agent, prefix)

        @callback
        def remove() -> None:
            self._agents.pop(agent.subentry_id, None)
            self._read.pop(agent.subentry_id, None)

        return remove

    async def async_wake(self, agent: ConfigSubentry) -> None:
        """Read the prefix of an agent now, because somebody is about to speak to it; errors are only logged."""
        if agent.subentry_id in self._waking or not self._coordinator.data.is_home_llm:
            return
        self._waking.add(agent.subentry_id)
        try:
            await self._async_try(*self._agents[agent.subentry_id])
        finally:
            self._waking.discard(agent.subentry_id)

    async def async_warm(self, subentry_id: str) -> Usage:
        """Let the server read the prefix of an agent now; return what it cost.

        Raises:
            AgentError: the server cannot do it, or not now.
            ConverseError: the prompt of the agent cannot be made.
        """
        return await self._async_read(*self._agents[subentry_id]) or Usage()

    async def _async_read(self, agent: ConfigSubentry, prefix: Prefix, *, only_changed: bool = False) -> Usage | None:
        """Let the server read a prefix; return what it cost, None where nothing has changed."""
        if not self._coordinator.data.is_home_llm:
            raise AgentError("warm_unsupported")
        async with self._reading:
            request = await prefix()
            digest = hashlib.sha256(json_bytes(request)).digest()
            if only_changed and self._read.get(agent.subentry_id) == digest:
                return None
            try:
                with api_errors():
                    usage = await async_warm(self._coordinator.client, request)
            except AgentError as err:
                if isinstance(err.__cause__, HomeLlmError):
                    self._coordinator.problems.request_failed(agent, err.__cause__)
                raise
            self._read[agent.subentry_id] = digest
        LOGGER.debug("Warmed %s: %s", agent.title, usage)
        context_size = loaded_context(self._coordinator.data)
        self._coordinator.problems.prompt_read(agent, usage, context_size, self._exposed_count())
        return usage

    @callback
    def _async_started(self, _hass: HomeAssistant) -> None:
        """Warm everything for the first time."""
        self._started = True
        self._async_server_changed()

    @callback
    def _async_server_changed(self) -> None:
        """Warm everything when the server has a model that it did not have before."""
        model = _ready_model(self._coordinator.data) if self._coordinator.last_update_success else None
        if not self._started or model == self._model:
            return
        self._model = model
        self._read.clear()
        if model is not None:
            self._async_warm_soon()

    @callback
    def _async_entity_changed(self, event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        """Note a change that can have to do with a prompt."""
        if event.data["action"] != "update" or _NAMING & event.data["changes"].keys():
            self._async_house_changed()

    @callback
    def _async_registry_changed(self, _event: Event[Any]) -> None:
        """Note a change of a device, an area or a floor."""
        self._async_house_changed()

    @callback
    def _async_house_changed(self) -> None:
        """Warm what has changed, when it has been quiet for a while."""
        self._async_stop_timer()
        self._cancel_timer = async_call_later(
            self._hass, WARM_COOLDOWN, HassJob(self._async_timer_ended, cancel_on_shutdown=True)
        )

    @callback
    def _async_timer_ended(self, _now: datetime) -> None:
        """Warm what has changed."""
        self._cancel_timer = None
        if self._model is not None:
            self._async_warm_soon()

    @callback
    def _async_stop_timer(self) -> None:
        """Forget a change that was noted."""
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None

    @callback
    def _async_warm_soon(self) -> None:
        """Warm the agents whose prefix is another than the one that was read."""
        self._coordinator.config_entry.async_create_background_task(
            self._hass, self._async_warm_changed(), f"warm {self._coordinator.name}"
        )

    async def _async_warm_changed(self) -> None:
        """Warm one agent after the other."""
        for agent, prefix in list(self._agents.values()):
            await self._async_try(agent, prefix, only_changed=True)

    async def _async_try(self, agent: ConfigSubentry, prefix: Prefix, *, only_changed: bool = False) -> None:
        """Warm an agent; errors are only logged, because nobody has asked for it."""
        try:
            await self._async_read(agent, prefix, only_changed=only_changed)
        except HomeAssistantError as err:
            LOGGER.debug("Could not warm %s: %s", agent.title, err)

    def _exposed_count(self) -> int:
        """Return how many entities the agents see."""
        return sum(
            async_should_expose(self._hass, conversation.DOMAIN, entity_id)
            for entity_id in self._hass.states.async_entity_ids()
        )


def _ready_model(server: ServerInfo) -> tuple[str, str | None] | None:
    """Return which model a Home LLM server answers with, or None where it has none or is another server."""
    if server.health is None or server.health.status != "ok":
        return None
    return server.health.version, server.health.model
