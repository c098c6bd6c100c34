"""Keep what a model thinks apart from what it says."""

from collections.abc import Iterator
from dataclasses import dataclass

from home_llm.chat.scanner import BlockScanner, Inside, Outside
from home_llm.chat.vocabulary import Reasoning, Text


@dataclass(frozen=True, slots=True)
class Thoughts:
    """What a family of models writes around its thoughts.

    Attributes:
        opening: before them.
        closing: after them.
        markers: what of that may be a special token.
    """

    opening: str
    closing: str
    markers: tuple[str, ...]


THINK = Thoughts("<think>", "</think>", ("<think>", "</think>"))

# Where a template holds the closing one, its model thinks: templates take the thoughts out of earlier turns, or write
# the end of them. GPT-OSS's end like every message of it, so its beginning is looked for.
_FAMILIES = (
    ("</think>", THINK),
    ("[/THINK]", Thoughts("[THINK]", "[/THINK]", ("[THINK]", "[/THINK]"))),
    ("<channel|>", Thoughts("<|channel>thought\n", "<channel|>", ("<|channel>", "<channel|>"))),
    (
        "<|channel|>analysis",
        Thoughts("<|channel|>analysis<|message|>", "<|end|>", ("<|channel|>", "<|message|>", "<|end|>")),
    ),
)


def thoughts_of(template: str) -> Thoughts | None:
    """Return how the model of a template writes its thoughts, or None where the template knows of none."""
    return next((thoughts for sign, thoughts in _FAMILIES if sign in template), None)


class ReasoningSplitter:
    """Turns `<think>...</think>` into Reasoning events and the rest into Text events.

    Args:
        thinking: whether the prompt has already opened the block.
        over: whether the prompt has already closed it.
        thoughts: what is around thoughts.
    """

    def __init__(self, *, thinking: bool, over: bool = False, thoughts: Thoughts = THINK) -> None:
        self._scanner = BlockScanner(thoughts.opening, thoughts.closing, inside=thinking)
        # The blank lines between the block and the answer belong to neither.
        self._trim = over

    def feed(self, text: str) -> Iterator[Text | Reasoning]:
        """Yield what is certain now."""
        for piece in self._scanner.feed(text):
            yield from self._event(piece)

    def close(self, *, truncated: bool = False) -> Iterator[Text | Reasoning]:
        """Yield what was held back."""
        del truncated
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
