"""Set up a server: found by the Supervisor, or at an address."""

from collections.abc import Mapping
from typing import Any, override

import probatio
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_HOST, CONF_LLM_HASS_API, CONF_PORT, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import llm
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from .ai_task_flow import TaskSubentryFlow, default_task
from .client import HomeLlmClient, HomeLlmError, ServerInfo, host_and_port, normalize_url
from .const import (
    CONF_TOOL_MODE,
    DEFAULT_TITLE,
    DOMAIN,
    LOGGER,
    SUBENTRY_AI_TASK,
    SUBENTRY_CONVERSATION,
    ToolMode,
)
from .errors import error_key
from .subentry_flow import AgentSubentryFlow

EXAMPLE_URL = "http://192.168.1.10:5000"

_KEY_SELECTOR = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
USER_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_URL): TextSelector(TextSelectorConfig(type=TextSelectorType.URL)),
        probatio.Optional(CONF_API_KEY): _KEY_SELECTOR,
    }
)
REAUTH_SCHEMA = probatio.Schema({probatio.Optional(CONF_API_KEY): _KEY_SELECTOR})


class HomeLlmConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add a server, or renew its key."""

    VERSION = 1
    MINOR_VERSION = 1

    _discovered: HassioServiceInfo

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the kinds of things a server can have."""
        return {SUBENTRY_CONVERSATION: AgentSubentryFlow, SUBENTRY_AI_TASK: TaskSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for an address and a key."""
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                url = normalize_url(cv.url(user_input[CONF_URL].strip()))
            except probatio.Invalid:
                errors[CONF_URL] = "invalid_url"
            else:
                data = _entry_data(url, user_input.get(CONF_API_KEY))
                if self._server_at(url) is not None:
                    return self.async_abort(reason="already_configured")
                server, errors = await _async_probe(self.hass, data)
                if server is not None:
                    host, _port = host_and_port(url)
                    title = DEFAULT_TITLE if server.is_home_llm else f"{DEFAULT_TITLE} ({host})"
                    return self._create_server(title, data, server)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(USER_SCHEMA, user_input),
            errors=errors,
            description_placeholders={"example": EXAMPLE_URL},
        )

    @override
    async def async_step_hassio(self, discovery_info: HassioServiceInfo) -> ConfigFlowResult:
        """Take in what the app announces through the Supervisor."""
        await self.async_set_unique_id(discovery_info.uuid)
        self._discovered = discovery_info
        data = self._discovered_data
        known = next((entry for entry in self._servers() if entry.unique_id == self.unique_id), None)
        # The app announces itself again whenever its address or its key changes. A server at the same address
        # that was added by hand is the same server, and is adopted.
        if entry := known or self._server_at(data[CONF_URL]):
            self._update_server(entry, data)
            return self.async_abort(reason="already_configured")
        # What is left is an entry that the user chose to ignore.
        self._abort_if_unique_id_configured()
        self.context["title_placeholders"] = {"name": discovery_info.name}
        self.context["configuration_url"] = f"homeassistant://config/app/{discovery_info.slug}/info"
        return await self.async_step_hassio_confirm()

    async def async_step_hassio_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether to use the app, and try it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            server, errors = await _async_probe(self.hass, self._discovered_data)
            if server is not None:
                return self._create_server(self._discovered.name, self._discovered_data, server)
        self._set_confirm_only()
        return self.async_show_form(
            step_id="hassio_confirm",
            description_placeholders={"addon": self._discovered.name},
            errors=errors,
        )

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002
    ) -> ConfigFlowResult:
        """React to a server that no longer takes the key."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the new key, and try it."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            data = _entry_data(entry.data[CONF_URL], user_input.get(CONF_API_KEY))
            server, errors = await _async_probe(self.hass, data)
            if server is not None:
                # The listener reloads only for a change, but polling stopped when the key was refused.
                if not self._update_server(entry, data):
                    self.hass.config_entries.async_schedule_reload(entry.entry_id)
                return self.async_update_and_abort(entry)
        return self.async_show_form(step_id="reauth_confirm", data_schema=REAUTH_SCHEMA, errors=errors)

    @property
    def _discovered_data(self) -> dict[str, Any]:
        """Return the entry data of the app."""
        config = self._discovered.config
        return _entry_data(f"http://{config[CONF_HOST]}:{config[CONF_PORT]}", config.get(CONF_API_KEY))

    def _servers(self) -> list[ConfigEntry]:
        """Return the servers that are set up."""
        return self._async_current_entries(include_ignore=False)

    def _server_at(self, url: str) -> ConfigEntry | None:
        """Return the server that is set up at the host and port of an address."""
        place = host_and_port(url)
        return next((entry for entry in self._servers() if host_and_port(entry.data[CONF_URL]) == place), None)

    @callback
    def _update_server(self, entry: ConfigEntry, data: dict[str, Any]) -> bool:
        """Give a server new data and see to it that they are used; return whether anything changed."""
        changes: dict[str, Any] = {"data": data}
        if self.unique_id is not None and self.source != SOURCE_REAUTH:
            changes["unique_id"] = self.unique_id
        listening = bool(entry.update_listeners)
        changed = self.hass.config_entries.async_update_entry(entry, **changes)
        # An entry that could not be set up has no listener that would reload it.
        waiting = entry.state in (ConfigEntryState.SETUP_ERROR, ConfigEntryState.SETUP_RETRY)
        if not listening and (waiting or changed) and entry.disabled_by is None:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
            return True
        return changed

    @callback
    def _create_server(self, title: str, data: dict[str, Any], server: ServerInfo) -> ConfigFlowResult:
        """Create the entry together with its first agent and AI task."""
        agent: dict[str, Any] = {CONF_TOOL_MODE: ToolMode.HOME.value}
        if not server.is_home_llm:
            agent = {CONF_TOOL_MODE: ToolMode.ASSIST.value, CONF_LLM_HASS_API: [llm.LLM_API_ASSIST]}
        return self.async_create_entry(
            title=title,
            data=data,
            subentries=[
                ConfigSubentryData(
                    subentry_type=SUBENTRY_CONVERSATION, title=DEFAULT_TITLE, data=agent, unique_id=None
                ),
                default_task(),
            ],
        )


def _entry_data(url: str, api_key: str | None) -> dict[str, Any]:
    """Return the data of an entry, without a key where there is none."""
    data: dict[str, Any] = {CONF_URL: url}
    if api_key and (api_key := api_key.strip()):
        data[CONF_API_KEY] = api_key
    return data


async def _async_probe(hass: HomeAssistant, data: Mapping[str, Any]) -> tuple[ServerInfo | None, dict[str, str]]:
    """Ask a server for its models; return them, or the errors of the form."""
    client = HomeLlmClient(async_get_clientsession(hass), data[CONF_URL], data.get(CONF_API_KEY))
    try:
        return await client.async_server_info(), {}
    except HomeLlmError as err:
        LOGGER.warning("Cannot use the server at %s: %s", client.url, err)
        return None, {"base": error_key(err)}
