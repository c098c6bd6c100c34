"""Set up a server: found by the Supervisor, at an address, or on this machine."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_HOST, CONF_PORT, CONF_URL
from homeassistant.core import callback
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from .ai_task_flow import TaskSubentryFlow
from .backend import is_local
from .const import (
    CONF_COMMAND,
    CONF_CONTEXT_SIZE,
    CONF_HUB_TOKEN,
    CONF_THREADS,
    DOMAIN,
    SUBENTRY_AI_TASK,
    SUBENTRY_CONVERSATION,
)
from .first_agents import first_agents
from .flow_schemas import LOCAL_SCHEMA, REAUTH_SCHEMA, limits
from .local_flow import LocalSteps
from .remote_flow import RemoteSteps, connection_data
from .subentry_flow import AgentSubentryFlow


class HomeLlmConfigFlow(LocalSteps, RemoteSteps, domain=DOMAIN):
    """Add a server, change it, or renew its key."""

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
    async def async_step_user(
        self,
        user_input: dict[str, Any] | None = None,
    ) -> ConfigFlowResult:
        """Say what the model may do, and ask where it runs."""
        return self.async_show_menu(step_id="user", menu_options=["remote", "hugging_face", "local_file"])

    @override
    async def async_step_hassio(self, discovery_info: HassioServiceInfo) -> ConfigFlowResult:
        """Take in what the app announces through the Supervisor."""
        await self.async_set_unique_id(discovery_info.uuid)
        self._discovered = discovery_info
        data = self._discovered_data
        entries = self._async_current_entries(include_ignore=False)
        known = next((entry for entry in entries if entry.unique_id == self.unique_id), None)
        # The app announces itself again whenever its address or its key changes. A server at the same address
        # that was added by hand is the same server, and is adopted.
        if entry := known or self._server_at(data[CONF_URL]):
            self._update_server(entry, connection_data(data[CONF_URL], data.get(CONF_API_KEY), entry.data))
            return self.async_abort(reason="already_configured")
        # What is left is an entry that the user chose to ignore.
        self._abort_if_unique_id_configured()
        self.context["title_placeholders"] = {"name": discovery_info.name}
        self.context["configuration_url"] = f"homeassistant://config/app/{discovery_info.slug}/info"
        return await self.async_step_hassio_confirm()

    async def async_step_hassio_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether to use the app, and try it."""
        errors: dict[str, str] = {}
        if user_input is not None and not (errors := await self._async_try(self._discovered_data)):
            return self.async_create_entry(
                title=self._discovered.name, data=self._discovered_data, subentries=first_agents(self._server)
            )
        return self.async_show_form(
            step_id="hassio_confirm",
            description_placeholders={**self._placeholders, "addon": self._discovered.name},
            errors=errors,
        )

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002
    ) -> ConfigFlowResult:
        """React to a server that no longer takes the key."""
        entry = self._get_reauth_entry()
        if is_local(entry.data):
            # Its key is made anew whenever it starts.
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
            return self.async_abort(reason="reauth_successful")
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the new key, and try it."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            data = connection_data(entry.data[CONF_URL], user_input.get(CONF_API_KEY), entry.data)
            errors = await self._async_try(data)
            if not errors:
                # The listener reloads only for a change, but polling stopped when the key was refused.
                if not self._update_server(entry, data):
                    self.hass.config_entries.async_schedule_reload(entry.entry_id)
                return self.async_update_and_abort(entry)
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=REAUTH_SCHEMA,
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def async_step_reconfigure(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Change how a server is reached or run."""
        if is_local(self._get_reconfigure_entry().data):
            return await self.async_step_reconfigure_local()
        return await self.async_step_reconfigure_remote()

    async def async_step_reconfigure_local(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change how a model is run on this machine; another model is another server."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._async_check_program(user_input)
            if not errors:
                changed = (CONF_COMMAND, CONF_CONTEXT_SIZE, CONF_HUB_TOKEN, CONF_THREADS)
                kept = {name: value for name, value in entry.data.items() if name not in changed}
                self._update_server(entry, kept | limits(user_input))
                return self.async_update_and_abort(entry)
        return self.async_show_form(
            step_id="reconfigure_local",
            data_schema=self.add_suggested_values_to_schema(LOCAL_SCHEMA, user_input or entry.data),
            errors=errors,
            description_placeholders={**self._placeholders, "model": entry.title},
        )

    @property
    def _discovered_data(self) -> dict[str, Any]:
        """Return the entry data of the app."""
        config = self._discovered.config
        return connection_data(f"http://{config[CONF_HOST]}:{config[CONF_PORT]}", config.get(CONF_API_KEY))
