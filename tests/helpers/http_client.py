"""A small HTTP client for a server on this machine."""

import http.client
import json
from dataclasses import dataclass
from typing import Any


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


class Client:
    """Sends requests to a port.

    Attributes:
        port: of the server.
        host: its name or address, this machine unless it is told.
        url: its address, without a path.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Prepare; nothing is sent yet."""
        self.port = port
        self.host = host
        self.url = f"http://{host}:{port}"

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
        return http.client.HTTPConnection(self.host, self.port, timeout=60)
