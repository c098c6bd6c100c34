"""Let a model think before its answer is bound: a constraint that waits for the end of the thoughts."""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from home_llm.engine.constraint import Constraint, ConstraintCompiler, GrammarMatcher, Matcher
from home_llm.llama import Model


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model thinks before it answers.

    Attributes:
        opening: the text before its thoughts, such as `<think>`.
        closing: the text after them.
        opened: whether the prompt ends with the opening. Where it does not, the model may think, or answer at once.
    """

    opening: str
    closing: str
    opened: bool


class Markers:
    """The tokens by which one vocabulary writes an opening and a closing.

    Making it looks at every token.
    """

    def __init__(self, model: Model, opening: str, closing: str) -> None:
        self.opening = opening.encode()
        self.closing = closing.encode()
        self.ends = np.array(model.end_of_generation, dtype=np.intp)
        special = model.special_token(opening)
        pieces = [model.piece(token, special=True) for token in range(model.n_vocab)]
        self._continuing: dict[bytes, npt.NDArray[np.intp]] = {}
        for written in range(len(self.opening)):
            rest = self.opening[written:]
            if special is None:
                found = [token for token, piece in enumerate(pieces) if piece and _goes_on(rest, piece)]
            else:
                found = [special] if written == 0 else []
            self._continuing[rest] = np.array(found, dtype=np.intp)
        last = self.closing[-1:]
        candidates = [(token, piece) for token, piece in enumerate(pieces) if last in piece]
        self._beyond: dict[bytes, npt.NDArray[np.intp]] = {}
        for length in range(len(self.closing)):
            written_so_far = self.closing[:length]
            found = [token for token, piece in candidates if _goes_beyond(written_so_far + piece, self.closing)]
            self._beyond[written_so_far] = np.array(found, dtype=np.intp)
        breaks = [token for token, piece in enumerate(pieces) if piece and not piece.strip(b"\r\n")]
        self.breaks = np.array(breaks, dtype=np.intp)

    def continuing(self, rest: bytes) -> npt.NDArray[np.intp]:
        """Return the tokens that go on with the opening when `rest` of it is not written yet."""
        return self._continuing[rest]

    def beyond(self, written: bytes) -> npt.NDArray[np.intp]:
        """Return the tokens that hold the end of the closing and words of the answer too, after `written` of it."""
        return self._beyond[written]


class _Phase(Enum):
    BEFORE = auto()  # nothing is decided: what is written may become the opening, or be the answer
    THINKING = auto()
    BREAK = auto()  # the thoughts are closed; a line break may come before the answer
    ANSWER = auto()


class ThinkingMatcher:
    """Binds what comes after a model's thoughts, and leaves them free; see Matcher.

    Thoughts are told from the answer by their text, whether their markers are tokens or words. A model cannot end in
    its thoughts: what bounds them is the limit of tokens.

    Args:
        matcher: a fresh walk through the constraint.
        thinking: how the model thinks.
        markers: of the model's vocabulary.
        model: the model.
    """

    def __init__(self, matcher: GrammarMatcher, thinking: Thinking, markers: Markers, model: Model) -> None:
        self._matcher = matcher
        self._markers = markers
        self._model = model
        self._phase = _Phase.THINKING if thinking.opened else _Phase.BEFORE
        # Before: what is written of the opening. Thinking: what is written of the closing, at the end.
        self._written = b""
        # Whether what is written before the decision may also be the answer.
        self._admitted = True

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """See Matcher."""
        match self._phase:
            case _Phase.BEFORE:
                self._mask_but(logits, self._markers.continuing(self._markers.opening[len(self._written) :]))
            case _Phase.THINKING:
                logits[self._markers.ends] = -np.inf
                logits[self._markers.beyond(self._written)] = -np.inf
            case _Phase.BREAK:
                self._mask_but(logits, self._markers.breaks)
            case _Phase.ANSWER:
                self._matcher.mask(logits)

    def consume(self, token: int) -> None:
        """See Matcher."""
        match self._phase:
            case _Phase.BEFORE:
                self._decide(token)
            case _Phase.THINKING:
                self._think(self._model.piece(token, special=True))
            case _Phase.BREAK:
                self._phase = _Phase.ANSWER
                if token not in self._markers.breaks:
                    self._matcher.consume(token)
            case _Phase.ANSWER:
                self._matcher.consume(token)

    def forced(self) -> tuple[list[int], list[int]]:
        """See Matcher."""
        return self._matcher.forced() if self._phase is _Phase.ANSWER else ([], [])

    @property
    def stopped(self) -> bool:
        """See Matcher."""
        answering = self._phase is _Phase.ANSWER or (self._phase is _Phase.BEFORE and self._admitted)
        return answering and self._matcher.stopped

    def _mask_but(self, logits: npt.NDArray[np.float32], kept: npt.NDArray[np.intp]) -> None:
        """Mask by the constraint, but for some tokens that are admitted whatever it says."""
        values = logits[kept]
        if self._admitted:
            self._matcher.mask(logits)
        else:
            logits.fill(-np.inf)
        logits[kept] = values

    def _decide(self, token: int) -> None:
        written = self._written + self._model.piece(token, special=True)
        opening = self._markers.opening
        if written.startswith(opening):
            self._matcher.reset()
            self._admitted = True
            self._phase, self._written = _Phase.THINKING, b""
            self._think(written[len(opening) :])
        elif opening.startswith(written) and len(written) > len(self._written):
            self._admitted = self._admitted and self._matcher.try_consume(token)
            self._written = written
        else:
            self._phase = _Phase.ANSWER
            self._matcher.consume(token)

    def _think(self, piece: bytes) -> None:
        closing = self._markers.closing
        written = self._written + piece
        _, closed, after = written.partition(closing)
        if closed:
            # What comes with the closing in one token can only be white space.
            self._phase = _Phase.ANSWER if after else _Phase.BREAK
        else:
            self._written = _beginning(written, closing)


class MatcherMaker:
    """Makes the matchers of one model's requests. Safe for several threads."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._compiler = ConstraintCompiler(model)
        self._markers: dict[tuple[str, str], Markers] = {}

    def matcher(self, constraint: Constraint | None, thinking: Thinking | None) -> Matcher | None:
        """Return a fresh matcher, or None where nothing binds the answer.

        Raises:
            ConstraintError: the constraint cannot be compiled, or admits no text at all.
        """
        if constraint is None:
            return None
        matcher = self._compiler.matcher(constraint)
        if thinking is None:
            return matcher
        key = (thinking.opening, thinking.closing)
        if key not in self._markers:
            self._markers[key] = Markers(self._model, *key)
        return ThinkingMatcher(matcher, thinking, self._markers[key], self._model)


def _goes_on(rest: bytes, piece: bytes) -> bool:
    return piece.startswith(rest) or rest.startswith(piece)


def _goes_beyond(text: bytes, closing: bytes) -> bool:
    return bool(text.partition(closing)[2].strip())


def _beginning(text: bytes, marker: bytes) -> bytes:
    """Return the longest end of `text` that begins `marker`."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if text.endswith(marker[:length]):
            return marker[:length]
    return b""
