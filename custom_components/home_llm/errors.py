"""The one place where the client's errors become Home Assistant's."""

from collections.abc import Generator
from contextlib import contextmanager

from homeassistant.exceptions import HomeAssistantError

from .client_errors import (
    HomeLlmAuthenticationError,
    HomeLlmConnectionError,
    HomeLlmError,
    HomeLlmRedirectError,
    HomeLlmUnavailableError,
    LocalServerError,
)
from .const import DOMAIN


class AgentError(HomeAssistantError):
    """A failure with a translated message."""

    def __init__(self, key: str, **placeholders: str) -> None:
        """Name the message by its key in the translations."""
        super().__init__(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders or None)


def error_key(err: HomeLlmError) -> str:
    """Return the translation key of a client error, the same in flows, exceptions and speech."""
    if isinstance(err, LocalServerError):
        return err.key
    if isinstance(err, HomeLlmAuthenticationError):
        return "invalid_auth"
    if isinstance(err, HomeLlmUnavailableError):
        return "unavailable"
    if isinstance(err, HomeLlmConnectionError):
        return "cannot_connect"
    if isinstance(err, HomeLlmRedirectError):
        return "redirected"
    return "invalid_response"


@contextmanager
def api_errors() -> Generator[None]:
    """Turn what goes wrong with the server into an AgentError; wraps the reading of a stream as well.

    Raises:
        AgentError: in place of any HomeLlmError.
    """
    try:
        yield
    except HomeLlmError as err:
        raise AgentError(error_key(err), message=str(err)) from err
