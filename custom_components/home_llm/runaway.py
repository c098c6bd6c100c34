"""Notice that a model has lost its thread: the same words again and again, or calls without end.

Free of Home Assistant.
"""

from __future__ import annotations

# So many calls in one answer are no answer any more. The server's own grammar admits as many.
MAX_CALLS = 16
# How long what repeats itself may be, how often it must have come, and how much that is at least.
_LONGEST = 160
_TIMES = 4
_LEAST = 80
# Looked at again after so many characters.
_STEP = 24


class Runaway:
    """Watches one answer."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._tail = ""
        self._new = 0
        self._calls = 0

    def says(self, text: str) -> bool:
        """Return whether the model does nothing but repeat itself, after it has said a text."""
        self._tail = (self._tail + text)[-_LONGEST * _TIMES :]
        self._new += len(text)
        if self._new < _STEP:
            return False
        self._new = 0
        return any(self._repeats(length) for length in range(1, _LONGEST + 1))

    def calls(self) -> bool:
        """Return whether there are too many calls, after one more."""
        self._calls += 1
        return self._calls > MAX_CALLS

    def _repeats(self, length: int) -> bool:
        """Return whether the text ends with repetitions of so many characters."""
        span = max(length * _TIMES, _LEAST)
        tail = self._tail[-span:]
        # A text that repeats itself is the same as itself a little further on.
        return len(tail) == span and tail[length:] == tail[:-length]
