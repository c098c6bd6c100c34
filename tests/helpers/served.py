"""The real server on a free port of this machine."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from home_llm.api import create_app
from home_llm.api.server import HttpServer
from home_llm.models import BASE_ID, available_memory
from home_llm.runtime import Runtime
from home_llm.settings import Settings
from http_client import Client


class Served(Client):
    """A server; a context manager."""

    def __init__(
        self, data_dir: Path, *, places: int = 4, memory: Callable[[], int] = available_memory, **settings: Any
    ) -> None:
        """Prepare a server with these settings, on a machine with so much free memory."""
        # What is tested is the server, and not what its own model has learned.
        values: dict[str, Any] = {"context_size": 2048, "model": BASE_ID, **settings}
        self.settings = replace(Settings(data_dir=data_dir), **values)
        self.runtime = Runtime(self.settings, memory=memory)
        app = create_app(self.runtime, api_key=self.settings.api_key, admin_key=self.settings.admin_key, places=places)
        self._server = HttpServer(app, "127.0.0.1", 0, places=places)
        super().__init__(self._server.port)

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
