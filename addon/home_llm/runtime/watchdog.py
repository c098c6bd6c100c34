"""Notices an engine that hangs in native code, which no exception and no cancellation ends, and ends the server."""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from home_llm.chat import Chat

_LOGGER = logging.getLogger(__name__)

LAST_LINES = "last-hang.log"
"""The file below the cache folder that holds the last log lines before the newest hang, and where each thread was."""

_LOOKS = 4


class Watchdog:
    """Watches that a request which runs goes on.

    It is over at once, with status 0, when the engine has a request and has done nothing for it for so long. Whoever
    supervises the server starts it again: s6 in the app, Docker, or the integration.

    Args:
        present: tells the model that is loaded, if one is.
        seconds: how long nothing must have happened; 0 never ends anything.
        lines: tells the last log lines.
        folder: for the file with them.
        end: ends the process; for tests.
    """

    def __init__(
        self,
        present: Callable[[], Chat | None],
        *,
        seconds: float,
        lines: Callable[[], Iterable[str]],
        folder: Path,
        end: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        self._present = present
        self._seconds = seconds
        self._lines = lines
        self._folder = folder
        self._end = end
        self._stopped = threading.Event()
        self._seen: tuple[int, int] | None = None
        self._since = 0.0

    def start(self) -> None:
        """Watch in a thread of its own, which looks four times in the time that is allowed."""
        if self._seconds > 0:
            threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds / _LOOKS):
            if self._hangs():
                self._save()
                self._end()
                return

    def _hangs(self) -> bool:
        chat = self._present()
        if chat is None or chat.engine.idle_since is not None:
            self._seen = None
            return False
        # Another engine counts anew.
        seen = (id(chat.engine), chat.engine.totals.decodes)
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
            return False
        return time.monotonic() - self._since >= self._seconds

    def _save(self) -> None:
        _LOGGER.critical(
            "The engine has done nothing for a running request for %.0f seconds: the server ends, and is to be started "
            "again by what supervises it",
            self._seconds,
        )
        path = self._folder / LAST_LINES
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self._lines())
                file.flush()
                faulthandler.dump_traceback(file)
        except OSError as error:
            _LOGGER.warning("%s cannot be written: %s", path, error)
