"""Decode server-sent events, as bytes arrive.

Free of Home Assistant.
"""

from __future__ import annotations

# No honest event comes near this; it bounds the memory a broken server can take.
MAX_EVENT_BYTES = 4 * 1024 * 1024


class SseError(Exception):
    """The bytes are not a stream of server-sent events."""


class SseDecoder:
    """Cut a byte stream into the data of its events.

    The cuts between chunks may fall anywhere, also inside a character or between CR and LF.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """Start at the beginning of a stream."""
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Take in the next bytes and return the data of every event that is now complete.

        Raises:
            SseError: an event is larger than allowed, or a line is not UTF-8.
        """
        events: list[str] = []
        for byte in chunk:
            if byte == 0x0A and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = byte == 0x0D
            if byte not in (0x0A, 0x0D):
                self._buffer.append(byte)
                if len(self._buffer) + self._size > self._max_event_bytes:
                    raise SseError("an event is too large")
                continue
            event = self._end_line()
            if event is not None:
                events.append(event)
        return events

    def _end_line(self) -> str | None:
        """Handle the line in the buffer; return an event's data when it is the empty line that ends it."""
        try:
            line = self._buffer.decode()
        except UnicodeDecodeError as err:
            raise SseError("a line is not UTF-8") from err
        self._buffer.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix("\ufeff")
        if not line:
            if not self._data:
                return None
            event = "\n".join(self._data)
            self._data.clear()
            self._size = 0
            return event
        field, _, value = line.partition(":")
        # Comments, event names, ids and retry times carry nothing for us.
        if field == "data":
            value = value.removeprefix(" ")
            self._data.append(value)
            self._size += len(value)
        return None
