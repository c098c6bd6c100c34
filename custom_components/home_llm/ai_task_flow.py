"""Add an AI task to a server, or change one."""

from typing import Any

import probatio
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_MODEL, CONF_NAME
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .const import (
    CONF_MAX_TOKENS,
    CONF_TEMPERATURE,
    DEFAULT_TASK_MAX_TOKENS,
    DEFAULT_TASK_TITLE,
    DEFAULT_TEMPERATURE,
    SUBENTRY_AI_TASK,
)
from .coordinator import HomeLlmCoordinator

# What is asked of a model in a task, and what comes back, is longer than a command.
_MAX_TOKENS_SELECTOR = NumberSelector(NumberSelectorConfig(min=16, max=32768, step=1, mode=NumberSelectorMode.BOX))
_TEMPERATURE_SELECTOR = NumberSelector(NumberSelectorConfig(min=0, max=2, step=0.05))


def default_task() -> ConfigSubentryData:
    """Return the AI task that a new server begins with."""
    return ConfigSubentryData(
        subentry_type=SUBENTRY_AI_TASK,
        title=DEFAULT_TASK_TITLE,
        data={CONF_MAX_TOKENS: DEFAULT_TASK_MAX_TOKENS, CONF_TEMPERATURE: DEFAULT_TEMPERATURE},
        unique_id=None,
    )


class TaskSubentryFlow(ConfigSubentryFlow):
    """Ask for the model of a task, and how it answers."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Add an AI task."""
        return await self.async_step_task(user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change an AI task."""
        return await self.async_step_task(user_input)

    async def async_step_task(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for everything, on one page."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        if user_input is not None:
            return self._finish(user_input)
        coordinator: HomeLlmCoordinator = entry.runtime_data
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): str,
                probatio.Optional(CONF_MODEL): SelectSelector(
                    SelectSelectorConfig(
                        options=[model.model_id for model in coordinator.data.models],
                        mode=SelectSelectorMode.DROPDOWN,
                        custom_value=True,
                    )
                ),
                probatio.Required(CONF_MAX_TOKENS): _MAX_TOKENS_SELECTOR,
                probatio.Required(CONF_TEMPERATURE): _TEMPERATURE_SELECTOR,
            }
        )
        defaults = default_task()
        suggested: dict[str, Any] = {CONF_NAME: defaults["title"], **defaults["data"]}
        if self.source != SOURCE_USER:
            task = self._get_reconfigure_subentry()
            suggested = {**suggested, CONF_NAME: task.title, **task.data}
        return self.async_show_form(
            step_id="task", data_schema=self.add_suggested_values_to_schema(schema, suggested), last_step=True
        )

    def _finish(self, user_input: dict[str, Any]) -> SubentryFlowResult:
        """Save the AI task."""
        name = str(user_input[CONF_NAME]).strip() or DEFAULT_TASK_TITLE
        data: dict[str, Any] = {
            CONF_MAX_TOKENS: int(user_input[CONF_MAX_TOKENS]),
            CONF_TEMPERATURE: float(user_input[CONF_TEMPERATURE]),
        }
        if model := str(user_input.get(CONF_MODEL) or "").strip():
            data[CONF_MODEL] = model
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=name, data=data)
        return self.async_update_and_abort(self._get_entry(), self._get_reconfigure_subentry(), data=data, title=name)
