"""What the integration tells the model in a virtual house, and what becomes of the calls of the model.

All of it is the integration's own work, from the real Home Assistant; only nothing has to be confirmed, and nothing is
doubted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from homeassistant.core import Context
from homeassistant.helpers import llm

from custom_components.home_llm.asking import Turn as Asking
from custom_components.home_llm.chat_events import ToolCall
from custom_components.home_llm.const import DOMAIN
from custom_components.home_llm.home_services import HomeServicesAPI, HomeServicesInstance
from custom_components.home_llm.personas import Persona, persona_text
from custom_components.home_llm.prompt_words import here, now
from custom_components.home_llm.text_tools import CallFormat, known_tools, write_calls
from home_llm_lab.example import Call

from .world import ASSISTANT, Residence


class Speaking:
    """The conversation agent of a house, in one moment."""

    def __init__(self, residence: Residence, instance: HomeServicesInstance) -> None:
        """Take what the integration says of the house."""
        self._residence = residence
        self._tools = {tool.name: tool for tool in instance.tools}
        self.house_prompt = instance.api_prompt
        self.openai_tools: Sequence[Mapping[str, Any]] = instance.openai_tools
        self._known = known_tools(instance.openai_tools)

    @classmethod
    async def begin(cls, residence: Residence) -> Speaking:
        """Ask the integration about the house as it is now."""
        api = HomeServicesAPI(residence.hass, turn=Asking(confirm=frozenset()))
        return cls(residence, await api.async_get_api_instance(_context(residence, None, None)))

    def prompt(self, persona: str, language: str) -> str:
        """Return the system prompt without the lines of area and time."""
        return "\n".join(filter(None, (persona_text(Persona(persona), language), self.house_prompt)))

    def tail(self, area_id: str | None, moment: str | None, language: str) -> str:
        """Return the lines that follow the prompt: where the speaker is, and what time it is."""
        area = self._residence.house.area(area_id)
        lines = [here(language, area.name)] if area else []
        if moment:
            lines.append(now(language, datetime.fromisoformat(moment)))
        return "".join(f"\n{line}" for line in lines)

    def write(self, call: Call) -> str:
        """Return a call as the model writes it."""
        made = ToolCall("0", call.service, arguments(call))
        return write_calls([made], CallFormat.HOME, self._known)

    async def perform(self, call: Call, *, area_id: str | None, language: str) -> str | None:
        """Carry a call out, and return what went wrong in words, or None."""
        tool = self._tools.get(call.service)
        if tool is None:
            return f"{call.service} is no service"
        given = llm.ToolInput(call.service, arguments(call))
        result = await tool.async_call(self._residence.hass, given, _context(self._residence, area_id, language))
        if not isinstance(result, llm.ToolResult):
            raise TypeError(f"{call.service} answers {result!r}")
        return str(result.data["error"]) if result.error else None


def arguments(call: Call) -> dict[str, Any]:
    """Return the arguments of a call, the target among them."""
    given = {"entity_id": call.target} if call.target is not None else {}
    return {**given, **call.arguments}


def _context(residence: Residence, area_id: str | None, language: str | None) -> llm.LLMContext:
    return llm.LLMContext(
        platform=DOMAIN,
        context=Context(),
        language=language or residence.house.language,
        assistant=ASSISTANT,
        device_id=residence.satellites.get(area_id, residence.satellites[None]),
    )
