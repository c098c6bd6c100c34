"""API key and admin key."""

import hmac
from enum import StrEnum

import flask

from home_llm.api.errors import ApiError

# Open for the Supervisor's health check and for people who look whether somebody is there.
_OPEN = frozenset(
    {
        "/",
        "/health",
        "/v1/health",
        "/healthz",
        "/readyz",
        "/v1/internal/health",
        "/docs",
        "/openapi.json",
    }
)
_ADMIN = frozenset(
    {
        "/v1/internal/model/list",
        "/v1/internal/model/load",
        "/v1/internal/model/unload",
        "/v1/internal/lora/list",
        "/v1/internal/lora/load",
        "/v1/internal/lora/unload",
        "/api/pull",
        "/models/load",
        "/models/unload",
    }
)
# What is written into a folder, under a name that somebody gives.
_ADMIN_BELOW = "/slots/"
# Whoever has the API key may read these, and only the admin change them.
_ADMIN_CHANGES = frozenset({"/lora-adapters", "/api/v1/model"})


_WHERE = "send it as 'Authorization: Bearer KEY'"


class Key(StrEnum):
    """Which key a request needs."""

    NONE = "none"
    API = "api"
    ADMIN = "admin"


def needed_key(path: str, method: str) -> Key:
    """Return which key a request of this path needs."""
    if path in _OPEN or method == "OPTIONS":
        return Key.NONE
    if path in _ADMIN or path.startswith(_ADMIN_BELOW) or (path in _ADMIN_CHANGES and method not in {"GET", "HEAD"}):
        return Key.ADMIN
    return Key.API


class Keys:
    """Checks the key of every request.

    The admin key is good wherever the API key is; the API key is good for admin routes only when there is no other.
    What is open in one place and the admin's in another, such as the wish for another model, asks `is_admin`.

    Args:
        api_key: empty leaves the API open.
        admin_key: empty is the API key.
    """

    def __init__(self, api_key: str, admin_key: str) -> None:
        self._api = api_key
        self._admin = admin_key or api_key

    def register(self, app: flask.Flask) -> None:
        """Check before every request of the app."""
        app.before_request(self._check)

    def _check(self) -> None:
        needed = needed_key(flask.request.path, flask.request.method)
        given = _given_keys()
        flask.g.is_admin = not self._admin or any(_equal(key, self._admin) for key in given)
        admin = needed is Key.ADMIN
        wanted = (self._admin,) if admin else (self._api, self._admin)
        if needed is Key.NONE or not wanted[0]:
            return
        if not given:
            raise ApiError(401, f"An API key is needed: {_WHERE}.")
        if not any(_equal(one, key) for one in given for key in wanted):
            which = "admin key" if admin else "API key"
            raise ApiError(401, f"The {which} is not right: {_WHERE}.")


def is_admin() -> bool:
    """Return whether the current request may do what the admin key is for: it has that key, or there is none."""
    return bool(flask.g.is_admin)


def _given_keys() -> list[str]:
    """Return the keys of the request: a bearer token, bare, in Anthropic's header or in Azure's.

    Some clients send two, of which one is a placeholder.
    """
    headers = flask.request.headers
    bearer = headers.get("Authorization", "").strip()
    scheme, _, rest = bearer.partition(" ")
    if scheme.lower() == "bearer":
        bearer = rest.strip()
    given = (bearer, headers.get("X-Api-Key", "").strip(), headers.get("Api-Key", "").strip())
    return [key for key in given if key]


def _equal(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode("utf-8", "replace"))
