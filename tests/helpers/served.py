"""The real server on a free port of this machine, and a small HTTP client for it."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from home_llm.api import create_app
from home_llm.api.server import HttpServer
from home_llm.models import available_memory
from home_llm.runtime import Runtime
from home_llm.settings import Settings


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def chunks(self) -> list[Any]:
        """The JSON of every server-sent event but `[DONE]`."""
        lines = [line for line in self.body.decode("utf-8").split("\n\n") if line]
        return [json.loads(line.removeprefix("data: ")) for line in lines if line != "data: [DONE]"]


class Served:
    """A server; a context manager."""

    def __init__(
        self, data_dir: Path, *, places: int = 4, memory: Callable[[], int] = available_memory, **settings: Any
    ) -> None:
        """Prepare a server with these settings, on a machine with so much free memory."""
        values: dict[str, Any] = {"context_size": 2048, **settings}
        self.settings = replace(Settings(data_dir=data_dir), **values)
        self.runtime = Runtime(self.settings, memory=memory)
        app = create_app(self.runtime, api_key=self.settings.api_key, admin_key=self.settings.admin_key, places=places)
        self._server = HttpServer(app, "127.0.0.1", 0, places=places)
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Serve."""
        self._server.start()
        self.runtime.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.runtime.close()
        self._server.close()

    def wait_until(self, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until `/health` shows one of the states."""
        end = time.monotonic() + seconds
        while True:
            health: dict[str, Any] = self.get("/health").json
            if health["status"] in states:
                return health
            assert time.monotonic() < end, health
            time.sleep(0.02)

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET request."""
        return self.request("GET", path, None, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a POST request with JSON, or with bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, raw, **headers)

    def request(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        """Send a request; `_` in header names stands for `-`."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
