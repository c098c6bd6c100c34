"""Make the prompt of a turn: instructions, examples, and the house, what never changes before what does.

A server reads only what is new since the last request, from the first byte that differs. So nothing here depends on the
time unless somebody asks for it, and what changes most stands last: instructions, services, devices with their states,
the devices that only this command is about, the area of the speaker, the time. The examples would be better off before
the devices, but then small models do worse: docs/adr/0014-states-in-the-lines-of-devices.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers import llm
from homeassistant.util import dt as dt_util

from .const import ToolMode
from .entity_budget import Kept
from .examples import DEFAULT_EXAMPLES, Row, build_examples
from .examples_assist import function_call, response_examples
from .home_format import render_device
from .house_objects import areas_of, async_area_of, async_prompt_devices, floors_of
from .prompt_options import PromptOptions
from .prompt_render import OrFunction, OrFunctionList, async_render_prompt, used_variables
from .prompt_words import here, now
from .service_catalogue import Device, offered_services
from .tool_formats import format_tools, formatted_tools

TOOL_VARIABLES = frozenset({"tools", "formatted_tools"})
DEVICE_VARIABLES = frozenset({"devices", "formatted_devices"})
# A template that uses one of these describes the house itself, and nothing is added to it.
HOUSE_VARIABLES = {
    ToolMode.HOME: DEVICE_VARIABLES | TOOL_VARIABLES | {"services", "api_prompt"},
    ToolMode.ASSIST: DEVICE_VARIABLES | {"api_prompt"},
}
# What the devices or the tools have to be looked at for.
NEEDS_DEVICES = DEVICE_VARIABLES | {"services", "areas", "floors", "response_examples"}
NEEDS_TOOLS = TOOL_VARIABLES | {"response_examples"}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a prompt is made of.

    Attributes:
        context: of the request.
        tools: of the model, in OpenAI's shape.
        kept: the devices that the prompt tells of.
        api_prompt: what the API says of itself and of the house.
        rows: examples in the language of the prompt.
        language: of the prompt.
    """

    context: llm.LLMContext
    tools: Sequence[Mapping[str, Any]]
    kept: Kept
    api_prompt: str
    rows: Sequence[Row]
    language: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one turn.

    Attributes:
        instructions: the rendered template.
        house: what follows it.
        examples: messages before the conversation.
        lists_tools: whether the instructions tell the tools, so that the server does not have to.
    """

    instructions: str
    house: str
    examples: list[dict[str, Any]] = field(default_factory=list)
    lists_tools: bool = False

    @property
    def text(self) -> str:
        """Return the system prompt."""
        return "\n".join(part for part in (self.instructions, self.house) if part)

    @property
    def halves(self) -> tuple[str, str]:
        """Return the system prompt in two parts, as Home Assistant joins them: with a line break."""
        if self.house or "\n" not in self.instructions:
            return self.instructions, self.house
        first, _, second = self.instructions.rpartition("\n")
        return first, second


class PreparedAPI(llm.API):
    """An API instance that is there already, with what we let it say."""

    def __init__(self, instance: llm.APIInstance, prompt: str) -> None:
        """Take an instance, and the prompt that it shall have."""
        super().__init__(hass=instance.api.hass, id=instance.api.id, name=instance.api.name)
        self._instance = replace(instance, api_prompt=prompt)

    @override
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Return the instance."""
        return self._instance


async def async_build_prompt(hass: HomeAssistant, options: PromptOptions, situation: Situation) -> Prompt:
    """Return the prompt of a turn.

    Raises:
        AgentError: the template fails.
    """
    used = used_variables(options.template)
    area = async_area_of(hass, situation.context.device_id)
    variables = await async_variables(hass, options, situation)
    instructions = async_render_prompt(hass, options.template, variables)
    parts = [] if used & HOUSE_VARIABLES[options.mode] else [situation.api_prompt]
    # Assist says itself where the speaker is.
    if area and options.mode is ToolMode.HOME and not used & {"area_name", "area_id"}:
        parts.append(here(situation.language, area.name))
    if options.tell_time and not used & {"time", "date", "now"}:
        parts.append(now(situation.language, dt_util.now()))
    return Prompt(
        instructions=instructions,
        house="\n".join(filter(None, parts)),
        examples=[] if "response_examples" in used else _messages(options, situation),
        lists_tools=options.mode is ToolMode.ASSIST and bool(used & TOOL_VARIABLES),
    )


async def async_variables(hass: HomeAssistant, options: PromptOptions, situation: Situation) -> dict[str, Any]:
    """Return what a template can use."""
    context, kept = situation.context, situation.kept
    # A large house is only looked at where a template asks for it.
    shown = kept.in_order if used_variables(options.template) & NEEDS_DEVICES else []
    devices = async_prompt_devices(hass, shown)
    lines = [line for device, told in zip(shown, devices, strict=True) for line in _lines(device, told.aliases)]
    areas = areas_of(devices)
    area = async_area_of(hass, context.device_id)
    moment = dt_util.now()
    return {
        "persona": options.words(situation.language),
        "language": situation.language,
        "ha_name": hass.config.location_name,
        "user_name": await _async_user_name(hass, context),
        "llm_context": context,
        "devices": devices,
        "formatted_devices": "\n".join(lines),
        "services": ", ".join(service.name for service in offered_services(shown)),
        "tools": format_tools(situation.tools, options.tool_format),
        "formatted_tools": formatted_tools(situation.tools, options.tool_format),
        "response_examples": _response_examples(options, situation, options.examples or DEFAULT_EXAMPLES),
        "areas": OrFunctionList("areas", areas),
        "floors": OrFunctionList("floors", floors_of(areas)),
        "area_name": OrFunction.named("area_name", area.name if area else None),
        "area_id": OrFunction.named("area_id", area.area_id if area else None),
        "api_prompt": situation.api_prompt,
        "time": moment.strftime("%H:%M"),
        "date": moment.strftime("%Y-%m-%d"),
    }


def _lines(device: Device, aliases: Sequence[str]) -> list[str]:
    """Return the line of a device with its name alone, and one more for each of its other names."""
    return [render_device(replace(device, name=name, names=())) for name in (device.name, *aliases)]


def _response_examples(options: PromptOptions, situation: Situation, limit: int) -> list[dict[str, Any]]:
    """Return examples as request, response and tool: a call as it is written, or its name and arguments."""
    # The core does not depend on the command, and neither do the examples.
    examples = build_examples(situation.kept.core, situation.rows, limit)
    if options.mode is ToolMode.ASSIST:
        return list(response_examples(examples, [tool["function"]["name"] for tool in situation.tools]))
    calls = [example.as_call for example in examples]
    return [{"request": call.request, "response": call.reply, "tool": call.call} for call in calls]


def _messages(options: PromptOptions, situation: Situation) -> list[dict[str, Any]]:
    """Return examples as turns of a conversation."""
    messages: list[dict[str, Any]] = []
    for item in _response_examples(options, situation, options.examples):
        answer = [item["response"], item["tool"]]
        if options.mode is ToolMode.HOME:
            # A call first, and the sentence once it has been made.
            answer.reverse()
        else:
            answer[1] = function_call(item["tool"])
        messages.append({"role": "user", "content": item["request"]})
        messages.append({"role": "assistant", "content": "\n".join(filter(None, answer))})
    return messages


async def _async_user_name(hass: HomeAssistant, context: llm.LLMContext) -> str | None:
    """Return the name of who speaks, where Home Assistant knows it."""
    user_id = context.context.user_id if context.context else None
    user = await hass.auth.async_get_user(user_id) if user_id else None
    return user.name if user else None
