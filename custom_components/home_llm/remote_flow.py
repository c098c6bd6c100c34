"""The steps that connect to a server somewhere: its address, its key, and a model where there are several."""

from collections.abc import Mapping
from typing import Any

import probatio
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL
from homeassistant.core import callback
from homeassistant.helpers import config_validation as cv

from .backend import async_create_client
from .client import (
    HomeLlmAuthenticationError,
    HomeLlmError,
    HomeLlmRedirectError,
    ServerInfo,
    ServerKind,
    host_and_port,
    normalize_url,
)
from .const import CONF_ADMIN_KEY, CONF_API_TYPE, DEFAULT_TITLE, LOGGER, ApiType
from .errors import error_key
from .first_agents import first_agents
from .flow_schemas import CONF_ADVANCED, REMOTE_SCHEMA, model_schema, remote_options
from .model_names import unknown_model

EXAMPLE_URL = "http://192.168.1.10:5000"


class RemoteSteps(ConfigFlow):
    """Ask for an address, try it, and create or change the entry."""

    _data: dict[str, Any]
    _server: ServerInfo
    _models: list[str]

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        super().__init__()
        self._placeholders: dict[str, str] = {"example": EXAMPLE_URL, "location": "", "message": ""}

    async def async_step_remote(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for an address and a key."""
        errors: dict[str, str] = {}
        if user_input is not None:
            data, errors = self._read_remote(user_input)
            if not errors:
                if self._server_at(data[CONF_URL]) is not None:
                    return self.async_abort(reason="already_configured")
                errors = await self._async_find_models(data)
            if not errors:
                return await self._async_after_connection()
        return self._remote_form("remote", user_input, errors)

    async def async_step_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which of several models to use; its name has to be the server's, letter by letter."""
        errors: dict[str, str] = {}
        if user_input is not None:
            model = user_input[CONF_MODEL].strip()
            if problem := unknown_model(model, self._models):
                errors[CONF_MODEL] = problem.key
                self._placeholders |= problem.placeholders
            else:
                return self._create_remote(model)
        suggested = user_input or {CONF_MODEL: self._server.default_model}
        return self.async_show_form(
            step_id="model",
            data_schema=self.add_suggested_values_to_schema(model_schema(self._models), suggested),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def async_step_reconfigure_remote(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change the address, the key, or how the server is spoken to."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            data, errors = self._read_remote(user_input)
            if not errors:
                if self._server_at(data[CONF_URL]) not in (None, entry):
                    return self.async_abort(reason="already_configured")
                if CONF_MODEL in entry.data and CONF_ADMIN_KEY in data:
                    data[CONF_MODEL] = entry.data[CONF_MODEL]
                errors = await self._async_find_models(data)
            if not errors:
                self._update_server(entry, data)
                return self.async_update_and_abort(entry)
        stored = entry.data
        shown = {**stored, CONF_ADVANCED: dict(stored)}
        return self._remote_form("reconfigure_remote", user_input or shown, errors)

    def _remote_form(self, step_id: str, values: Mapping[str, Any] | None, errors: dict[str, str]) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(REMOTE_SCHEMA, values),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    def _read_remote(self, user_input: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the entry's data, or the errors of the form."""
        try:
            url = normalize_url(cv.url(user_input[CONF_URL].strip()))
        except probatio.Invalid:
            return {}, {CONF_URL: "invalid_url"}
        return connection_data(url, user_input.get(CONF_API_KEY)) | remote_options(user_input), {}

    async def _async_try(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Connect to a server as an entry with this data would; keep what it says, or return the form's errors."""
        client = async_create_client(self.hass, data)
        try:
            server = await client.async_server_info()
        except HomeLlmError as err:
            LOGGER.warning("Cannot use the server at %s: %s", client.url, err)
            self._placeholders["message"] = str(err)
            if isinstance(err, HomeLlmRedirectError):
                self._placeholders["location"] = err.location
            return {"base": error_key(err)}
        if server.kind is ServerKind.OLLAMA and data.get(CONF_API_TYPE) == ApiType.TEXT:
            return {"base": "text_not_supported"}
        self._data, self._server = dict(data), server
        self._models = [model.model_id for model in server.models]
        return {}

    async def _async_find_models(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Connect, and find the models that the admin key can load as well; return the form's errors."""
        errors = await self._async_try(data)
        if errors or CONF_ADMIN_KEY not in data:
            return errors
        client = async_create_client(self.hass, data)
        try:
            self._models = list(dict.fromkeys([*self._models[:1], *await client.async_loadable_models()]))
        except HomeLlmAuthenticationError:
            return {"base": "invalid_admin_key"}
        except HomeLlmError as err:
            LOGGER.warning("The server at %s cannot load models: %s", client.url, err)
            return {"base": "no_model_loading"}
        return {}

    async def _async_after_connection(self) -> ConfigFlowResult:
        """Ask for the model where that is the user's to say."""
        # A Home LLM server without another key answers with the model that it has, whatever is asked for.
        chooses = not self._server.is_home_llm or CONF_ADMIN_KEY in self._data
        if chooses and len(self._models) > 1:
            return await self.async_step_model()
        return self._create_remote(None)

    @callback
    def _create_remote(self, model: str | None) -> ConfigFlowResult:
        """Create the entry together with its first agents."""
        host, _port = host_and_port(self._data[CONF_URL])
        title = DEFAULT_TITLE if self._server.is_home_llm else f"{DEFAULT_TITLE} ({host})"
        if model and CONF_ADMIN_KEY in self._data:
            # It is loaded when the entry is set up, and is then what the server answers with.
            self._data[CONF_MODEL] = model
            model = None
        return self.async_create_entry(title=title, data=self._data, subentries=first_agents(self._server, model))

    def _server_at(self, url: str) -> ConfigEntry | None:
        """Return the server that is set up at the host and port of an address."""
        place = host_and_port(url)
        return next(
            (
                entry
                for entry in self._async_current_entries(include_ignore=False)
                if CONF_URL in entry.data and host_and_port(entry.data[CONF_URL]) == place
            ),
            None,
        )

    @callback
    def _update_server(self, entry: ConfigEntry, data: Mapping[str, Any]) -> bool:
        """Give a server new data and see to it that they are used; return whether anything changed."""
        changes: dict[str, Any] = {"data": data}
        if self.unique_id is not None and self.source == SOURCE_HASSIO:
            changes["unique_id"] = self.unique_id
        listening = bool(entry.update_listeners)
        changed = self.hass.config_entries.async_update_entry(entry, **changes)
        # An entry that could not be set up has no listener that would reload it.
        waiting = entry.state in (ConfigEntryState.SETUP_ERROR, ConfigEntryState.SETUP_RETRY)
        if not listening and (waiting or changed) and entry.disabled_by is None:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
            return True
        return changed


def connection_data(url: str, api_key: str | None, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the address and the key as an entry has them, without a key where there is none.

    Args:
        url: the address.
        api_key: the key.
        known: what else the entry has.
    """
    data: dict[str, Any] = {name: value for name, value in (known or {}).items() if name != CONF_API_KEY}
    data[CONF_URL] = url
    if api_key and (api_key := api_key.strip()):
        data[CONF_API_KEY] = api_key
    return data
