"""Which tokens the content of an answer is made of, when markup and reasoning have been taken out of it."""

from collections import deque
from collections.abc import Iterable

from home_llm.engine import TokenLogprob

Range = tuple[int, int]


class Positions:
    """Where in a text stands what was passed on of it, when some pieces were not."""

    def __init__(self) -> None:
        # Where a piece begins in what was passed on, where in the text, and how long it is.
        self._pieces: deque[tuple[int, int, int]] = deque()
        self._passed = 0

    def passed(self, at: int, length: int) -> None:
        """Note that a piece that begins at `at` in the text was passed on, behind those before."""
        self._pieces.append((self._passed, at, length))
        self._passed += length

    def ranges(self, begin: int, length: int) -> list[Range]:
        """Return where in the text a part of what was passed on stands; forget what is before that part."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][2] <= begin:
            self._pieces.popleft()
        found: list[Range] = []
        for passed, at, size in self._pieces:
            first, last = max(begin, passed), min(begin + length, passed + size)
            if first < last:
                found.append((at + first - passed, at + last - passed))
        return found


class ContentTokens:
    """Tells the tokens of the content from those of markup and reasoning."""

    def __init__(self) -> None:
        self._tokens: deque[TokenLogprob] = deque()
        self._content: deque[Range] = deque()
        self._end = 0

    def arrived(self, tokens: Iterable[TokenLogprob]) -> None:
        """Take in tokens, in the order of the text."""
        self._tokens.extend(tokens)

    def said(self, ranges: Iterable[Range]) -> tuple[TokenLogprob, ...]:
        """Take in what became content, in the order of the text; return those of its tokens that have arrived."""
        self._content.extend(ranges)
        if self._content:
            self._end = self._content[-1][1]
        return self._take(self._end)

    def rest(self, textless: Iterable[TokenLogprob]) -> tuple[TokenLogprob, ...]:
        """Return the tokens of the content that have not been returned.

        Args:
            textless: tokens that came with the end; they count where the content is what came before them.
        """
        return (*self._take(None), *(token for token in textless if token.start == self._end))

    def _take(self, until: int | None) -> tuple[TokenLogprob, ...]:
        taken: list[TokenLogprob] = []
        while self._tokens and (until is None or self._tokens[0].start < until):
            token = self._tokens.popleft()
            while self._content and self._content[0][1] <= token.start:
                self._content.popleft()
            # A token without a text belongs to what comes after it.
            end = max(token.end, token.start + 1)
            if any(begin < end and token.start < stop for begin, stop in self._content):
                taken.append(token)
        return tuple(taken)
