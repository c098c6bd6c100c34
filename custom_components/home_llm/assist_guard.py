"""Assist's tools with what home services have: they ask where that is wanted, and no bug in one ends a turn.

They ask before they open the house, and where they seem to be on something else than was said.
"""

from dataclasses import replace
from typing import Any, override

import probatio
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm

from .asking import AskingTool, Turn, Waiting
from .assist_targets import ON_THINGS, Mistaken, async_mistaken, async_targets, not_matched
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
# Integrations whose tools are what the user has written, whatever that does.
_ROUTINES = frozenset({"intent_script", "script"})
# When a timer ends, Home Assistant carries its command out, and asks nobody.
_LATER = "conversation_command"


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
        if question := await self._async_question(hass, tool_input, llm_context):
            return await self.turn.async_ask(hass, llm_context.language, self._waiting(hass, question, tool_input))
        if mistaken := self._mistaken(hass, tool_input, llm_context):
            return await self._async_doubtful(hass, tool_input, llm_context, mistaken)
        return await self._async_perform(hass, tool_input, llm_context)

    def _waiting(self, hass: HomeAssistant, question: str, tool_input: llm.ToolInput) -> Waiting:
        """Return a call that is put off until the user has agreed to it."""

        async def perform(answering: llm.LLMContext) -> llm.ToolResult:
            return await self._async_perform(hass, tool_input, answering)

        return Waiting(question, perform)

    async def _async_perform(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the tool; what it raises becomes a result."""
        try:
            return await self._async_call_tool(hass, tool_input, llm_context)
        except AgentError as err:
            sentence = await async_error_sentence(hass, llm_context.language, err)
            return llm.ToolResult(data={"error": sentence}, error=True)
        except intent.MatchFailedError as err:
            sentence = await async_error_sentence(hass, llm_context.language, not_matched(err))
            # The first is for the speaker, the second for the model.
            return llm.ToolResult(data={"error": sentence, "details": str(err)}, error=True)
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

    @property
    def _inner(self) -> llm.Tool:
        """Return the tool itself, where several APIs are used as one."""
        tool = self.tool
        while isinstance(tool, llm.NamespacedTool):
            tool = tool.tool
        return tool

    @property
    def _intent(self) -> str:
        """Return the intent behind the tool; empty where there is none."""
        tool = self._inner
        return tool.intent_type if isinstance(tool, llm.IntentTool) else ""

    async def _async_question(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> str | None:
        """Return what has to be asked before a call, or None."""
        arguments = tool_input.tool_args
        if self.integration in _ROUTINES:
            if Guarded.ROUTINE not in self.turn.confirm:
                return None
            name = clean(self.title or self._inner.name)
            return await async_sentence(hass, llm_context.language, "confirm_run", {"device": name})
        if arguments.get(_LATER) and self.turn.confirm:
            command = clean(str(arguments[_LATER]))
            return await async_sentence(hass, llm_context.language, "confirm_later", {"command": command})
        services = _SERVICES.get(self._intent, {})
        questions: list[str] = []
        for state in async_targets(hass, arguments, llm_context) if services else ():
            service = services.get(state.domain)
            device = async_device(hass, state)
            kind = guarded(service, device, arguments) if service else None
            if service and kind in self.turn.confirm:
                key = question_key(service, kind)
                questions.append(await async_sentence(hass, llm_context.language, key, {"device": clean(device.name)}))
        # One call may open several things, and who says yes has to know of all.
        return " ".join(dict.fromkeys(questions)) or None

    @callback
    def _mistaken(self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext) -> Mistaken | None:
        """Return what the user's words say against a call, or None."""
        if self._intent not in ON_THINGS:
            return None
        states = async_targets(hass, tool_input.tool_args, llm_context)
        return async_mistaken(hass, tool_input.tool_args, states, self.turn.said, llm_context)

    async def _async_doubtful(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext, mistaken: Mistaken
    ) -> llm.ToolResult:
        """Ask whether this is meant, or where another one was named, tell the model, and keep that one in mind."""
        language = llm_context.language
        if not mistaken.named:
            sentence = await async_sentence(hass, language, "confirm_meant", {"device": mistaken.label})
            return await self.turn.async_ask(hass, language, self._waiting(hass, sentence, tool_input))
        if mistaken.instead is not None and self.turn.suggestion is None:
            rest = {key: value for key, value in tool_input.tool_args.items() if key not in ("area", "floor")}
            meant = replace(tool_input, tool_args={**rest, "name": mistaken.instead.name})
            question = await self._async_question(hass, meant, llm_context)
            name = {"device": clean(mistaken.instead.name)}
            question = question or await async_sentence(hass, language, "confirm_meant", name)
            self.turn.suggestion = self._waiting(hass, question, meant)
        err = AgentError("other_device", device=mistaken.label, said=clean(self.turn.said))
        LOGGER.warning("Refused %s %s: %s", self.name, tool_input.tool_args, err)
        return llm.ToolResult(data={"error": await async_error_sentence(hass, language, err)}, error=True)


@callback
def guard_tools(api: llm.APIInstance | None, turn: Turn) -> None:
    """Put every tool of a request behind a guard."""
    if api is not None:
        # The list may be the API's own.
        api.tools = [tool if isinstance(tool, AskingTool) else GuardedTool(tool, turn) for tool in api.tools]
