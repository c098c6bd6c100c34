"""What a new server gets at once, so that one submit is enough."""

from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.const import CONF_LLM_HASS_API, CONF_MODEL
from homeassistant.helpers import llm

from .ai_task_flow import default_task
from .client import ServerInfo
from .const import CONF_TOOL_MODE, DEFAULT_TITLE, SUBENTRY_CONVERSATION, ToolMode


def first_agents(server: ServerInfo, model: str | None = None) -> list[ConfigSubentryData]:
    """Return the subentries of a new entry, with settings that suit the server.

    Args:
        server: the server.
        model: the model that the user chose, where there was a choice.
    """
    agent: dict[str, Any] = {CONF_TOOL_MODE: ToolMode.HOME.value}
    if not server.has_home_services:
        agent = {CONF_TOOL_MODE: ToolMode.ASSIST.value, CONF_LLM_HASS_API: [llm.LLM_API_ASSIST]}
    if model:
        agent[CONF_MODEL] = model
    return [
        ConfigSubentryData(subentry_type=SUBENTRY_CONVERSATION, title=DEFAULT_TITLE, data=agent, unique_id=None),
        default_task(),
    ]
