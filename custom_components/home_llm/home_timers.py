"""Timers of voice satellites, which are no entities: Assist's intents, as services in the home format."""

from typing import Any, override

from homeassistant.components.intent import async_device_supports_timers
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm

from .const import DOMAIN, LOGGER
from .errors import AgentError
from .home_format import clean
from .service_types import DURATION_PATTERN, MAX_TEXT_LENGTH, duration_seconds
from .speech import async_error_sentence

_DURATION = {"type": "string", "pattern": DURATION_PATTERN, "description": "Such as 5 minutes"}
_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_LENGTH, "description": "What it is for"}


class TimerTool(llm.Tool):
    """An intent about the timers of the satellite that was spoken to."""

    integration = DOMAIN
    annotations = llm.ToolAnnotations(open_world=False)

    def __init__(
        self, name: str, description: str, intent_type: str, properties: dict[str, Any], required: tuple[str, ...] = ()
    ) -> None:
        """Say what the model sees of it."""
        self.name = name
        self.description = description
        self.intent_type = intent_type
        self._properties = properties
        self._required = required

    @property
    def as_openai(self) -> dict[str, Any]:
        """Return the OpenAI tool from which the server makes its grammar."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": self._properties,
                    "required": list(self._required),
                    "additionalProperties": False,
                },
            },
        }

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Handle the intent; a refusal is a result in words that the assistant can speak."""
        try:
            await self._async_handle(hass, tool_input.tool_args, llm_context)
        except HomeAssistantError as err:
            LOGGER.warning("Refused %s %s: %s", tool_input.tool_name, tool_input.tool_args, err)
            sentence = await async_error_sentence(hass, llm_context.language, err)
            return llm.ToolResult(data={"error": sentence}, error=True)
        return llm.ToolResult(data={"result": "done"})

    async def _async_handle(self, hass: HomeAssistant, arguments: dict[str, Any], llm_context: llm.LLMContext) -> None:
        """Check the arguments and handle the intent.

        Raises:
            AgentError: the call is not possible.
        """
        slots: dict[str, Any] = {}
        for name, value in arguments.items():
            if name not in self._properties:
                raise self._wrong(name, value)
            if name == "duration":
                seconds = duration_seconds(value)
                if seconds is None:
                    raise self._wrong(name, value)
                parts = {"hours": seconds // 3600, "minutes": seconds // 60 % 60, "seconds": seconds % 60}
                slots |= {unit: {"value": count} for unit, count in parts.items() if count}
            elif isinstance(value, str) and 0 < len(value.strip()) <= MAX_TEXT_LENGTH:
                slots[name] = {"value": clean(value)}
            else:
                raise self._wrong(name, value)
        for name in self._required:
            if name not in arguments:
                raise self._wrong(name, None)
        try:
            await intent.async_handle(
                hass,
                llm_context.platform,
                self.intent_type,
                slots,
                context=llm_context.context,
                language=llm_context.language,
                assistant=llm_context.assistant,
                device_id=llm_context.device_id,
            )
        except intent.IntentError as err:
            raise AgentError("timer_failed", message=clean(str(err), 200)) from err

    def _wrong(self, name: str, value: Any) -> AgentError:
        """Return what to say about an argument."""
        return AgentError("invalid_argument", device=self.name, argument=name, value=clean(str(value)))


@callback
def async_timer_tools(hass: HomeAssistant, llm_context: llm.LLMContext) -> list[TimerTool]:
    """Return the tools for timers, where somebody speaks to a device that has some."""
    if not llm_context.device_id or not async_device_supports_timers(hass, llm_context.device_id):
        return []
    return [
        TimerTool(
            "assist.start_timer",
            "Start a timer",
            intent.INTENT_START_TIMER,
            {"duration": _DURATION, "name": _NAME},
            ("duration",),
        ),
        TimerTool("assist.cancel_timer", "Cancel the timer", intent.INTENT_CANCEL_TIMER, {}),
        TimerTool("assist.cancel_all_timers", "Cancel all timers", intent.INTENT_CANCEL_ALL_TIMERS, {}),
    ]
