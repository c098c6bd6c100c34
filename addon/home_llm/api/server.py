"""Waitress, set up for streams that must flow and clients that may vanish."""

import errno
import json
import resource
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import flask
import waitress
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from home_llm.api.errors import anthropic_body, error_body, error_shape

# Threads that are never used by inference: health, model lists, keys that are wrong.
_RESERVED_THREADS = 8

# Browsers, agents and sensors keep connections open that say nothing.
_MOST_CONNECTIONS = 4096

# Files that are open beside connections: models, the cache, logs.
_OTHER_FILES = 128


_TOO_MUCH = {
    413: "The body is too large: 16 MiB are the most.",
    431: "The headers are too large: 256 KiB are the most.",
}


class PortError(OSError):
    """The port cannot be listened on; the text says why and what to do."""


class HttpServer:
    """Listens on one or several addresses of a port.

    Args:
        app: what answers.
        host: address to listen on, or several.
        port: port to listen on; 0 takes a free one.
        places: requests that may take long at the same time.

    Raises:
        PortError: the port cannot be had.
    """

    def __init__(self, app: flask.Flask, host: str | Sequence[str], port: int, *, places: int) -> None:
        hosts = [host] if isinstance(host, str) else host
        sockets: dict[int, Any] = {}
        try:
            self._server: Any = waitress.create_server(
                app,
                sockets,
                listen=" ".join(f"{bracketed(each)}:{port}" for each in hosts),
                threads=places + _RESERVED_THREADS,
                ident="home-llm",
                # Without look-ahead waitress does not read while a request runs, and cannot see a client leave.
                channel_request_lookahead=1,
                connection_limit=_connection_limit(),
                # `select` knows no file above 1023, and breaks the loop where there is one.
                asyncore_use_poll=True,
                max_request_body_size=32 * 1024 * 1024,
                clear_untrusted_proxy_headers=True,
            )
        except ValueError as error:
            raise PortError(
                f"cannot listen on {', '.join(hosts)}: one of them is no address of this machine"
            ) from error
        except OSError as error:
            for each in list(sockets.values()):
                each.close()
            raise PortError(_port_message(", ".join(hosts), port, error)) from error
        # One for each address, and what wakes it.
        self._sockets = sockets
        self._listeners = [each for each in sockets.values() if isinstance(each, BaseWSGIServer)]
        for listener in self._listeners:
            listener.channel_class = _Channel
        self.port = int(self._listeners[0].effective_port)
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve in this thread until `SystemExit` or `close`."""
        self._server.run()

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._server.run, name=f"http-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and wait for the thread that `start` made."""
        if self._thread is not None:
            # Sockets are closed under the network loop's feet otherwise: it ends by itself once it has none to watch.
            self._listeners[0].trigger.pull_trigger(self._sockets.clear)
            self._thread.join(timeout=5)
            self._server.task_dispatcher.shutdown()
        for listener in self._listeners:
            listener.close()

    def __enter__(self) -> Self:
        """Serve in a thread of its own."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self.close()


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what is no HTTP, or too much of it, in the shape of the dialect that its path belongs to."""

    def execute(self) -> None:
        """Write the answer, and close the connection: where the next request begins is not known."""
        error, request = self.request.error, self.request
        body = error_body(error.code, _TOO_MUCH.get(error.code, f"{error.reason}: {error.body}."))
        if "ANTHROPIC_VERSION" in request.headers:
            body = anthropic_body(body)
        else:
            body = error_shape(getattr(request, "path", "/")).write(body)
        written = json.dumps(body).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(written)
        self.write(written)


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _ErrorTask


def _connection_limit() -> int:
    """Return how many connections can be open at once, after raising how many files this process may have open.

    Beyond that limit no connection can be accepted, and trying all the time would keep a core busy.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))


def bracketed(host: str) -> str:
    """Return an address as it stands before a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _port_message(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use. Stop the program that uses it, or choose another with --port "
            "(HOME_LLM_PORT)."
        )
    return f"cannot listen on {host}:{port}: {error.strerror or error}"
