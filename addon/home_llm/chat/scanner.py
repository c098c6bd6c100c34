"""The incremental scanner that the reasoning splitter builds on."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from home_llm.engine.text import overlap


@dataclass(frozen=True, slots=True)
class Outside:
    """A piece of text outside of any block; never empty.

    Attributes:
        text: the piece.
        at: where in the text it begins, in characters.
    """

    text: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Inside:
    """A piece of text inside a block; never empty.

    Attributes:
        text: the piece.
        at: where in the text it begins, in characters.
    """

    text: str
    at: int = field(default=0, compare=False)


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
        # Where what is held back begins.
        self._at = 0
        self._inside = inside

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield what is certain now."""
        self._held += text
        while (index := self._held.find(self._marker)) >= 0:
            yield from self._pieces(index)
            self._drop(len(self._marker))
            if self._inside:
                yield Closed(complete=True)
            self._inside = not self._inside
        yield from self._pieces(len(self._held) - overlap(self._held, self._marker))

    def close(self) -> Iterator[Piece]:
        """Yield what was held back, at the end of the text."""
        yield from self._pieces(len(self._held))
        if self._inside:
            self._inside = False
            yield Closed(complete=False)

    @property
    def _marker(self) -> str:
        return self._closing if self._inside else self._opening

    def _pieces(self, length: int) -> Iterator[Piece]:
        """Pass on so many of the characters that are held back."""
        if text := self._held[:length]:
            at = self._at
            self._drop(length)
            yield Inside(text, at) if self._inside else Outside(text, at)

    def _drop(self, length: int) -> None:
        self._held = self._held[length:]
        self._at += length
