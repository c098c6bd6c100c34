"""Assist's tools with what home services have: they ask before they open the house, and no bug in one ends a turn."""

from typing import Any, override

import probatio
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm

from .asking import AskingTool, Turn, Waiting
from .const import LOGGER
from .errors import AgentError
from .exposure import async_device
from .home_format import clean
from .speech import async_error_sentence, async_sentence
from .trust import Guarded, guarded, question_key

# What an intent does with an entity, as a home service: turning a lock off unlocks it.
_SERVICES: dict[str, dict[str, str]] = {
    intent.INTENT_TURN_ON: {
        "button": "button.press",
        "cover": "cover.open_cover",
        "input_button": "input_button.press",
        "scene": "scene.turn_on",
        "script": "script.turn_on",
        "valve": "valve.open_valve",
    },
    intent.INTENT_TURN_OFF: {"lock": "lock.unlock"},
    intent.INTENT_SET_POSITION: {"cover": "cover.set_cover_position", "valve": "valve.set_valve_position"},
}
_SCRIPTS = "script"


class GuardedTool(AskingTool):
    """A tool of Home Assistant's that asks first where the agent's options say so."""

    def __init__(self, tool: llm.Tool, turn: Turn) -> None:
        """Look like the tool."""
        self.tool = tool
        self.turn = turn
        self.name = tool.name
        self.title = tool.title
        self.description = tool.description
        self.parameters = tool.parameters
        self.annotations = tool.annotations
        self.integration = tool.integration

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Ask, or call the tool."""
        question = await self._async_question(hass, tool_input, llm_context)
        if question is None:
            return await self._async_perform(hass, tool_input, llm_context)

        async def perform(answering: llm.LLMContext) -> llm.ToolResult:
            return await self._async_perform(hass, tool_input, answering)

        return self.turn.ask(Waiting(question, perform))

    async def _async_perform(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the tool; what it raises becomes a result."""
        try:
            return await self._async_call_tool(hass, tool_input, llm_context)
        except AgentError as err:
            sentence = await async_error_sentence(hass, llm_context.language, err)
            return llm.ToolResult(data={"error": sentence}, error=True)
        except (HomeAssistantError, probatio.Invalid) as err:
            data: dict[str, Any] = {"error": type(err).__name__}
            if str(err):
                data["error_text"] = str(err)
            return llm.ToolResult(data=data, error=True)

    async def _async_call_tool(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the tool.

        Raises:
            AgentError: it has a bug.
            HomeAssistantError, probatio.Invalid: it refuses.
        """
        try:
            result = await self.tool.async_call(hass, tool_input, llm_context)
        except (HomeAssistantError, probatio.Invalid):
            raise
        except Exception as err:
            # Whatever a tool raises, the assistant has to answer for it.
            LOGGER.exception("%s failed", self.name)
            name = clean(self.title or self.name)
            raise AgentError("service_failed", device=name, message=clean(str(err), 200)) from err
        return result if isinstance(result, llm.ToolResult) else llm.ToolResult(data=result)

    async def _async_question(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> str | None:
        """Return what has to be asked before a call, or None."""
        tool = self.tool
        while isinstance(tool, llm.NamespacedTool):
            tool = tool.tool
        if isinstance(tool, llm.IntentTool) and tool.intent_type in _SERVICES:
            services = _SERVICES[tool.intent_type]
            for state in _async_targets(hass, tool_input.tool_args, llm_context):
                service = services.get(state.domain)
                device = async_device(hass, state)
                kind = guarded(service, device, tool_input.tool_args) if service else None
                if service and kind in self.turn.confirm:
                    key = question_key(service, kind)
                    return await async_sentence(hass, llm_context.language, key, {"device": clean(device.name)})
        elif tool.integration == _SCRIPTS and Guarded.ROUTINE in self.turn.confirm:
            name = clean(tool.title or tool.name)
            return await async_sentence(hass, llm_context.language, "confirm_run", {"device": name})
        return None


@callback
def guard_tools(api: llm.APIInstance | None, turn: Turn) -> None:
    """Put every tool of a request behind a guard."""
    if api is not None:
        # The list may be the API's own.
        api.tools = [tool if isinstance(tool, AskingTool) else GuardedTool(tool, turn) for tool in api.tools]


@callback
def _async_targets(hass: HomeAssistant, arguments: dict[str, Any], llm_context: llm.LLMContext) -> list[State]:
    """Return the entities that an intent will act on, as far as its arguments make sense."""
    name = arguments.get("name")
    constraints = intent.MatchTargetsConstraints(
        name=name if isinstance(name, str) and name and name != "all" else None,
        area_name=_text(arguments, "area"),
        floor_name=_text(arguments, "floor"),
        domains=_texts(arguments, "domain"),
        device_classes=_texts(arguments, "device_class"),
        assistant=llm_context.assistant,
    )
    if not constraints.has_constraints:
        return []
    preferences = llm.async_get_match_preferences(hass, llm_context)
    return list(intent.async_match_targets(hass, constraints, preferences).states)


def _text(arguments: dict[str, Any], key: str) -> str | None:
    value = arguments.get(key)
    return value if isinstance(value, str) and value.strip() else None


def _texts(arguments: dict[str, Any], key: str) -> set[str] | None:
    value = arguments.get(key)
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return {text for text in texts if isinstance(text, str) and text} or None
