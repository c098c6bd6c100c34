"""Show what an agent will tell its model, and how much of the context that takes."""

from __future__ import annotations

from dataclasses import dataclass

from homeassistant.components import conversation
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import llm
from homeassistant.helpers.json import json_dumps

from .agent_prompt import Agent, Asked, async_prepare_prompt
from .assist import ToolNames, format_tool
from .client import HomeLlmClient, HomeLlmError
from .const import DOMAIN, LOGGER, ToolMode
from .example_files import async_examples
from .exposure import async_exposed_devices
from .tokens import MESSAGE_TOKENS, async_count_tokens, estimate_tokens

# What a form can show without becoming slow.
MAX_SHOWN = 12_000


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt as it would be now.

    Attributes:
        text: the system prompt and the examples after it.
        tokens: what text and tools take.
        counted: whether the server has counted them, or they are about so many.
        context_size: of the model, None where the server does not tell.
        told: how many devices the prompt tells of.
        exposed: how many are exposed.
        note: what is wrong with the user's own examples.
    """

    text: str
    tokens: int
    counted: bool
    context_size: int | None
    told: int
    exposed: int
    note: str

    @property
    def placeholders(self) -> dict[str, str]:
        """Return what the form shows."""
        shown = self.text if len(self.text) <= MAX_SHOWN else f"{self.text[:MAX_SHOWN]}\u2026"
        return {
            # It stands in a fence, which no name may close.
            "prompt": shown.replace("```", "\u02cb\u02cb\u02cb"),
            "tokens": str(self.tokens),
            "context": str(self.context_size or "?"),
            "told": str(self.told),
            "exposed": str(self.exposed),
            "note": self.note,
        }


async def async_preview(hass: HomeAssistant, agent: Agent, client: HomeLlmClient) -> Preview:
    """Return the prompt of an agent for somebody who has said nothing yet.

    Raises:
        AgentError: the template fails.
        HomeAssistantError: an LLM API cannot be used.
    """
    context = llm.LLMContext(
        platform=DOMAIN,
        context=Context(),
        language=hass.config.language,
        assistant=conversation.DOMAIN,
        device_id=None,
    )
    prepared = await async_prepare_prompt(hass, agent, Asked(context), check=True)
    prompt, kept = prepared.prompt, prepared.situation.kept
    examples = [f"{message['role']}: {message['content']}" for message in prompt.examples]
    text = "\n\n".join(filter(None, [prompt.text, "\n".join(examples)]))
    counted = text
    api = await prepared.api.async_get_api_instance(context) if prepared.api else None
    if api and agent.options.mode is ToolMode.ASSIST and not prompt.lists_tools:
        # The server writes the tools into the prompt. Its own way of writing differs, but not by much.
        names = ToolNames.from_names(tool.name for tool in api.tools)
        counted += json_dumps([format_tool(tool, names, api.custom_serializer) for tool in api.tools])
    tokens = await _async_count(client, counted)
    around = MESSAGE_TOKENS * (1 + len(prompt.examples))
    exposed = len(async_exposed_devices(hass, conversation.DOMAIN))
    return Preview(
        text=text,
        tokens=around + (estimate_tokens(counted) if tokens is None else tokens),
        counted=tokens is not None,
        context_size=agent.context_size,
        told=exposed - kept.dropped,
        exposed=exposed,
        note=(await async_examples(hass, prepared.situation.language)).error or "",
    )


async def _async_count(client: HomeLlmClient, text: str) -> int | None:
    """Return the number of tokens, or None where the server does not tell it, or not now."""
    try:
        return await async_count_tokens(client, text)
    except HomeLlmError as err:
        LOGGER.debug("The tokens of the prompt were not counted: %s", err)
        return None
