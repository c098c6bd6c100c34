"""Pages of other sites, whose scripts a browser lets read an answer only where the server says so.

They may where an API key guards the answers: who has the key may ask, from wherever. Without a key every page that
somebody opens on this machine could ask its server, so that only those may that this machine serves itself.
"""

from urllib.parse import urlsplit

import flask

_METHODS = "GET, POST, DELETE, OPTIONS"
# Browsers do not count this one among all others.
_HEADERS = "*, Authorization"
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def register(app: flask.Flask, *, from_anywhere: bool) -> None:
    """Tell browsers which pages may read what the app answers: all of them, or those of this machine."""

    @app.after_request
    def allow(response: flask.Response) -> flask.Response:
        origin = flask.request.headers.get("Origin")
        if not origin:
            return response
        if not from_anywhere:
            response.vary.add("Origin")
            if not _is_of_this_machine(origin):
                return response
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.vary.add("Origin")
        if flask.request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
        return response


def _is_of_this_machine(origin: str) -> bool:
    try:
        address = urlsplit(origin)
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and address.hostname in _THIS_MACHINE
