"""How an app's page reaches a browser: Home Assistant's page with a frame, and the Supervisor's ingress behind it.

Home Assistant hands requests for `/api/hassio_ingress/TOKEN/PATH` to the Supervisor, and the Supervisor asks the app
for `/PATH`, with the part that was cut off in `X-Ingress-Path`. Nobody gets through without the session's cookie.
"""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_TOKEN = "0uHbyGMKYEJJ4Jl9CWvKNtZiLRsHvoQ-J-hpxkgUO1E"
_PREFIX = f"/api/hassio_ingress/{_TOKEN}"
_COOKIE = "ingress_session=4d3c2b1a"
_PAGE = f"""<!doctype html>
<html lang="en"><head><title>Home Assistant</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>html, body, iframe {{ display: block; width: 100%; height: 100%; margin: 0; border: 0; }}</style></head>
<body><iframe title="Home LLM" src="{_PREFIX}/"></iframe></body></html>
"""
_USER = {"X-Remote-User-Id": "1f3c", "X-Remote-User-Name": "anna", "X-Remote-User-Display-Name": "Anna"}
# Of one connection, and not of what is sent through it.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class LocalIngress:
    """Home Assistant with the Supervisor behind it, on a port of this machine; a context manager.

    Args:
        app_port: the app's port for ingress.
    """

    def __init__(self, app_port: int) -> None:
        self.app_port = app_port
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.ingress = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Home Assistant's page with the app in a frame."""
        return f"http://127.0.0.1:{self._server.server_port}/app/local_home_llm"

    @property
    def app_url(self) -> str:
        """The app's page alone, under its prefix."""
        return f"http://127.0.0.1:{self._server.server_port}{_PREFIX}/"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    ingress: LocalIngress


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give Home Assistant's page, or what the app answers."""
        if self.path == "/app/local_home_llm":
            cookie = f"{_COOKIE}; Path=/api/hassio_ingress/; SameSite=Strict"
            self._answer(200, {"Content-Type": "text/html; charset=utf-8", "Set-Cookie": cookie}, _PAGE.encode())
        elif not self.path.startswith(f"{_PREFIX}/"):
            self._answer(404, {}, b"404: Not Found")
        elif _COOKIE not in self.headers.get("Cookie", ""):
            self._answer(401, {}, b"401: Unauthorized")
        else:
            self._pass_on(self.path.removeprefix(_PREFIX))

    def _pass_on(self, path: str) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers |= {"X-Ingress-Path": _PREFIX, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http", **_USER}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ingress.app_port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            self._answer(502, {}, b"502: Bad Gateway")
            return
        finally:
            connection.close()
        self._answer(answer.status, {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""
