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
from homeassistant.helpers import llm
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
)

from .const import (
    CONF_MAX_TOKENS,
    CONF_TEMPERATURE,
    CONF_TOOL_MODE,
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DEFAULT_TITLE,
    ToolMode,
)
from .coordinator import HomeLlmCoordinator
from .home_format import DEFAULT_INSTRUCTIONS

DEFAULT_PROMPTS = {
    ToolMode.HOME: DEFAULT_INSTRUCTIONS,
    ToolMode.ASSIST: llm.DEFAULT_INSTRUCTIONS_PROMPT,
}

_TOOL_MODE_SELECTOR = SelectSelector(
    SelectSelectorConfig(
        options=[mode.value for mode in ToolMode],
        translation_key=CONF_TOOL_MODE,
        mode=SelectSelectorMode.LIST,
    )
)
_MAX_TOKENS_SELECTOR = NumberSelector(NumberSelectorConfig(min=16, max=8192, step=1, mode=NumberSelectorMode.BOX))
_TEMPERATURE_SELECTOR = NumberSelector(NumberSelectorConfig(min=0, max=2, step=0.05))


class AgentSubentryFlow(ConfigSubentryFlow):
    """Ask first how the agent acts and which model it uses, then what depends on that."""

    _name: str
    _options: dict[str, Any]

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
        coordinator: HomeLlmCoordinator = entry.runtime_data
        server = coordinator.data
        errors: dict[str, str] = {}
        if user_input is not None:
            mode = ToolMode(user_input[CONF_TOOL_MODE])
            if mode is ToolMode.HOME and not server.is_home_llm:
                errors[CONF_TOOL_MODE] = "home_mode_unsupported"
            else:
                self._name = user_input.get(CONF_NAME, self._name).strip() or DEFAULT_TITLE
                self._take(user_input, CONF_TOOL_MODE, CONF_MODEL)
                return await (self.async_step_home() if mode is ToolMode.HOME else self.async_step_assist())
        mode = ToolMode.HOME if server.is_home_llm else ToolMode.ASSIST
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): str,
                probatio.Required(CONF_TOOL_MODE): _TOOL_MODE_SELECTOR,
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
            last_step=False,
        )

    async def async_step_home(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the options of an agent with home services."""
        if user_input is not None:
            self._options.pop(CONF_LLM_HASS_API, None)
            return self._finish(user_input)
        return self._show_options(ToolMode.HOME, {})

    async def async_step_assist(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the options of an agent with Home Assistant's own LLM APIs."""
        if user_input is not None:
            self._take(user_input, CONF_LLM_HASS_API)
            return self._finish(user_input)
        apis = llm.async_get_apis(self.hass)
        known = {api.id for api in apis}
        # A new agent can act; one that was set to only talk keeps to that.
        is_new_to_assist = self._previous_mode() is not ToolMode.ASSIST
        chosen = self._options.get(CONF_LLM_HASS_API, [llm.LLM_API_ASSIST] if is_new_to_assist else [])
        selector = SelectSelector(
            SelectSelectorConfig(
                options=[SelectOptionDict(label=api.name, value=api.id) for api in apis], multiple=True
            )
        )
        marker = probatio.Optional(
            CONF_LLM_HASS_API, description={"suggested_value": [api for api in chosen if api in known]}
        )
        return self._show_options(ToolMode.ASSIST, {marker: selector})

    def _show_options(self, mode: ToolMode, fields: dict[Any, Any]) -> SubentryFlowResult:
        """Show what both kinds of agents have in common, after a kind's own fields."""
        prompt = self._options.get(CONF_PROMPT) or DEFAULT_PROMPTS[mode]
        schema = probatio.Schema(
            {
                **fields,
                probatio.Optional(CONF_PROMPT, description={"suggested_value": prompt}): TemplateSelector(),
                probatio.Required(
                    CONF_MAX_TOKENS, default=self._options.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS)
                ): _MAX_TOKENS_SELECTOR,
                probatio.Required(
                    CONF_TEMPERATURE, default=self._options.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE)
                ): _TEMPERATURE_SELECTOR,
            }
        )
        return self.async_show_form(step_id=mode.value, data_schema=schema, last_step=True)

    def _finish(self, user_input: dict[str, Any]) -> SubentryFlowResult:
        """Save the agent."""
        self._take(user_input, CONF_PROMPT, CONF_MAX_TOKENS, CONF_TEMPERATURE)
        self._options[CONF_MAX_TOKENS] = int(self._options[CONF_MAX_TOKENS])
        # Instructions that nobody changed are not stored, so that better ones reach this agent too.
        written = str(self._options.get(CONF_PROMPT, "")).strip()
        if written == DEFAULT_PROMPTS[ToolMode(self._options[CONF_TOOL_MODE])].strip():
            del self._options[CONF_PROMPT]
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=self._name, data=self._options)
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), data=self._options, title=self._name
        )

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
