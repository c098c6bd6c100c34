"""How many requests may generate or wait at once; the rest are told to come back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import flask

from home_llm.api.errors import ApiError

_RETRY_SECONDS = 2


class Admission:
    """A bounded number of places.

    It is below the number of the HTTP server's threads, so that health and model lists never wait for inference.

    Args:
        places: how many requests may be inside.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many requests are inside."""
        return self._taken

    @contextmanager
    def enter(self) -> Iterator["Place"]:
        """Take a place for the length of the block, or until the response is closed.

        Raises:
            ApiError: 429, there is none.
        """
        with self._lock:
            if self._taken >= self.places:
                raise ApiError(429, "Too many requests are waiting. Try again soon.", retry_after=_RETRY_SECONDS)
            self._taken += 1
        place = Place(self._leave)
        try:
            yield place
        finally:
            if not place.kept:
                place.leave()

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1


class Place:
    """One taken place."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._left = threading.Lock()
        self.kept = False

    def keep_until_closed(self, response: flask.Response) -> flask.Response:
        """Keep the place until the server has finished with a streamed response."""
        self.kept = True
        response.call_on_close(self.leave)
        return response

    def leave(self) -> None:
        """Give the place back; later calls do nothing."""
        if self._left.acquire(blocking=False):
            self._leave()
