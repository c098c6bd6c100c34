"""The decoder of server-sent events."""

from __future__ import annotations

import pytest

from custom_components.home_llm.sse import SseDecoder, SseError

STREAM = (
    "\ufeff: a comment\r\n"
    "event: message\r\ndata: one\r\n\r\n"
    'data: {"text": "Küche 🍳"}\n\n'
    "\n\n"
    "data:two\rdata: lines\r\r"
    "id: 7\nretry: 5\ndata\n\n"
    "data:  spaced\n\n"
    "data: unfinished"
).encode()
EVENTS = ["one", '{"text": "Küche 🍳"}', "two\nlines", "", " spaced"]


def decode(chunks: list[bytes]) -> list[str]:
    """Return the events of a stream that arrives in pieces."""
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_events_are_the_same_however_the_bytes_are_cut(size: int) -> None:
    """Line ends of all three kinds, comments and characters survive chunks of any size."""
    assert decode([STREAM[index : index + size] for index in range(0, len(STREAM), size)]) == EVENTS


def test_every_cut_in_two() -> None:
    """A single cut at any byte changes nothing."""
    for index in range(len(STREAM) + 1):
        assert decode([STREAM[:index], STREAM[index:]]) == EVENTS


def test_an_endless_line_is_refused() -> None:
    """A server that never ends a line cannot fill the memory."""
    decoder = SseDecoder(max_event_bytes=100)
    with pytest.raises(SseError, match="too large"):
        decoder.feed(b"data: " + b"x" * 100)


def test_an_endless_event_is_refused() -> None:
    """Nor can one that never ends an event."""
    decoder = SseDecoder(max_event_bytes=100)
    with pytest.raises(SseError, match="too large"):
        decoder.feed(b"data: 0123456789\n" * 10)


def test_other_encodings_are_refused() -> None:
    """Bytes that are not UTF-8 are reported, not replaced."""
    with pytest.raises(SseError, match="UTF-8"):
        SseDecoder().feed(b"data: \xff\n\n")
