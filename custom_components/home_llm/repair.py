"""Calls that are no calls: of tools that do not exist, or that cannot be read. The model is told, and may try again."""

from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers import llm

from .chat_events import ToolCall
from .const import DOMAIN, LOGGER
from .errors import AgentError
from .home_format import clean
from .speech import async_error_sentence

FAULTY_CALL = f"{DOMAIN}__faulty_call"


class FaultyCallTool(llm.Tool):
    """What is called in place of what cannot be. It is never offered, and does nothing but say what is wrong."""

    name = FAULTY_CALL
    description = "Answers a call that cannot be made"
    integration = DOMAIN
    annotations = llm.ToolAnnotations(read_only=True, open_world=False)

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Return what is wrong, in words that the assistant can speak."""
        name, fault = tool_input.tool_args["tool"], tool_input.tool_args["fault"]
        LOGGER.warning("The model called %s, which is not possible: %s", clean(name), fault or "there is no such tool")
        err = AgentError("broken_call") if fault else AgentError("unknown_tool", tool=clean(name))
        sentence = await async_error_sentence(hass, llm_context.language, err)
        data: dict[str, Any] = {"error": sentence}
        if fault:
            data["details"] = fault
        return llm.ToolResult(data=data, error=True)


def tool_input(
    api: llm.APIInstance | None, call: ToolCall, name: str, arguments: dict[str, Any]
) -> llm.ToolInput | None:
    """Return a call as the chat log takes it, or None where the model has nothing to call.

    Args:
        api: the tools of the request.
        call: what the model wrote.
        name: Home Assistant's name for what it called.
        arguments: what it is called with.
    """
    if api is None:
        LOGGER.warning("The model called %s, but it has no tools", clean(call.name))
        return None
    if not call.fault and any(tool.name == name for tool in api.tools):
        return llm.ToolInput(id=call.call_id, tool_name=name, tool_args=arguments)
    if not any(tool.name == FAULTY_CALL for tool in api.tools):
        # The list may be the API's own.
        api.tools = [*api.tools, FaultyCallTool()]
    faulty = {"tool": call.name, "arguments": call.arguments, "fault": call.fault}
    return llm.ToolInput(id=call.call_id, tool_name=FAULTY_CALL, tool_args=faulty)


def written_call(call: llm.ToolInput) -> tuple[str, dict[str, Any]]:
    """Return name and arguments of a call as the model wrote it."""
    if call.tool_name == FAULTY_CALL:
        return call.tool_args["tool"], call.tool_args["arguments"]
    return call.tool_name, call.tool_args
