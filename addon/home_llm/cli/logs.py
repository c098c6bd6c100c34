"""Logging in Home Assistant's style."""

import logging

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


def set_up_logging(level: str) -> None:
    """Log to standard error.

    Args:
        level: one of the settings' log levels.
    """
    logging.basicConfig(
        level=_LEVELS[level], format="%(asctime)s %(levelname)s (%(threadName)s) [%(name)s] %(message)s"
    )
    for chatty in ("httpx", "httpcore", "huggingface_hub", "waitress.queue", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, _LEVELS[level]))
