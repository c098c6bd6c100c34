"""Speculation without a second model: what follows a repeated phrase is likely what followed it before.

Entity names, JSON and the sentence that confirms a command repeat what the prompt says. The tokens that came after the
last three of an answer when they came before are decoded together with the next token, and kept as far as the model
chooses the same ones. The method is prompt lookup decoding (https://github.com/apoorvumang/prompt-lookup-decoding).
"""

from collections.abc import Sequence

_PHRASE = 3
MAX_DRAFT = 4

# How fast old measurements are forgotten, how often speculation is tried again where it did not pay, and by how much it
# has to pay.
_WEIGHT = 0.1
_PROBE_EVERY = 48
_TRIALS = 6
_WORTH = 1.05


class PhraseIndex:
    """Where each phrase of a growing list of tokens was last."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, ...], int] = {}
        self._indexed = 0

    def draft(self, tokens: Sequence[int], count: int) -> list[int]:
        """Return up to `count` tokens that followed the last phrase of `tokens` when it came before."""
        # The phrase at the very end is looked up before it is put in: it would find itself.
        for end in range(max(self._indexed, _PHRASE), len(tokens)):
            self._last[tuple(tokens[end - _PHRASE : end])] = end
        self._indexed = len(tokens)
        start = self._last.get(tuple(tokens[-_PHRASE:]))
        return [] if start is None else list(tokens[start : start + count])


class Gauge:
    """Measures whether speculation pays on this machine with this model, and says how much of it to do."""

    def __init__(self) -> None:
        self._plain: float | None = None
        self._speculative: float | None = None
        self._right = 0.0
        self._trials = 0
        self._since_probe = 0

    def wanted(self) -> int:
        """Return how many tokens to guess for the next step."""
        if self._plain is None:
            return 0
        if self._speculative is None or self._trials < _TRIALS or self._pays():
            return MAX_DRAFT
        self._since_probe += 1
        if self._since_probe >= _PROBE_EVERY:
            self._since_probe = 0
            return MAX_DRAFT
        return 0

    def note(self, seconds: float, *, drafted: int, right: int) -> None:
        """Take in what a step of one token and `drafted` guesses took, and how many of them were right."""
        if drafted == 0:
            self._plain = _mixed(self._plain, seconds)
            return
        self._trials += 1
        self._speculative = _mixed(self._speculative, seconds)
        self._right += (right - self._right) * (_WEIGHT if self._trials > _TRIALS else 0.5)

    def _pays(self) -> bool:
        if self._plain is None or self._speculative is None:
            return False
        return (1 + self._right) / self._speculative > _WORTH / self._plain


def _mixed(old: float | None, new: float) -> float:
    return new if old is None else old + (new - old) * _WEIGHT
