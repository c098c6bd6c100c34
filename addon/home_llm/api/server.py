"""Waitress, set up for streams that must flow and clients that may vanish."""

import errno
import threading
from types import TracebackType
from typing import Any, Self

import flask
import waitress

# Threads that are never used by inference: health, model lists, keys that are wrong.
_RESERVED_THREADS = 8


class PortError(OSError):
    """The port cannot be listened on; the text says why and what to do."""


class HttpServer:
    """One listener.

    Args:
        app: what answers.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        places: requests that may take long at the same time.

    Raises:
        PortError: the port cannot be had.
    """

    def __init__(self, app: flask.Flask, host: str, port: int, *, places: int) -> None:
        try:
            self._server: Any = waitress.create_server(
                app,
                host=host,
                port=port,
                threads=places + _RESERVED_THREADS,
                ident="home-llm",
                # Without look-ahead waitress does not read while a request runs, and cannot see a client leave.
                channel_request_lookahead=1,
                connection_limit=1000,
                max_request_body_size=32 * 1024 * 1024,
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            raise PortError(_port_message(host, port, error)) from error
        self.port = int(self._server.effective_port)
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
            self._server.trigger.pull_trigger(self._server._map.clear)  # noqa: SLF001 - waitress has no other way
            self._thread.join(timeout=5)
            self._server.task_dispatcher.shutdown()
        self._server.close()

    def __enter__(self) -> Self:
        """Serve in a thread of its own."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self.close()


def _port_message(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use. Stop the program that uses it, or choose another with --port "
            "(HOME_LLM_PORT)."
        )
    return f"cannot listen on {host}:{port}: {error.strerror or error}"
