"""One timer that waits until nothing has happened for a while."""

import threading
import time
from collections.abc import Callable


class IdleTimer:
    """Calls back once nothing has happened for a time. It sleeps until then, and looks again only when it wakes.

    Args:
        seconds: how long nothing must have happened; 0 never calls.
        idle_since: tells since when nothing happens, as `time.monotonic` does; None while something does.
        on_idle: called in a thread of the timer's own; returns whether that was it, else it is called again later.
    """

    def __init__(self, seconds: float, idle_since: Callable[[], float | None], on_idle: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._idle_since = idle_since
        self._on_idle = on_idle
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._stopped = seconds <= 0

    def start(self) -> None:
        """Begin to wait."""
        self._wait(self._seconds)

    def stop(self) -> None:
        """Never call back any more; a call that has begun goes on."""
        with self._lock:
            self._stopped = True
            if self._timer is not None:
                self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        with self._lock:
            if self._stopped:
                return
            self._timer = threading.Timer(seconds, self._look)
            self._timer.name = "idle"
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        since = self._idle_since()
        left = self._seconds if since is None else since + self._seconds - time.monotonic()
        if left > 0:
            self._wait(left)
        elif not self._on_idle():
            self._wait(self._seconds)
