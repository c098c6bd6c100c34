"""What is spoken: whole sentences as soon as there is one, without thoughts, and whether they ask something back.

Free of Home Assistant.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from .chat_events import ChatEvent, ReasoningDelta, TextDelta

# Home Assistant begins to speak after sixty characters. A sentence that takes longer than this is handed on in pieces.
LONGEST_WAIT = 120
# "z. B." and "Mr. " are no sentences.
SHORTEST_SENTENCE = 12

_END = re.compile(r"[.!?\u2026;]+[\"'\u00bb\u201d\u2019)\]]*\s+|\n+|[\u3002\uff01\uff1f]")
_PAUSE = re.compile(r"[,:\u2013]\s+")
# What may stand behind the mark of a question: quotes, brackets, emoji. \u037e is the Greek one.
_QUESTION = re.compile(r"[?\uff1f\u037e\u061f][^\w?]*$")
_SENTENCES = re.compile(r"(?<=[.!?\u2026])\s+")
_SHORT_ANSWER_WORDS = 8

OPEN_THOUGHT = "<think>"
CLOSE_THOUGHT = "</think>"


class SentenceCutter:
    """Cut a stream of text where an engine that speaks it can begin."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._text = ""

    def feed(self, text: str) -> Iterator[str]:
        """Yield what can be spoken now; joined, the pieces are the text."""
        self._text += text
        while (end := self._cut()) is not None:
            yield self._text[:end]
            self._text = self._text[end:]

    def close(self) -> Iterator[str]:
        """Yield the rest."""
        if self._text:
            yield self._text
        self._text = ""

    def _cut(self) -> int | None:
        """Return where the first piece ends, or None where it has not ended yet."""
        for found in _END.finditer(self._text):
            if found.end() >= SHORTEST_SENTENCE:
                return found.end()
        if len(self._text) <= LONGEST_WAIT:
            return None
        pauses = [found.end() for found in _PAUSE.finditer(self._text, SHORTEST_SENTENCE, LONGEST_WAIT)]
        return pauses[-1] if pauses else self._text.rfind(" ", SHORTEST_SENTENCE, LONGEST_WAIT) + 1 or None


class ThoughtFilter:
    """Tell thoughts from speech in the text of a server that does not do it: <think>these</think> are thoughts."""

    def __init__(self) -> None:
        """Begin with speech."""
        self._text = ""
        self._thinking = False
        self._spoken = False

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what is certain, wherever the text is cut."""
        self._text += text
        while self._text:
            tag = CLOSE_THOUGHT if self._thinking else OPEN_THOUGHT
            before, found, after = self._text.partition(tag)
            if not found:
                kept = _begun(self._text, tag)
                before, self._text = self._text[: len(self._text) - kept], self._text[len(self._text) - kept :]
                yield from self._piece(before)
                return
            yield from self._piece(before)
            self._thinking = not self._thinking
            self._text = after

    def close(self) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield the rest."""
        text, self._text = self._text, ""
        yield from self._piece(text)

    def _piece(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield a piece of what is going on; the blank lines between thoughts and speech are neither."""
        if self._thinking:
            if text:
                yield ReasoningDelta(text)
            return
        text = text if self._spoken else text.lstrip()
        if text:
            self._spoken = True
            yield TextDelta(text)


async def spoken_events(events: AsyncIterator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
    """Pass events on, with thoughts apart and speech in sentences."""
    thoughts, sentences = ThoughtFilter(), SentenceCutter()
    async for event in events:
        match event:
            case TextDelta(text):
                for piece in thoughts.feed(text):
                    for part in _sentences(piece, sentences):
                        yield part
            case _:
                # Nothing that was said before a call or a thought is said after it.
                for piece in thoughts.close():
                    for part in _sentences(piece, sentences):
                        yield part
                for rest in sentences.close():
                    yield TextDelta(rest)
                yield event
    for piece in thoughts.close():
        for part in _sentences(piece, sentences):
            yield part
    for rest in sentences.close():
        yield TextDelta(rest)


def asks_back(text: str | None, *, acted: bool = False) -> bool:
    """Return whether an answer waits for another one.

    Its last sentence is a question, also with an emoji behind it. Where nothing was done, the sentence before a short
    last one counts as well: "Which one? The left or the right." asks.
    """
    text = (text or "").strip()
    if _QUESTION.search(text):
        return True
    sentences = [sentence for sentence in _SENTENCES.split(text) if sentence.strip()]
    if acted or len(sentences) < 2 or len(sentences[-1].split()) > _SHORT_ANSWER_WORDS:
        return False
    return bool(_QUESTION.search(sentences[-2]))


def _sentences(piece: TextDelta | ReasoningDelta, cutter: SentenceCutter) -> Iterator[ChatEvent]:
    """Yield speech in sentences, and a thought as it is."""
    if isinstance(piece, ReasoningDelta):
        yield piece
        return
    for sentence in cutter.feed(piece.text):
        yield TextDelta(sentence)


def _begun(text: str, tag: str) -> int:
    """Return how many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:size])), 0)
