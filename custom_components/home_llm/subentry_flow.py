"""Add an agent to a server, or change one."""

from typing import Any

import probatio
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_LLM_HASS_API, CONF_MODEL, CONF_NAME, CONF_PROMPT
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import llm
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .agent_prompt import Agent
from .const import CONF_TOOL_MODE, DEFAULT_TITLE, DOMAIN, USER_FOLDER, ToolMode
from .coordinator import HomeLlmCoordinator
from .model_names import unknown_model
from .prompt_preview import Preview, async_preview
from .subentry_schemas import CONF_SHOW_PROMPT, STORED, choice, chosen_options, options_schema


class AgentSubentryFlow(ConfigSubentryFlow):
    """Ask first how the agent acts and which model it uses, then what depends on that."""

    _name: str
    _options: dict[str, Any]
    _preview: Preview
    _answered = False

    async def async_step_user(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Add an agent."""
        self._name = DEFAULT_TITLE
        self._options = {}
        return await self.async_step_agent()

    async def async_step_reconfigure(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Change an agent."""
        subentry = self._get_reconfigure_subentry()
        self._name = subentry.title
        self._options = dict(subentry.data)
        return await self.async_step_agent()

    async def async_step_agent(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the name, the way of acting and the model."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        server = self._coordinator.data
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            mode = ToolMode(user_input[CONF_TOOL_MODE])
            model = user_input.get(CONF_MODEL, "").strip()
            if mode is ToolMode.HOME and not server.has_home_services:
                errors[CONF_TOOL_MODE] = "home_mode_unsupported"
            elif model and not server.is_home_llm and (problem := unknown_model(model, server.model_ids)):
                # A Home LLM server answers with the model that it has, whatever it is called.
                errors[CONF_MODEL] = problem.key
                placeholders = problem.placeholders
            else:
                self._name = user_input.get(CONF_NAME, self._name).strip() or DEFAULT_TITLE
                self._take(user_input, CONF_TOOL_MODE, CONF_MODEL)
                return await (self.async_step_home() if mode is ToolMode.HOME else self.async_step_assist())
        mode = ToolMode.HOME if server.has_home_services else ToolMode.ASSIST
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): str,
                probatio.Required(CONF_TOOL_MODE): choice(CONF_TOOL_MODE, list(ToolMode), SelectSelectorMode.LIST),
                probatio.Optional(CONF_MODEL): SelectSelector(
                    SelectSelectorConfig(
                        options=[model.model_id for model in server.models],
                        mode=SelectSelectorMode.DROPDOWN,
                        custom_value=True,
                    )
                ),
            }
        )
        suggested = {CONF_TOOL_MODE: mode.value, **self._options, CONF_NAME: self._name}
        return self.async_show_form(
            step_id="agent",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or suggested),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    async def async_step_home(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the options of an agent with home services."""
        self._options.pop(CONF_LLM_HASS_API, None)
        return await self._async_options(ToolMode.HOME, {}, user_input)

    async def async_step_assist(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the options of an agent with Home Assistant's own LLM APIs."""
        apis = llm.async_get_apis(self.hass)
        known = {api.id for api in apis}
        # A new agent can act; one that was set to only talk keeps to that.
        is_new_to_assist = self._previous_mode() is not ToolMode.ASSIST and not self._answered
        chosen = self._options.get(CONF_LLM_HASS_API, [llm.LLM_API_ASSIST] if is_new_to_assist else [])
        if user_input is not None:
            self._answered = True
            self._take(user_input, CONF_LLM_HASS_API)
            chosen = self._options.get(CONF_LLM_HASS_API, [])
        selector = SelectSelector(
            SelectSelectorConfig(
                options=[SelectOptionDict(label=api.name, value=api.id) for api in apis], multiple=True
            )
        )
        marker = probatio.Optional(
            CONF_LLM_HASS_API, description={"suggested_value": [api for api in chosen if api in known]}
        )
        return await self._async_options(ToolMode.ASSIST, {marker: selector}, user_input)

    async def _async_options(
        self, mode: ToolMode, fields: dict[Any, Any], user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        """Ask for what both kinds of agents have in common, after a kind's own fields; try what is given."""
        errors: dict[str, str] = {}
        placeholders = {"error": "", "folder": self.hass.config.path(USER_FOLDER)}
        if user_input is not None:
            chosen = chosen_options(user_input, self._options, self._agent.model)
            for key in STORED:
                self._options.pop(key, None)
            self._options |= chosen
            show = user_input[CONF_SHOW_PROMPT]
            try:
                # What is of our own making needs no trial.
                if show or CONF_PROMPT in chosen:
                    self._preview = await async_preview(self.hass, self._agent, self._coordinator.client)
            except HomeAssistantError as err:
                errors, placeholders["error"] = _preview_error(err)
            else:
                return await self.async_step_preview() if show else await self.async_step_save()
        return self.async_show_form(
            step_id=mode.value,
            data_schema=options_schema(self._options, self._agent.model, fields),
            errors=errors,
            description_placeholders=placeholders,
            last_step=True,
        )

    async def async_step_preview(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Show the prompt, with its tokens as the server counts them or about."""
        return self.async_show_menu(
            step_id="preview" if self._preview.counted else "preview_estimated",
            menu_options=["save", "change"],
            description_placeholders=self._preview.placeholders,
        )

    async def async_step_preview_estimated(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Show the prompt again."""
        return await self.async_step_preview(user_input)

    async def async_step_change(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Go back to the options."""
        mode = ToolMode(self._options[CONF_TOOL_MODE])
        return await (self.async_step_home() if mode is ToolMode.HOME else self.async_step_assist())

    async def async_step_save(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Save the agent."""
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=self._name, data=self._options)
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), data=self._options, title=self._name
        )

    @property
    def _coordinator(self) -> HomeLlmCoordinator:
        """Return the server of the agent."""
        coordinator: HomeLlmCoordinator = self._get_entry().runtime_data
        return coordinator

    @property
    def _agent(self) -> Agent:
        """Return the agent as it would be."""
        return Agent(self._options, self._coordinator.data)

    def _take(self, user_input: dict[str, Any], *keys: str) -> None:
        """Take fields over from a form, where a field that was left empty is taken away."""
        for key in keys:
            if user_input.get(key) in (None, "", []):
                self._options.pop(key, None)
            else:
                self._options[key] = user_input[key]

    def _previous_mode(self) -> ToolMode | None:
        """Return how the agent acted before, or None for a new one."""
        if self.source == SOURCE_USER:
            return None
        return ToolMode(self._get_reconfigure_subentry().data.get(CONF_TOOL_MODE, ToolMode.HOME))


def _preview_error(err: HomeAssistantError) -> tuple[dict[str, str], str]:
    """Return the errors of the form, and the words of what went wrong."""
    if err.translation_domain == DOMAIN and err.translation_key in ("template_failed", "template_slow"):
        return {CONF_PROMPT: err.translation_key}, (err.translation_placeholders or {}).get("message", "")
    return {"base": "prompt_unavailable"}, str(err)
