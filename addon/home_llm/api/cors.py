"""Pages of other sites, whose scripts a browser lets read an answer only where the server says so.

They may where an API key guards the answers: who has the key may ask, from wherever. Without a key every page that
somebody opens on this machine could ask its server, so that none may.
"""

import flask

_METHODS = "GET, POST, DELETE, OPTIONS"
# Browsers do not count this one among all others.
_HEADERS = "*, Authorization"


def register(app: flask.Flask) -> None:
    """Tell browsers that any page may read what the app answers."""

    @app.after_request
    def allow(response: flask.Response) -> flask.Response:
        origin = flask.request.headers.get("Origin")
        if not origin:
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.vary.add("Origin")
        if flask.request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
        return response
