"""A local Supervisor: the part of its REST API that an app may use, over real HTTP."""

import hmac
import json
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Message:
    """One entry of the Supervisor's discovery store."""

    app: str
    service: str
    config: dict[str, Any]
    uuid: str = field(default_factory=lambda: uuid.uuid4().hex)


class LocalSupervisor:
    """Answer an app as the Supervisor does.

    - 401 as plain text where the token is missing or wrong;
    - `POST /discovery`: 400 for a body it does not accept, 403 for a service the app does not list,
      200 with the uuid otherwise. One message is kept per app and service under a uuid that stays;
      `pushes` holds what Home Assistant is told, which for an identical message is nothing;
    - `GET /addons/self/info` and `/addons/self/options/config`;
    - every answer is `{"result": "ok", "data": ...}` or `{"result": "error", "message": ...}`.

    `fail_next` and `delay` make it answer as it does while it starts, restarts or is overloaded.
    """

    def __init__(
        self,
        *,
        token: str = "supervisor-token",
        slug: str = "local_home_llm",
        discovery: tuple[str, ...] = ("home_llm",),
        options: dict[str, Any] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Prepare the server; entering the context opens its port."""
        self.token = token
        self.slug = slug
        self.discovery = discovery
        self.options = options or {}
        self.delay = 0.0
        self.messages: dict[str, Message] = {}
        self.pushes: list[Message] = []
        self.requests: list[tuple[str, str, int]] = []
        self._failures: list[int] = []
        self._lock = threading.Lock()
        supervisor = self

        class Handler(_Handler):
            owner = supervisor

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The address to give as SUPERVISOR_URL."""
        return f"http://{self._server.server_address[0]!s}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables an app sees."""
        return {"SUPERVISOR_TOKEN": self.token, "SUPERVISOR_URL": self.url}

    def fail_next(self, *statuses: int) -> None:
        """Answer the next requests with these HTTP statuses, 0 being a connection closed without a word."""
        with self._lock:
            self._failures.extend(statuses)

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_failure(self) -> int | None:
        """Return the status to fail the present request with."""
        with self._lock:
            return self._failures.pop(0) if self._failures else None

    def accept(self, body: Any) -> tuple[int, dict[str, Any]]:
        """Handle a discovery message and return the status and the answer."""
        if (
            not isinstance(body, dict)
            or not isinstance(body.get("service"), str)
            or not isinstance(body.get("config"), dict)
            or set(body) - {"service", "config"}
        ):
            return 400, {"result": "error", "message": "expected a service and a config"}
        if body["service"] not in self.discovery:
            return 403, {"result": "error", "message": "Apps must list services they provide via discovery"}
        with self._lock:
            message = self.messages.get(body["service"])
            if message is None:
                message = Message(self.slug, body["service"], body["config"])
                self.messages[message.service] = message
                self.pushes.append(replace(message))
            elif message.config != body["config"]:
                message.config = body["config"]
                self.pushes.append(replace(message))
            return 200, {"result": "ok", "data": {"uuid": message.uuid}}

    def info(self) -> dict[str, Any]:
        """Return what an app may read about itself, as far as apps use it."""
        return {
            "slug": self.slug,
            "name": "Home LLM",
            "hostname": self.slug.replace("_", "-"),
            "state": "started",
            "ingress": True,
            "ingress_port": 8099,
            "network": {"5000/tcp": None},
            "options": self.options,
            "discovery": list(self.discovery),
        }


class _Handler(BaseHTTPRequestHandler):
    """Speak HTTP for one LocalSupervisor."""

    owner: LocalSupervisor
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a read."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer a message."""
        self._answer("POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test output quiet; `requests` holds what came."""

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.owner.delay)
        failure = self.owner.next_failure()
        if failure == 0:
            self.owner.requests.append((method, self.path, 0))
            self.close_connection = True
            return
        if failure is not None:
            self._send(method, failure, b"Bad Gateway", "text/plain")
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(token, self.owner.token):
            self._send(method, 401, b"401: Unauthorized", "text/plain; charset=utf-8")
            return
        status, answer = self._route(method, body)
        self._send(method, status, json.dumps(answer).encode(), "application/json")

    def _route(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if (method, self.path) == ("POST", "/discovery"):
            try:
                return self.owner.accept(json.loads(body))
            except ValueError:
                return 400, {"result": "error", "message": "Invalid json"}
        if (method, self.path) == ("GET", "/addons/self/info"):
            return 200, {"result": "ok", "data": self.owner.info()}
        if (method, self.path) == ("GET", "/addons/self/options/config"):
            return 200, {"result": "ok", "data": self.owner.options}
        return 404, {"result": "error", "message": "not known to this Supervisor"}

    def _send(self, method: str, status: int, body: bytes, content_type: str) -> None:
        self.owner.requests.append((method, self.path, status))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
