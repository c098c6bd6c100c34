"""From token bytes to text: whole characters only, and stop strings held back."""

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Joins the bytes of tokens into text.

    A character that is not complete stays back, and so does the beginning of what may become a stop string.

    Args:
        stop: strings that end the text.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = [text for text in stop if text]
        self._held = ""
        self.stopped_by: str | None = None
        # How many characters there are, held back or not, and how many of them were returned.
        self._decoded = 0
        self.released = 0

    @property
    def start(self) -> int:
        """Where the text of the next token begins, in characters."""
        return self._decoded

    @property
    def end(self) -> int:
        """Where the text of the last token ends, in characters; a character that is not complete counts."""
        unfinished, _ = self._decoder.getstate()
        return self._decoded + bool(unfinished)

    def feed(self, piece: bytes) -> str:
        """Add the bytes of a token and return the text that is now certain; sets `stopped_by` at a stop string."""
        text = self._decoder.decode(piece)
        self._decoded += len(text)
        text = self._release(text)
        self.released += len(text)
        return text

    def close(self) -> str:
        """Return the text that was held back, at the end of the generation; half a character is dropped."""
        tail, self._held = self._held, ""
        self.released += len(tail)
        return tail

    def _release(self, text: str) -> str:
        if not self._stop:
            return text
        if self.stopped_by is not None:
            return ""
        text = self._held + text
        found = min(
            ((index, -len(stop), stop) for stop in self._stop if (index := text.find(stop)) >= 0),
            default=None,
        )
        if found is not None:
            self._held, self.stopped_by = "", found[2]
            return text[: found[0]]
        keep = max(overlap(text, stop) for stop in self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def overlap(text: str, marker: str) -> int:
    """Return the length of the longest end of `text` that begins `marker`, and is not all of it."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if text.endswith(marker[:length]):
            return length
    return 0
