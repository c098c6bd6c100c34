"""Home services: our own compact LLM API, the only door through which home calls reach the house."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import llm
from homeassistant.util import dt as dt_util

from .actions import Action, async_perform, async_resolve
from .asking import AskingTool, Turn, Waiting
from .const import DOMAIN, LOGGER
from .doubts import async_doubt
from .entity_budget import Kept
from .errors import AgentError
from .exposure import async_exposed_devices
from .home_format import build_tools, clean, render_house
from .home_timers import async_timer_tools
from .near_miss import Doubt
from .older_format import build_older_tools, in_our_units, render_older_house
from .service_catalogue import CATALOGUE, Service
from .service_types import EXCEPT, Device
from .speech import async_error_sentence, async_sentence
from .trained import Dialect
from .trust import guarded, question_key

__all__ = [
    "API_ID",
    "GetDateTimeTool",
    "HomeServiceTool",
    "HomeServicesAPI",
    "HomeServicesInstance",
    "async_exposed_devices",
]

API_ID = "home_llm_services"


@dataclass
class HomeServicesInstance(llm.APIInstance):
    """The API as one request sees it, with what the compact format adds to it."""

    openai_tools: list[dict[str, Any]] = field(default_factory=list)
    kept: Kept = field(default_factory=lambda: Kept([], [], 0))
    dialect: Dialect = Dialect.COMPACT


class HomeServicesAPI(llm.API):
    """The services of the exposed entities, on entity ids, areas and floors.

    It is handed to the chat log directly and not registered: its tool names carry a dot and its prompt is a
    line for each device, which only our own server's grammar makes sense of.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        choose: Callable[[list[Device]], Kept] | None = None,
        *,
        turn: Turn | None = None,
        dialect: Dialect = Dialect.COMPACT,
    ) -> None:
        """Name the API, and take what chooses the devices where not all of them fit.

        Without a turn nothing can be asked, and what has to be asked first is refused. The dialect is the model's.
        """
        super().__init__(hass=hass, id=API_ID, name="Home services")
        self._choose = choose or (lambda devices: Kept(devices, [], 0))
        self.turn = turn or Turn()
        self._dialect = dialect

    @override
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> HomeServicesInstance:
        """Describe the house as it is now."""
        kept = self._choose(async_exposed_devices(self.hass, llm_context.assistant))
        devices = kept.devices
        older = self._dialect is not Dialect.COMPACT
        # The older models know nothing of a satellite's timers.
        timers = [] if older else async_timer_tools(self.hass, llm_context)
        if older:
            prompt = render_older_house(kept.core, kept.late, self._dialect)
            openai_tools = build_older_tools(devices, self._dialect)
        else:
            prompt = render_house(kept.core, kept.late, services=[tool.name for tool in timers])
            openai_tools = [*build_tools(devices), *(tool.as_openai for tool in timers)]
        services = (HomeServiceTool(service, self.turn, older=older) for service in CATALOGUE)
        return HomeServicesInstance(
            api=self,
            api_prompt=prompt,
            llm_context=llm_context,
            tools=[*services, *timers, GetDateTimeTool()],
            openai_tools=openai_tools,
            kept=kept,
            dialect=self._dialect,
        )


class HomeServiceTool(AskingTool):
    """One service, checked before it is called."""

    integration = DOMAIN
    annotations = llm.ToolAnnotations(open_world=False)

    def __init__(self, service: Service, turn: Turn, *, older: bool = False) -> None:
        """Wrap a service of the catalogue, which also holds the rules of its arguments.

        An older model says them in units of its own.
        """
        self.service = service
        self.turn = turn
        self._older = older
        self.name = service.name
        self.description = service.description

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the service; a refusal is a result in words that the assistant can speak."""
        arguments = in_our_units(tool_input.tool_args) if self._older else tool_input.tool_args
        return await self._async_call(hass, arguments, llm_context, agreed=False)

    async def _async_call(
        self, hass: HomeAssistant, arguments: dict[str, Any], llm_context: llm.LLMContext, *, agreed: bool
    ) -> llm.ToolResult:
        """Check a call and carry it out, or ask about it."""
        try:
            action = async_resolve(hass, llm_context.assistant, self.service, arguments, llm_context.language)
            if not agreed and (question := await self._async_question(hass, action, llm_context)):
                return await self.turn.async_ask(hass, llm_context.language, self._waiting(hass, question, arguments))
            if not agreed and (found := async_doubt(hass, action, self.turn.said, llm_context)):
                return await self._async_doubtful(hass, action, found, llm_context)
            await async_perform(hass, action, llm_context)
        except HomeAssistantError as err:
            LOGGER.warning("Refused %s %s: %s", self.name, arguments, err)
            sentence = await async_error_sentence(hass, llm_context.language, err)
            return llm.ToolResult(data={"error": sentence}, error=True)
        return llm.ToolResult(data={"result": "done"})

    def _waiting(self, hass: HomeAssistant, question: str, arguments: dict[str, Any]) -> Waiting:
        """Return a call that is put off until the user has agreed to it."""

        async def perform(answering: llm.LLMContext) -> llm.ToolResult:
            # All is looked at again: the house may have changed, and the speaker's rights are their own.
            return await self._async_call(hass, arguments, answering, agreed=True)

        return Waiting(question, perform)

    async def _async_question(self, hass: HomeAssistant, action: Action, llm_context: llm.LLMContext) -> str | None:
        """Return what has to be asked before an action, or None."""
        for device in action.devices:
            kind = guarded(self.name, device, action.arguments)
            if kind in self.turn.confirm:
                key = question_key(self.name, kind)
                return await async_sentence(hass, llm_context.language, key, {"device": clean(device.name)})
        return None

    async def _async_doubtful(
        self, hass: HomeAssistant, action: Action, found: Doubt, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Ask whether this is meant, or where another one was named, tell the model, and keep that one in mind.

        Raises:
            AgentError: another one was named.
        """
        if not found.named:
            sentence = await self._async_meant(hass, action, llm_context)
            waiting = self._waiting(hass, sentence, dict(action.arguments))
            return await self.turn.async_ask(hass, llm_context.language, waiting)
        if len(found.named) == 1 and self.turn.suggestion is None:
            arguments = {name: value for name, value in action.arguments.items() if name != EXCEPT}
            arguments["entity_id"] = found.named[0]
            with suppress(AgentError):
                meant = async_resolve(hass, llm_context.assistant, self.service, arguments, llm_context.language)
                question = await self._async_question(hass, meant, llm_context)
                question = question or await self._async_meant(hass, meant, llm_context)
                self.turn.suggestion = self._waiting(hass, question, arguments)
        raise AgentError("other_device", device=action.label, said=clean(self.turn.said))

    async def _async_meant(self, hass: HomeAssistant, action: Action, llm_context: llm.LLMContext) -> str:
        """Return the question whether something is meant."""
        return await async_sentence(hass, llm_context.language, "confirm_meant", {"device": action.label})


class GetDateTimeTool(llm.Tool):
    """The date and time.

    Home Assistant writes the time into the prompt of every API without such a tool, which would make each
    prompt a new one. It is not offered to the model: who wants the time in the prompt asks for it in the
    instructions.
    """

    name = f"{DOMAIN}__GetDateTime"
    description = "Provides the current date and time"
    integration = DOMAIN
    annotations = llm.ToolAnnotations(read_only=True, open_world=False)

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Return the local time."""
        return llm.ToolResult(data={"result": dt_util.now().isoformat(timespec="seconds")})
