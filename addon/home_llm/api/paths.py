"""Other paths under which clients look for the same routes.

`/home-llm` in front of any path is for clients that look for a streamed call one level deeper than it is: home-llm
0.4.5 and 0.4.6 read `function.function` of a call, and pass over calls that have no such thing. Told `home-llm/v1` in
place of `v1` as the path of the API, they find it. Under no other path is there anything of it: clients with a strict
schema would refuse it.

Clients of Azure's have the model in the path, which is any name here as in other requests.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import flask

_NESTED = "/home-llm"
_AZURE = re.compile(r"/openai/deployments/[^/]+(?=/(?:chat/completions|completions|embeddings)$)|/openai(?=/models$)")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


def with_other_paths(application: Application) -> Application:
    """Return an application that answers under these paths too."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith(f"{_NESTED}/"):
            environ |= {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + _NESTED, "PATH_INFO": path[len(_NESTED) :]}
        elif path.startswith("/openai/"):
            environ["PATH_INFO"] = _AZURE.sub("/v1", path, count=1)
        return application(environ, start_response)

    return answer


def wants_nested() -> bool:
    """Return whether the client of the current request looks one level deeper for a call."""
    return flask.request.script_root.endswith(_NESTED)
