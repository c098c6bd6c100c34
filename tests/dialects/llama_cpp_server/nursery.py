"""Starts one Home LLM after the other, each in a process of its own, in a fraction of the time that a start takes.

Most of that goes into importing: it is done once here, and every server is a fork of this process.

usage: nursery.py SOCKET FOLDER      FOLDER holds the substitute's vocabulary
"""

import ctypes
import io
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flags import Launch, read_flags, settings_of
from home_llm.api import create_app
from home_llm.api.server import HttpServer
from home_llm.cli.logs import set_up_logging
from home_llm.runtime import Runtime
from substitute import read_vocabulary, write_model

_PLACES = 16
_LOAD_SECONDS = 30.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class _Completed:
    """Gives requests what llama-server's flags say, before the application reads them."""

    def __init__(self, application: Callable[..., Iterable[bytes]], launch: Launch) -> None:
        self._application = application
        self._launch = launch

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            try:
                body = json.loads(raw)
            except ValueError:
                body = None
            if isinstance(body, dict):
                raw = json.dumps(self._launch.completed(environ["PATH_INFO"], body)).encode()
            environ |= {"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
        return self._application(environ, start_response)


def _serve(launch: Launch, scratch: Path, vocabulary: list[tuple[str, float]]) -> None:
    """Serve until SIGTERM. The port opens when the model is loaded: llama-server answers 503 until then."""
    model = scratch / launch.model.name
    if launch.template is None:
        os.link(launch.model, model)
    else:
        write_model(model, vocabulary, launch.template)
    settings = settings_of(launch, model, scratch / "data")
    set_up_logging("info")
    runtime = Runtime(settings)
    runtime.start()
    end = time.monotonic() + _LOAD_SECONDS
    while runtime.present() is None:
        if time.monotonic() > end or runtime.health()["status"] == "error":
            raise SystemExit(runtime.health()["message"])
        time.sleep(0.005)
    app = create_app(runtime, api_key=settings.api_key, admin_key="", places=_PLACES)
    app.wsgi_app = _Completed(app.wsgi_app, launch)  # type: ignore[method-assign]
    server = HttpServer(app, settings.hosts, settings.port, places=_PLACES)

    def stop(_signal: int, _frame: object) -> None:
        runtime.stop_generations()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        server.run()
    finally:
        runtime.close()


def _received(connection: socket.socket) -> tuple[list[str], list[int]]:
    """Return the folder and the flags of a launch, and where its output goes."""
    message, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    while len(message) < 4 + int.from_bytes(message[:4], "big"):
        message += connection.recv(1 << 16)
    return message[4:].decode().split("\0"), list(descriptors)


def _be_born(connection: socket.socket, vocabulary: list[tuple[str, float]]) -> None:
    """Become a server, in a process of its own, which ends with this one."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (folder, *flags), descriptors = _received(connection)
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    connection.sendall(os.getpid().to_bytes(4, "big"))
    os.chdir(folder)

    def outlive_nobody() -> None:
        # The launcher says nothing more; where it is killed, its end closes.
        connection.recv(1)
        os._exit(1)

    threading.Thread(target=outlive_nobody, daemon=True).start()
    with tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"]) as scratch:
        _serve(read_flags(flags), Path(scratch), vocabulary)


def main() -> None:
    """Start servers until SIGTERM."""
    path, folder = map(Path, sys.argv[1:])
    vocabulary = read_vocabulary(folder)
    # Nobody waits for the servers here, so that none remains as a zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                code = 1
                try:
                    _be_born(connection, vocabulary)
                    code = 0
                except SystemExit as error:
                    if isinstance(error.code, str):
                        sys.stderr.write(f"{error.code}\n")
                    code = 0 if error.code in {0, None} else 1
                except Exception:  # noqa: BLE001 - this process ends here, whatever it was
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            connection.close()


if __name__ == "__main__":
    main()
