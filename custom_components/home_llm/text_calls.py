"""Find calls and thoughts in the text that a model writes, while it writes it.

Free of Home Assistant. What comes out does not depend on where the text is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from .chat_events import ChatEvent, ChunkError, ReasoningDelta, TextDelta, ToolCall
from .text_tools import Tools, read_line, read_object

_THINK = "<think>"
_CLOSERS = {
    _THINK: "</think>",
    "<tool_call>": "</tool_call>",
    "<functioncall>": "",
    "```homeassistant": "```",
    "```json": "```",
}
# Ends without a beginning, or of a call that was complete before them. They are not spoken.
_STRAY = ("</functioncall>", "</tool_call>", "</think>")
_DECODER = json.JSONDecoder()


class TextCallReader:
    """Turn pieces of text into events. What may be the beginning of a call is held back until it is certain."""

    def __init__(self, tools: Tools) -> None:
        """Read calls only where there are tools."""
        self._tools = tools
        self._marks = (*_CLOSERS, *_STRAY) if tools else (_THINK, _CLOSERS[_THINK])
        self._buffer = ""
        # The opener of the block that the buffer is within.
        self._block = ""
        self._at_line_start = True
        # White space around calls and thoughts is not spoken.
        self._quiet = True

    def feed(self, text: str) -> Iterator[ChatEvent]:
        """Yield what is certain now.

        Raises:
            ChunkError: a call cannot be read.
        """
        self._buffer += text
        yield from self._read(ended=False)

    def close(self, *, truncated: bool = False) -> Iterator[ChatEvent]:
        """Yield what is left at the end; with truncated, without the call that the token limit cut off.

        Raises:
            ChunkError: a call cannot be read.
        """
        try:
            yield from self._read(ended=True)
        except ChunkError:
            if not truncated:
                raise

    def _read(self, *, ended: bool) -> Iterator[ChatEvent]:
        while self._buffer:
            before = self._buffer
            yield from self._read_block(ended=ended) if self._block else self._read_text(ended=ended)
            if self._buffer == before:
                # Nothing more is certain until the next piece.
                return

    def _read_text(self, *, ended: bool) -> Iterator[ChatEvent]:
        if self._at_line_start and self._tools and (taken := self._read_line_start(ended=ended)) is not None:
            yield from taken
            return
        positions = {self._buffer.find(mark): mark for mark in self._marks if mark in self._buffer}
        newline = self._buffer.find("\n")
        first = min(positions, default=-1)
        if newline >= 0 and (first < 0 or newline < first):
            yield from self._say(newline + 1)
            self._at_line_start = True
        elif first >= 0:
            yield from self._say(first)
            mark = positions[first]
            self._buffer = self._buffer[len(mark) :]
            self._block = "" if mark in _STRAY else mark
        else:
            yield from self._say(len(self._buffer) - (0 if ended else self._held_back()))

    def _read_line_start(self, *, ended: bool) -> list[ChatEvent] | None:
        """Return the events of a call at the beginning of a line, nothing while it is unfinished, or None for text."""
        line = self._buffer.lstrip()
        if not line:
            return [] if not ended else None
        if line.startswith("{"):
            return self._read_json(line, ended=ended)
        if not any(f"{name}(".startswith(line) or line.startswith(f"{name}(") for name in self._tools):
            return None
        end = line.find("\n")
        if end < 0 and not ended:
            return []
        call = read_line(line if end < 0 else line[:end], self._tools)
        if call is None:
            return None
        self._buffer = "" if end < 0 else line[end + 1 :]
        self._quiet = True
        return [call]

    def _read_json(self, line: str, *, ended: bool) -> list[ChatEvent] | None:
        """Return the call that a bare JSON object is; other objects are text."""
        try:
            value, end = _DECODER.raw_decode(line)
        except (ValueError, RecursionError):
            # Many openings without an end are no JSON that anybody waits for.
            return None if ended else []
        call = read_object(value, self._tools)
        if call is None:
            return None
        self._buffer = line[end:]
        self._quiet = True
        return [call]

    def _read_block(self, *, ended: bool) -> Iterator[ChatEvent]:
        if self._block == _THINK:
            yield from self._read_thoughts(ended=ended)
            return
        closer = _CLOSERS[self._block]
        if not closer:
            yield from self._read_function_call(ended=ended)
            return
        end = self._buffer.find(closer)
        if end < 0 and not ended:
            return
        body = self._buffer if end < 0 else self._buffer[:end]
        block, self._block = self._block, ""
        self._buffer = "" if end < 0 else self._buffer[end + len(closer) :]
        calls = list(self._calls(body))
        if calls:
            self._quiet = True
            yield from calls
        elif block == "```json":
            yield TextDelta(f"{block}{body}{closer if end >= 0 else ''}")
            self._quiet = self._at_line_start = False
        elif body.strip():
            raise ChunkError(f"a tool call cannot be read: {body.strip()[:200]}")

    def _read_function_call(self, *, ended: bool) -> Iterator[ChatEvent]:
        """Yield the one call that follows its tag, which has no end tag of its own."""
        body = self._buffer.lstrip()
        try:
            value, end = _DECODER.raw_decode(body)
            call = read_object(value, self._tools)
        except (ValueError, RecursionError):
            call, end = None, 0
        if call is None:
            if ended or end:
                self._block = self._buffer = ""
                raise ChunkError(f"a tool call cannot be read: {body[:200]}")
            return
        self._block = ""
        self._buffer = body[end:]
        self._quiet = True
        yield call

    def _read_thoughts(self, *, ended: bool) -> Iterator[ChatEvent]:
        closer = _CLOSERS[_THINK]
        end = self._buffer.find(closer)
        if end >= 0:
            thought, self._buffer = self._buffer[:end], self._buffer[end + len(closer) :]
            self._block = ""
            self._quiet = True
        else:
            keep = 0 if ended else _overlap(self._buffer, closer)
            thought = self._buffer[: len(self._buffer) - keep]
            self._buffer = self._buffer[len(thought) :]
        if thought:
            yield ReasoningDelta(thought)

    def _calls(self, body: str) -> Iterator[ToolCall]:
        """Yield the calls of a block: one JSON value, a list of them, or one on each line."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            for line in filter(None, (line.strip() for line in body.splitlines())):
                try:
                    call = read_object(json.loads(line), self._tools)
                except (ValueError, RecursionError):
                    call = read_line(line, self._tools)
                if call is None:
                    raise ChunkError(f"a tool call cannot be read: {line[:200]}") from None
                yield call
            return
        for item in value if isinstance(value, list) else [value]:
            if call := read_object(item, self._tools):
                yield call

    def _say(self, length: int) -> Iterator[ChatEvent]:
        """Yield the first part of the buffer as text."""
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        if self._quiet:
            text = text.lstrip()
        if text:
            self._quiet = False
            self._at_line_start = False
            yield TextDelta(text)

    def _held_back(self) -> int:
        """Return how many of the last characters may be the beginning of a mark."""
        return max(_overlap(self._buffer, mark) for mark in self._marks)


def _overlap(text: str, mark: str) -> int:
    """Return the length of the longest end of a text with which a mark begins."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)
