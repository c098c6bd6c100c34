"""Sentences that the integration itself says, in the language of the person who spoke."""

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import language as language_util

from .const import DOMAIN, LANGUAGES


async def async_sentence(
    hass: HomeAssistant, language: str | None, key: str, placeholders: dict[str, str] | None = None
) -> str:
    """Return the message of an exception key in a language, in English where we do not speak it."""
    return (await _async_text(hass, language, "exceptions", f"{key}.message")).format(**(placeholders or {}))


async def async_done(hass: HomeAssistant, language: str | None) -> str:
    """Return the short confirmation of an action that the model did not comment on."""
    return await _async_text(hass, language, "conversation", "agent.done")


async def async_error_sentence(hass: HomeAssistant, language: str | None, err: HomeAssistantError) -> str:
    """Return what to say about an error: ours in the user's language, others as they come."""
    if err.translation_domain == DOMAIN and err.translation_key:
        return await async_sentence(hass, language, err.translation_key, err.translation_placeholders)
    return str(err) or await async_sentence(hass, language, "unknown_error")


async def _async_text(hass: HomeAssistant, language: str | None, category: str, key: str) -> str:
    """Return a text of our translations."""
    best = language_util.matches(language or hass.config.language, LANGUAGES)
    translations = await async_get_translations(hass, best[0] if best else "en", category, [DOMAIN])
    return translations[f"component.{DOMAIN}.{category}.{key}"]
