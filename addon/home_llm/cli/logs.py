"""Logging in Home Assistant's style."""

import logging
from collections import deque

# The Supervisor's levels by Python's: bashio's `notice` is between INFO and WARNING.
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


_FORMAT = "%(asctime)s %(levelname)s (%(threadName)s) [%(name)s] %(message)s"
_KEPT_LINES = 100


class RecentLines(logging.Handler):
    """Keeps the last 100 entries of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an entry."""
        self._lines.append(self.format(record))

    def lines(self) -> list[str]:
        """Return the entries, the oldest first."""
        return list(self._lines)


def set_up_logging(level: str) -> RecentLines:
    """Log to standard error, and return what keeps the last entries.

    Args:
        level: one of the settings' log levels.
    """
    logging.basicConfig(level=_LEVELS[level], format=_FORMAT)
    recent = RecentLines()
    logging.getLogger().addHandler(recent)
    for chatty in ("httpx", "httpcore", "huggingface_hub", "waitress.queue", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, _LEVELS[level]))
    return recent
