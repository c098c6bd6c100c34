"""What can go wrong with a server.

Free of Home Assistant.
"""

from __future__ import annotations


class HomeLlmError(Exception):
    """Talking to the server failed."""


class HomeLlmConnectionError(HomeLlmError):
    """The server cannot be reached, or the connection broke."""


class HomeLlmAuthenticationError(HomeLlmError):
    """The server does not accept the API key."""


class HomeLlmUnavailableError(HomeLlmError):
    """The server is there but cannot answer now: it downloads, loads or is busy."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the seconds after which the server asks to be tried again."""
        super().__init__(message)
        self.retry_after = retry_after


class HomeLlmResponseError(HomeLlmError):
    """The server refused the request, or answered something that makes no sense."""


class HomeLlmRedirectError(HomeLlmResponseError):
    """The server sends its clients to another address.

    It is not followed: a request to generate would arrive there without its body and without its key.
    """

    def __init__(self, location: str) -> None:
        """Keep the address that the server names."""
        super().__init__(f"The server redirects to {location}")
        self.location = location


class LocalServerError(HomeLlmError):
    """The server on this machine cannot be run; the key names the translated message."""

    def __init__(self, key: str, message: str = "") -> None:
        """Keep the key, and the details that its message shows."""
        super().__init__(message or key)
        self.key = key
