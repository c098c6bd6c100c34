"""What a request asks for that is not done here: said in the log, once for each thing."""

import functools
import logging

_LOGGER = logging.getLogger(__name__)
_LONGEST = 80


@functools.lru_cache(maxsize=256)
def ignored(field: str, value: str, reason: str) -> None:
    """Say that a field of requests has no effect; the same is not said again.

    Args:
        field: its name.
        value: what it asked for.
        reason: why it is ignored, as the end of a sentence.
    """
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    _LOGGER.info("A request has %s %r, which is ignored: %s", field, shown, reason)
