"""Talking to the agent of the tests."""

from __future__ import annotations

from typing import Any

from homeassistant.components import conversation
from homeassistant.components.conversation import ConversationResult
from homeassistant.core import Context, HomeAssistant

AGENT = "conversation.al"
KITCHEN = {"entity_id": "light.kitchen_light"}


async def say(
    hass: HomeAssistant, text: str = "turn on the kitchen light", language: str = "en", **kwargs: Any
) -> ConversationResult:
    """Say something to the agent."""
    return await conversation.async_converse(
        hass,
        text,
        kwargs.pop("conversation_id", None),
        kwargs.pop("context", Context()),
        language=language,
        agent_id=kwargs.pop("agent_id", AGENT),
        **kwargs,
    )


def speech(result: ConversationResult) -> str:
    """Return what was said."""
    return str(result.response.speech["plain"]["speech"])


def is_on(hass: HomeAssistant, entity_id: str) -> bool:
    """Return whether a lamp is on."""
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state == "on"
