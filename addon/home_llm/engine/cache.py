"""The prefix cache: which tokens the KV cache holds under which sequence, and what to forget first."""

import itertools
from dataclasses import dataclass, field

from home_llm.llama import Context

_BLOCK = 256


@dataclass(eq=False, slots=True)
class CachedSequence:
    """A sequence of the KV cache.

    Attributes:
        number: llama.cpp's number of it.
        tokens: what its cells hold, in order.
        used: when it was used last; larger is later.
        pinned: forgotten only when nothing else is left.
    """

    number: int
    tokens: list[int] = field(default_factory=list)
    used: int = 0
    pinned: bool = False


class PrefixCache:
    """Hands out sequences to requests, with as much of their prompt as any sequence already holds.

    A finished request leaves its sequence behind. The next one shares the longest prefix that any sequence, idle or
    busy, holds of its prompt; cells are shared, not copied. When cells or numbers run out, the idle sequence that was
    used longest ago is forgotten.

    Args:
        context: the KV cache.
        whole_only: whether a sequence can only be gone on with where it ended, as recurrent memories must.
    """

    def __init__(self, context: Context, *, whole_only: bool = False) -> None:
        self._context = context
        self._whole_only = whole_only
        self._free = list(range(context.n_sequences - 1, -1, -1))
        self._idle: list[CachedSequence] = []
        self._busy: list[CachedSequence] = []
        self._clock = itertools.count(1)

    @property
    def idle(self) -> tuple[CachedSequence, ...]:
        """The sequences that no request uses, the one to be forgotten first at the front."""
        return tuple(sorted(self._idle, key=lambda sequence: (sequence.pinned, sequence.used)))

    def longest_prefix(self, prompt: tuple[int, ...]) -> int:
        """Return how many tokens of a prompt are in the cache."""
        return self._find(prompt)[1]

    def acquire(self, prompt: tuple[int, ...], *, reuse: int) -> CachedSequence | None:
        """Take a sequence that holds up to `reuse` tokens of the prompt; None when every one is busy."""
        source, length = self._find(prompt)
        length = min(length, reuse)
        if self._whole_only and source is not None and length < len(source.tokens):
            length = 0
        if source is not None and source in self._idle and not source.pinned and length == len(source.tokens):
            # The prompt goes on where the sequence ended: nothing of it is lost by taking it over.
            self._idle.remove(source)
            return self._take(source)
        if not self._free and not self.forget_one(keep=source):
            return None
        sequence = CachedSequence(self._free.pop())
        if source is not None and length > 0:
            sequence.tokens = source.tokens[: self._context.share(source.number, sequence.number, length)]
            source.used = next(self._clock)
        return self._take(sequence)

    def release(self, sequence: CachedSequence, *, pinned: bool = False) -> None:
        """Give back a sequence; what it holds stays until its cells are needed."""
        self._busy.remove(sequence)
        sequence.used = next(self._clock)
        sequence.pinned = sequence.pinned or pinned
        if sequence.tokens:
            self._drop_covered(sequence)
            self._idle.append(sequence)
        else:
            self._free.append(sequence.number)

    def empty(self, sequence: CachedSequence) -> None:
        """Forget what a busy sequence holds."""
        sequence.tokens.clear()
        self._context.truncate(sequence.number, 0)

    def forget_one(self, keep: CachedSequence | None = None) -> bool:
        """Forget the idle sequence that was used longest ago, pinned ones last; return whether there was one."""
        for sequence in self.idle:
            if sequence is not keep:
                self._forget(sequence)
                return True
        return False

    def adopt(self, tokens: list[int], state: bytes) -> bool:
        """Fill a free sequence with a saved state; return whether there was one and llama.cpp took it."""
        if not self._free:
            return False
        number = self._free[-1]
        if not self._context.restore(number, state):
            return False
        self._free.pop()
        self._idle.append(CachedSequence(number, tokens, next(self._clock)))
        return True

    def _take(self, sequence: CachedSequence) -> CachedSequence:
        sequence.used = next(self._clock)
        self._busy.append(sequence)
        return sequence

    def _find(self, prompt: tuple[int, ...]) -> tuple[CachedSequence | None, int]:
        best: CachedSequence | None = None
        longest = 0
        for sequence in itertools.chain(self._idle, self._busy):
            length = common_prefix(sequence.tokens, prompt)
            if length > longest or (length == longest > 0 and best is not None and len(sequence.tokens) == length):
                best, longest = sequence, length
        return best, longest

    def _drop_covered(self, newer: CachedSequence) -> None:
        """Forget idle sequences that the newer one holds whole: they keep nothing alive that it does not."""
        for sequence in list(self._idle):
            if len(sequence.tokens) <= len(newer.tokens) and newer.tokens[: len(sequence.tokens)] == sequence.tokens:
                newer.pinned = newer.pinned or sequence.pinned
                self._forget(sequence)

    def _forget(self, sequence: CachedSequence) -> None:
        self._idle.remove(sequence)
        self._context.truncate(sequence.number, 0)
        self._free.append(sequence.number)


def common_prefix(left: list[int], right: tuple[int, ...]) -> int:
    """Return how many tokens two sequences share from the start."""
    limit = min(len(left), len(right))
    start = 0
    # In blocks first: slices are compared at C's speed.
    while start < limit and tuple(left[start : start + _BLOCK]) == right[start : start + _BLOCK]:
        start += _BLOCK
    for index in range(start, min(start + _BLOCK, limit)):
        if left[index] != right[index]:
            return index
    return limit
