"""Log-probabilities of the tokens of an answer, and with which piece of its text each of them is told."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from home_llm.llama import Model


@dataclass(frozen=True, slots=True)
class Logprob:
    """How likely a token was.

    Attributes:
        token: its number.
        piece: its bytes, which may be a part of a character; of a special token its name.
        logprob: natural logarithm of its probability.
    """

    token: int
    piece: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob(Logprob):
    """How likely a token of the answer was, and what else could have been in its place.

    The probabilities are the model's own: before bias, penalties, temperature and every other sampler, and before a
    constraint; or those after all of that, where they were asked for.

    Attributes:
        top: the likeliest tokens, the likeliest first.
        start: where its text begins in the answer, in characters.
        end: where its text ends; that of a part of a character ends with the character.
    """

    top: tuple[Logprob, ...]
    start: int
    end: int


class LogprobRecorder:
    """Takes down the log-probabilities of one generation.

    Args:
        model: the model.
        top: how many of the likeliest tokens to name beside the one that was chosen.
    """

    def __init__(self, model: Model, top: int) -> None:
        self._model = model
        self._top = min(top, model.n_vocab)
        self._seen: npt.NDArray[np.float32] | None = None
        self._waiting: deque[TokenLogprob] = deque()

    def look(self, logits: npt.NDArray[np.float32]) -> None:
        """Take in what the model thinks of every token, before anything changes it.

        Args:
            logits: shape (n_vocab,), copied.
        """
        shifted = logits - logits.max()
        self._seen = shifted - np.log(np.exp(shifted).sum())

    def look_at_some(self, tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32]) -> None:
        """Take in the tokens that could be chosen, and no others.

        Args:
            tokens: shape (n,).
            logits: shape (n,).
        """
        shifted = logits - logits.max()
        seen = np.full(self._model.n_vocab, -np.inf, np.float32)
        seen[tokens] = shifted - np.log(np.exp(shifted).sum())
        self._seen = seen

    def chose(self, token: int, start: int, end: int) -> None:
        """Note the token that was chosen, and where its text stands in the answer, in characters."""
        assert self._seen is not None  # noqa: S101 - look() comes first
        top: npt.NDArray[np.intp] = np.empty(0, np.intp)
        if self._top:
            likeliest = np.argpartition(-self._seen, self._top - 1)[: self._top]
            top = likeliest[np.argsort(-self._seen[likeliest], kind="stable")]
        alternatives = tuple(self._logprob(int(other)) for other in top if self._seen[other] > -np.inf)
        own = self._logprob(token)
        self._waiting.append(TokenLogprob(own.token, own.piece, own.logprob, alternatives, start, end))

    def take(self, released: int) -> tuple[TokenLogprob, ...]:
        """Return the tokens, not returned before, whose text is within the first `released` characters."""
        taken: list[TokenLogprob] = []
        while self._waiting and self._waiting[0].end <= released:
            taken.append(self._waiting.popleft())
        return tuple(taken)

    def rest(self) -> tuple[TokenLogprob, ...]:
        """Return what has not been returned: tokens whose text never became a whole character."""
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken

    def _logprob(self, token: int) -> Logprob:
        assert self._seen is not None  # noqa: S101 - look() comes first
        return Logprob(token, self._model.piece(token, special=True), float(self._seen[token]))
