"""The flows that repair what problems.py reports."""

from typing import Any, ClassVar

import probatio
from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, CONF_MODEL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers import llm
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig, SelectSelectorMode

from .const import CONF_TOOL_MODE, DOMAIN, ToolMode
from .coordinator import HomeLlmConfigEntry
from .problems import HOME_MODE_UNSUPPORTED, MODEL_MISSING, SERVER_GONE, TOOLS_LOST


async def async_create_fix_flow(
    hass: HomeAssistant,  # noqa: ARG001
    issue_id: str,
    data: dict[str, str | int | float | None] | None,  # noqa: ARG001
) -> RepairsFlow:
    """Return the flow for an issue; its id begins with the kind of problem."""
    return next(flow for kind, flow in _FLOWS.items() if issue_id.startswith(kind))()


class _Flow(RepairsFlow):
    """What all repairs have in common: a server, and mostly an agent."""

    @property
    def _entry(self) -> HomeLlmConfigEntry | None:
        """Return the server, or None when it has been removed or is not set up now."""
        entry: HomeLlmConfigEntry | None = self.hass.config_entries.async_get_entry(str((self.data or {})["entry_id"]))
        return entry if entry is not None and entry.state is ConfigEntryState.LOADED else None

    @property
    def _agent(self) -> ConfigSubentry | None:
        """Return the agent, or None when it has been removed."""
        entry = self._entry
        return entry.subentries.get(str((self.data or {}).get("subentry_id"))) if entry is not None else None

    @property
    def _placeholders(self) -> dict[str, str] | None:
        """Return what the texts of the issue name."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return issue.translation_placeholders if issue else None

    def _change_agent(self, **options: Any) -> RepairsFlowResult:
        """Give the agent other options, where None takes one away. The entry's listener starts it again."""
        entry, agent = self._entry, self._agent
        if entry is None or agent is None:
            return self.async_abort(reason="agent_gone")
        data = {key: value for key, value in {**agent.data, **options}.items() if value is not None}
        self.hass.config_entries.async_update_subentry(entry, agent, data=data)
        return self.async_create_entry(data={})


class ServerGoneFlow(_Flow):
    """Look for the server once more."""

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_retry()

    async def async_step_retry(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask whether to try again, until it works."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if (entry := self._entry) is None:
                return self.async_abort(reason="agent_gone")
            await entry.runtime_data.async_refresh()
            if entry.runtime_data.last_update_success:
                return self.async_create_entry(data={})
            errors["base"] = "cannot_connect"
        return self.async_show_form(
            step_id="retry",
            data_schema=probatio.Schema({}),
            errors=errors,
            description_placeholders=self._placeholders,
        )


class ModelMissingFlow(_Flow):
    """Choose another model."""

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_model()

    async def async_step_model(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask for one of the models that the server has; none is the one that it has loaded."""
        if user_input is not None:
            return self._change_agent(**{CONF_MODEL: user_input.get(CONF_MODEL)})
        if (entry := self._entry) is None:
            return self.async_abort(reason="agent_gone")
        selector = SelectSelector(
            SelectSelectorConfig(
                options=[model.model_id for model in entry.runtime_data.data.models],
                mode=SelectSelectorMode.DROPDOWN,
            )
        )
        return self.async_show_form(
            step_id="model",
            data_schema=probatio.Schema({probatio.Optional(CONF_MODEL): selector}),
            description_placeholders=self._placeholders,
        )


class _ConfirmFlow(_Flow):
    """Give the agent options with which it works."""

    options: ClassVar[dict[str, Any]]

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask whether to do it."""
        if user_input is not None:
            return self._change_agent(**self.options)
        return self.async_show_form(
            step_id="confirm", data_schema=probatio.Schema({}), description_placeholders=self._placeholders
        )


class HomeModeFlow(_ConfirmFlow):
    """Let the agent use Assist, which works with every server."""

    options: ClassVar = {CONF_TOOL_MODE: ToolMode.ASSIST.value, CONF_LLM_HASS_API: [llm.LLM_API_ASSIST]}


class ToolsLostFlow(_ConfirmFlow):
    """Let the agent only talk."""

    options: ClassVar = {CONF_LLM_HASS_API: None}


_FLOWS: dict[str, type[_Flow]] = {
    HOME_MODE_UNSUPPORTED: HomeModeFlow,
    MODEL_MISSING: ModelMissingFlow,
    SERVER_GONE: ServerGoneFlow,
    TOOLS_LOST: ToolsLostFlow,
}
