"""The prompt of an agent in a moment: which API it has, which devices fit, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homeassistant.const import CONF_LLM_HASS_API, CONF_MODEL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import llm

from .asking import Turn
from .assist import ToolNames, format_tool
from .client import ServerInfo
from .const import ToolMode
from .entity_budget import Kept, Moment, choose, default_budget
from .errors import AgentError
from .example_files import async_examples
from .exposure import async_exposed_devices
from .home_format import render_groups
from .home_services import HomeServicesAPI, HomeServicesInstance
from .house_objects import async_area_of, async_prompt_devices
from .prompt import (
    NEEDS_DEVICES,
    NEEDS_TOOLS,
    PreparedAPI,
    Prompt,
    Situation,
    async_build_prompt,
    async_variables,
)
from .prompt_options import PromptOptions
from .prompt_render import async_check_prompt, used_variables
from .service_catalogue import Device, offered_services
from .tokens import estimate_tokens

# About what an example takes.
_EXAMPLE_TOKENS = 36


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of an agent.

    Attributes:
        context: of the request.
        command: what was said, this time and the time before.
        recent: entities that were used lately, the last one first.
        turn: what may be asked before something is done.
    """

    context: llm.LLMContext
    command: str = ""
    recent: Sequence[str] = ()
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as far as its prompt depends on it.

    Attributes:
        data: its options.
        server: that it belongs to.
    """

    data: Mapping[str, Any]
    server: ServerInfo

    @property
    def model(self) -> str | None:
        """Return the model that answers."""
        return self.data.get(CONF_MODEL) or self.server.default_model

    @property
    def context_size(self) -> int | None:
        """Return how many tokens the model holds, or None where the server does not tell."""
        # A Home LLM server answers with the model that it has, whatever is named.
        models = (info for info in self.server.models if self.server.is_home_llm or info.model_id == self.model)
        return next((info.context_size for info in models), None)

    @property
    def options(self) -> PromptOptions:
        """Return how its prompt is made."""
        return PromptOptions.of(self.data, self.model)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a turn begins with: the API with its part of the prompt, and the prompt."""

    api: PreparedAPI | None
    prompt: Prompt
    situation: Situation


async def async_prepare_prompt(hass: HomeAssistant, agent: Agent, asked: Asked, *, check: bool = False) -> Prepared:
    """Return the prompt of an agent.

    Args:
        hass: Home Assistant.
        agent: whose prompt it is.
        asked: what is asked.
        check: whether the template is tried first where it cannot hold up Home Assistant, with every name known.

    Raises:
        AgentError: the agent wants home services of a server that does not have them, or its template fails.
        HomeAssistantError: an LLM API cannot be used.
    """
    instance, situation = await _async_situation(hass, agent, asked)
    options = agent.options
    if check:
        await async_check_prompt(hass, options.template, await async_variables(hass, options, situation))
    prompt = await async_build_prompt(hass, options, situation)
    return Prepared(PreparedAPI(instance, prompt.halves[1]) if instance else None, prompt, situation)


async def _async_situation(hass: HomeAssistant, agent: Agent, asked: Asked) -> tuple[llm.APIInstance | None, Situation]:
    """Return the API of an agent, and what its prompt is made of."""
    options = agent.options
    budget = _budget(options, agent.context_size)

    def pick(devices: list[Device]) -> Kept:
        return choose(devices, budget(devices), lambda: _moment(hass, devices, asked))

    instance: llm.APIInstance | None
    tools: list[dict[str, Any]] = []
    kept = Kept([], [], 0)
    if options.mode is ToolMode.HOME:
        if not agent.server.has_home_services:
            raise AgentError("home_mode_unsupported")
        api = HomeServicesAPI(hass, pick, turn=asked.turn, dialect=options.dialect)
        home: HomeServicesInstance = await api.async_get_api_instance(asked.context)
        instance, tools, kept = home, home.openai_tools, home.kept
    else:
        instance = await _async_assist(hass, agent.data, asked.context)
        used = used_variables(options.template)
        # Assist tells the devices and the server the tools, unless the template does it.
        if instance is not None and (options.examples or used & NEEDS_TOOLS):
            names = ToolNames.from_names(tool.name for tool in instance.tools)
            tools = [format_tool(tool, names, instance.custom_serializer) for tool in instance.tools]
        if options.examples or used & NEEDS_DEVICES:
            kept = pick(async_exposed_devices(hass, asked.context.assistant))
    language = options.language_for(asked.context.language, hass.config.language)
    return instance, Situation(
        context=asked.context,
        tools=tools,
        kept=kept,
        api_prompt=instance.api_prompt if instance else "",
        rows=(await async_examples(hass, language)).rows,
        language=language,
    )


async def _async_assist(
    hass: HomeAssistant, data: Mapping[str, Any], context: llm.LLMContext
) -> llm.APIInstance | None:
    """Return the LLM APIs of an agent as one, or None for an agent that can only talk."""
    known = {api.id for api in llm.async_get_apis(hass)}
    # An API whose integration is gone does not take the others with it.
    wanted = [api for api in data.get(CONF_LLM_HASS_API, ()) if api in known]
    return await llm.async_get_api(hass, wanted, context) if wanted else None


def _budget(options: PromptOptions, context_size: int | None) -> Callable[[Sequence[Device]], int | None]:
    """Return what tells how many tokens the devices may take."""

    def budget(devices: Sequence[Device]) -> int | None:
        if options.house_tokens is not None:
            return options.house_tokens
        services = ", ".join(service.name for service in offered_services(devices))
        groups = "".join(render_groups(devices))
        spent = estimate_tokens(options.template + options.words("en") + services + groups)
        return default_budget(context_size, options.max_tokens, spent + _EXAMPLE_TOKENS * options.examples)

    return budget


def _moment(hass: HomeAssistant, devices: Sequence[Device], asked: Asked) -> Moment:
    """Return what tells which devices matter."""
    told = async_prompt_devices(hass, devices)
    area = async_area_of(hass, asked.context.device_id)
    return Moment(
        command=asked.command,
        area_id=area.area_id if area else None,
        names={device.entity_id: device.aliases for device in told},
        areas={device.entity_id: device.area_id for device in told},
        recent=asked.recent,
    )
