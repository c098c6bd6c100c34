"""The incremental scanner that the tool markups and the reasoning splitter build on."""

from collections.abc import Iterator
from dataclasses import dataclass

from home_llm.engine.text import overlap


@dataclass(frozen=True, slots=True)
class Outside:
    """A piece of text outside of any block; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Inside:
    """A piece of text inside a block; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a block.

    Attributes:
        complete: False when the text ended before the closing marker.
    """

    complete: bool


Piece = Outside | Inside | Closed


class BlockScanner:
    """Splits a stream of text into what is between two markers and what is not.

    How the text was cut into pieces does not change what comes out, but for where it is cut: a possible beginning of
    a marker is held back until it is one or is not.

    Args:
        opening: the marker before a block.
        closing: the marker after it.
        inside: whether the text begins inside a block.
    """

    def __init__(self, opening: str, closing: str, *, inside: bool = False) -> None:
        self._opening = opening
        self._closing = closing
        self._held = ""
        self._inside = inside

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield what is certain now."""
        self._held += text
        while (index := self._held.find(self._marker)) >= 0:
            before, after = self._held[:index], self._held[index + len(self._marker) :]
            yield from self._pieces(before)
            if self._inside:
                yield Closed(complete=True)
            self._inside = not self._inside
            self._held = after
        certain = len(self._held) - overlap(self._held, self._marker)
        text, self._held = self._held[:certain], self._held[certain:]
        yield from self._pieces(text)

    def close(self) -> Iterator[Piece]:
        """Yield what was held back, at the end of the text."""
        text, self._held = self._held, ""
        yield from self._pieces(text)
        if self._inside:
            self._inside = False
            yield Closed(complete=False)

    @property
    def _marker(self) -> str:
        return self._closing if self._inside else self._opening

    def _pieces(self, text: str) -> Iterator[Piece]:
        if text:
            yield Inside(text) if self._inside else Outside(text)
