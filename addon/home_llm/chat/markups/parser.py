"""The one parser of the markups whose calls stand in blocks: it holds back what may be one, and passes on the rest."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from home_llm.chat.markups.cursor import Cursor, IncompleteError, MalformedError
from home_llm.chat.vocabulary import Text, ToolCall
from home_llm.engine.text import overlap

# A block of up to so many characters is looked at again with every piece, a longer one when it may be complete.
_SHORT = 512
_MAY_COMPLETE = re.compile(r"[\]})>`\n]")

Reader = Callable[[Cursor], Sequence[ToolCall]]


class Place(Enum):
    """Where a block may begin."""

    ANYWHERE = auto()
    LINE = auto()  # only blanks before it on its line
    ANSWER = auto()  # only blanks before it in the answer, or since the last call


@dataclass(frozen=True, slots=True)
class Block:
    """A way to write calls.

    Attributes:
        opening: the marker that it begins with.
        read: reads what follows the opening and leaves the cursor behind the block; see Cursor for what it raises. What
            it reads must not change when more text follows.
        place: where it counts.
        plain: whether the opening is also written for other reasons. What is no call is then text with all that is in
            it; otherwise its markers are dropped, and what is between them is text.
    """

    opening: str
    read: Reader
    place: Place = Place.ANYWHERE
    plain: bool = False


def stray(marker: str) -> Block:
    """Return a marker that is dropped where it stands alone, as a closing one does after what is no call."""
    return Block(marker, lambda _: ())


class BlockParser:
    """Reads calls that stand in blocks; see CallParser.

    Text flows as soon as it cannot be the beginning of a block, and a block as soon as it is certain to be none. What
    comes out does not depend on how the text is cut.

    Args:
        blocks: the ways to write calls.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = {block.opening: block for block in blocks}
        openings = sorted(self._blocks, key=len, reverse=True)
        self._openings = re.compile("|".join(re.escape(opening) for opening in openings))
        # What is not decided, and where in the text it begins. It begins with the block that is being read, if any.
        self._held = ""
        self._at = 0
        self._block: Block | None = None
        # Blank text before the first word and around calls is layout of the markup, not speech.
        self._blanks: list[Text] = []
        self._spoken = False
        self._blank_line = True

    def feed(self, text: str) -> Iterator[Text | ToolCall]:
        """Yield what is certain now."""
        self._held += text
        if self._block is None or len(self._held) < _SHORT or _MAY_COMPLETE.search(text):
            yield from self._advance(ended=False)

    def close(self, *, truncated: bool) -> Iterator[Text | ToolCall]:
        """Yield the rest; a block that the token limit cut makes only calls that are complete but for its closing."""
        yield from self._advance(ended=False)
        if truncated:
            if self._block is not None:
                yield from self._complete(self._block)
                self._held = ""
            elif len(self._held) > 1:
                # The beginning of an opening, unless it is too short to tell.
                self._held = ""
        yield from self._advance(ended=True)
        if self._spoken:
            yield from self._blanks

    def _advance(self, *, ended: bool) -> Iterator[Text | ToolCall]:
        while self._held:
            if self._block is None:
                index = self._find(ended=ended)
                if index is None:
                    yield from self._say(len(self._held) if ended else self._certain())
                    return
                yield from self._say(index)
            block = self._block
            if block is None:
                continue
            cursor = Cursor(self._held, len(block.opening), ended=ended)
            try:
                calls = block.read(cursor)
            except IncompleteError:
                return
            except MalformedError:
                self._block = None
                if block.plain:
                    yield from self._say(len(block.opening))
                else:
                    self._drop(len(block.opening))
                continue
            self._block = None
            self._drop(cursor.at)
            if calls:
                self._blanks, self._spoken, self._blank_line = [], False, True
                yield from calls

    def _complete(self, block: Block) -> Iterator[ToolCall]:
        try:
            yield from block.read(Cursor(self._held, len(block.opening), ended=True))
        except MalformedError:
            return
        finally:
            self._block = None

    def _find(self, *, ended: bool) -> int | None:
        """Return where the next block begins, and take it as the one that is read."""
        for found in self._openings.finditer(self._held):
            block = self._blocks[found.group()]
            rest = self._held[found.start() :]
            if not ended and any(opening.startswith(rest) and opening != rest for opening in self._blocks):
                # It may become a longer one.
                return None
            if self._counts(block.place, found.start()):
                self._block = block
                return found.start()
        return None

    def _counts(self, place: Place, index: int) -> bool:
        before = self._held[:index]
        match place:
            case Place.ANYWHERE:
                return True
            case Place.LINE:
                _, newline, line = before.rpartition("\n")
                return not line.strip() and (bool(newline) or self._blank_line)
            case Place.ANSWER:
                return not self._spoken and not before.strip()

    def _certain(self) -> int:
        """Return how many characters of what is held back cannot be the beginning of an opening."""
        return len(self._held) - max(overlap(self._held, opening) for opening in self._blocks)

    def _say(self, length: int) -> Iterator[Text]:
        """Pass on so many characters, but for blanks that may turn out to be layout."""
        text, at = self._held[:length], self._at
        self._drop(length)
        if not text:
            return
        _, newline, line = text.rpartition("\n")
        self._blank_line = not line.strip() and (bool(newline) or self._blank_line)
        if self._blanks and self._blanks[-1].at + len(self._blanks[-1].text) == at:
            before = self._blanks.pop()
            text, at = before.text + text, before.at
        said = text.rstrip()
        if said:
            if self._spoken:
                yield from self._blanks
            else:
                said = said.lstrip()
                at += len(text.rstrip()) - len(said)
            self._blanks, self._spoken = [], True
            yield Text(said, at=at)
            text, at = text[len(text.rstrip()) :], at + len(said)
        if text:
            self._blanks.append(Text(text, at=at))

    def _drop(self, length: int) -> None:
        self._held = self._held[length:]
        self._at += length
