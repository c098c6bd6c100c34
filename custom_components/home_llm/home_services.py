"""Home services: our own compact LLM API, the only door through which home calls reach the house."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, override

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    area_registry as ar,
)
from homeassistant.helpers import (
    device_registry as dr,
)
from homeassistant.helpers import (
    entity_registry as er,
)
from homeassistant.helpers import (
    intent,
    llm,
)
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER, SERVICE_TIMEOUT
from .entity_budget import Kept
from .errors import AgentError
from .home_format import Example, build_examples, build_tools, clean, render_house
from .service_catalogue import CATALOGUE, ArgumentError, Device, Service
from .speech import async_error_sentence

API_ID = "home_llm_services"


@callback
def async_exposed_devices(hass: HomeAssistant, assistant: str) -> list[Device]:
    """Return the entities exposed to an assistant, sorted by entity id."""
    return [
        _async_device(hass, state)
        for state in sorted(hass.states.async_all(), key=lambda state: state.entity_id)
        if async_should_expose(hass, assistant, state.entity_id)
    ]


@callback
def _async_device(hass: HomeAssistant, state: State) -> Device:
    """Return an entity with the first name that it goes by, and its area."""
    entry = er.async_get(hass).async_get(state.entity_id)
    names = [name for name in intent.async_get_entity_aliases(hass, entry, state=state) if name]
    area_id: str | None = None
    if entry is not None:
        area_id = entry.area_id
        device = dr.async_get(hass).async_get(entry.device_id) if entry.device_id else None
        if area_id is None and device is not None:
            area_id = dr.async_get_effective_area_id(hass, device)
    area = ar.async_get(hass).async_get_area(area_id) if area_id else None
    return Device(
        entity_id=state.entity_id,
        name=names[0] if names else state.name,
        state=state.state,
        attributes=state.attributes,
        area=area.name if area else None,
    )


@dataclass
class HomeServicesInstance(llm.APIInstance):
    """The API as one request sees it, with what the compact format adds to it."""

    openai_tools: list[dict[str, Any]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    kept: Kept = field(default_factory=lambda: Kept([], [], 0))


class HomeServicesAPI(llm.API):
    """The services of the exposed entities, on entity ids.

    It is handed to the chat log directly and not registered: its tool names carry a dot and its prompt is a
    line for each device, which only our own server's grammar makes sense of.
    """

    def __init__(self, hass: HomeAssistant, choose: Callable[[list[Device]], Kept] | None = None) -> None:
        """Name the API, and take what chooses the devices where not all of them fit."""
        super().__init__(hass=hass, id=API_ID, name="Home services")
        self._choose = choose or (lambda devices: Kept(devices, [], 0))

    @override
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> HomeServicesInstance:
        """Describe the house as it is now."""
        kept = self._choose(async_exposed_devices(self.hass, llm_context.assistant))
        devices = kept.devices
        return HomeServicesInstance(
            api=self,
            api_prompt=render_house(kept.core, kept.late),
            llm_context=llm_context,
            tools=[*(HomeServiceTool(service) for service in CATALOGUE), GetDateTimeTool()],
            openai_tools=build_tools(devices),
            examples=build_examples(devices),
            kept=kept,
        )


class HomeServiceTool(llm.Tool):
    """One service, checked before it is called."""

    integration = DOMAIN
    annotations = llm.ToolAnnotations(open_world=False)

    def __init__(self, service: Service) -> None:
        """Wrap a service of the catalogue, which also holds the rules of its arguments."""
        self.service = service
        self.name = service.name
        self.description = service.description

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the service; a refusal is a result in words that the assistant can speak."""
        try:
            await self._async_execute(hass, tool_input.tool_args, llm_context)
        except HomeAssistantError as err:
            LOGGER.warning("Refused %s %s: %s", tool_input.tool_name, tool_input.tool_args, err)
            sentence = await async_error_sentence(hass, llm_context.language, err)
            return llm.ToolResult(data={"error": sentence}, error=True)
        return llm.ToolResult(data={"result": "done"})

    async def _async_execute(self, hass: HomeAssistant, arguments: dict[str, Any], llm_context: llm.LLMContext) -> None:
        """Check a call and carry it out.

        Raises:
            AgentError: the call is not allowed or failed.
        """
        entity_id = arguments.get("entity_id")
        state = hass.states.get(entity_id) if isinstance(entity_id, str) else None
        # An entity that does not exist and one that is kept from the assistant sound the same.
        if state is None or not async_should_expose(hass, llm_context.assistant, state.entity_id):
            raise AgentError("not_exposed", device=clean(str(entity_id)))
        device = _async_device(hass, state)
        name = clean(device.name)
        if not self.service.supported(device):
            raise AgentError("not_supported", device=name, service=self.name)
        if state.state == STATE_UNAVAILABLE:
            # Home Assistant passes over such entities in silence.
            raise AgentError("device_unavailable", device=name)
        if not hass.services.has_service(self.service.domain, self.service.service):
            raise AgentError("not_supported", device=name, service=self.name)
        try:
            data = self.service.service_data(arguments, device)
        except ArgumentError as err:
            raise AgentError(
                "invalid_argument", device=name, argument=err.parameter, value=clean(str(err.value))
            ) from err
        await self._async_call_service(hass, data, name, llm_context)

    async def _async_call_service(
        self, hass: HomeAssistant, data: dict[str, Any], name: str, llm_context: llm.LLMContext
    ) -> None:
        """Call the service and wait for it, but not longer than a person would."""
        task = hass.async_create_task(
            hass.services.async_call(
                self.service.domain, self.service.service, data, blocking=True, context=llm_context.context
            ),
            name=f"{DOMAIN} {self.name}",
        )
        await asyncio.wait({task}, timeout=SERVICE_TIMEOUT)
        if not task.done():
            LOGGER.debug("%s goes on in the background", self.name)
            return
        try:
            task.result()
        except Exception as err:
            # Whatever an integration raises, the assistant has to answer for it.
            LOGGER.exception("%s failed", self.name)
            raise AgentError("service_failed", device=name, message=clean(str(err), 200)) from err


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
