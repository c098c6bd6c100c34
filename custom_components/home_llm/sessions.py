"""A conversation of Home Assistant's, held for who speaks where Home Assistant wants to know it."""

from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers.chat_session import ChatSession, async_get_chat_session

# From 2026.11 on a conversation belongs to its first speaker, and without a context this is reported.
_BELONGS = "context" in signature(async_get_chat_session).parameters


def async_session(
    hass: HomeAssistant, conversation_id: str | None = None, context: Context | None = None
) -> AbstractContextManager[ChatSession]:
    """Return a conversation, a new one where none is named or known.

    Raises:
        Unauthorized: from 2026.11 on, where it belongs to somebody else.
    """
    named: dict[str, Any] = {"context": context} if _BELONGS else {}
    return async_get_chat_session(hass, conversation_id, **named)
