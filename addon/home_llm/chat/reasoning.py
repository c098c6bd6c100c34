"""Keep what a model thinks apart from what it says."""

from collections.abc import Iterator

from home_llm.chat.scanner import BlockScanner, Inside, Outside
from home_llm.chat.vocabulary import Reasoning, Text

OPENING = "<think>"
CLOSING = "</think>"


class ReasoningSplitter:
    """Turns `<think>...</think>` into Reasoning events and the rest into Text events.

    Args:
        thinking: whether the prompt has already opened the block.
    """

    def __init__(self, *, thinking: bool) -> None:
        self._scanner = BlockScanner(OPENING, CLOSING, inside=thinking)
        # The blank lines between the block and the answer belong to neither.
        self._trim = False

    def feed(self, text: str) -> Iterator[Text | Reasoning]:
        """Yield what is certain now."""
        for piece in self._scanner.feed(text):
            yield from self._event(piece)

    def close(self) -> Iterator[Text | Reasoning]:
        """Yield what was held back."""
        for piece in self._scanner.close():
            yield from self._event(piece)

    def _event(self, piece: object) -> Iterator[Text | Reasoning]:
        if isinstance(piece, Inside):
            yield Reasoning(piece.text)
        elif isinstance(piece, Outside):
            text = piece.text.lstrip() if self._trim else piece.text
            if text:
                self._trim = False
                yield Text(text, at=piece.at + len(piece.text) - len(text))
        else:
            self._trim = True
