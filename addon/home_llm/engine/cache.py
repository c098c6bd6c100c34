"""The prefix cache: which tokens the KV cache holds under which sequence, and what gives way first."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from home_llm.engine.parking import Block, ParkedPrefixes, StoredState, spans
from home_llm.engine.tokens import common_prefix
from home_llm.llama import Context, State

# So many cells of others a request may have to walk over; what is more is parked.
_TOLERATED_CELLS = 256
# Fewer tokens are read again about as soon as they are brought back.
_WORTH_RESTORING = 64

# A beginning that prompts share is kept by itself where it saves so many tokens.
_WORTH_KEEPING = 64


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


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix that the cache holds, to be saved.

    Attributes:
        tokens: all of it.
        states: of its blocks, made when they are asked for.
        pinned: whether it is to be forgotten last.
    """

    tokens: list[int]
    states: Iterator[State]
    pinned: bool


class PrefixCache:
    """Hands out sequences to requests, with as much of their prompt as is held anywhere.

    A finished request leaves its sequence behind. The next one shares the longest prefix that any sequence, idle or
    busy, holds of its prompt; cells are shared, not copied. Idle sequences that have nothing to do with it are parked
    in the machine's memory, and come back from there. What was used longest ago is forgotten where room is short.

    Where a memory cannot be cut anywhere, only some beginnings of a sequence can be gone on with. Sequences are then
    never taken over, nor dropped for a longer one: what they hold is more than the longer one can give. They are parked
    only when room is short, and as a whole.

    Args:
        context: the KV cache.
        parking_budget: most bytes of parked prefixes.
        whole_only: whether a sequence can only be gone on with where it ended, as recurrent memories must.
    """

    def __init__(self, context: Context, *, parking_budget: int = 0, whole_only: bool = False) -> None:
        self._context = context
        self._whole_only = whole_only
        # Whether a sequence can be gone on with from any of its tokens.
        self.cuts_anywhere = not whole_only and not context.has_window
        self._free = list(range(context.n_sequences - 1, -1, -1))
        self._idle: list[CachedSequence] = []
        self._busy: list[CachedSequence] = []
        self._parked = ParkedPrefixes(parking_budget, whole_only=not self.cuts_anywhere)
        self._clock = itertools.count(1)

    @property
    def idle(self) -> tuple[CachedSequence, ...]:
        """The sequences that no request uses, the one to give way first at the front."""
        return tuple(sorted(self._idle, key=lambda sequence: (sequence.pinned, sequence.used)))

    @property
    def parked_bytes(self) -> int:
        """Bytes of memory that parked prefixes take."""
        return self._parked.size

    def longest_prefix(self, prompt: tuple[int, ...]) -> int:
        """Return how many tokens of a prompt are in cells."""
        return self._find(prompt, len(prompt))[1]

    def acquire(self, prompt: tuple[int, ...], *, reuse: int) -> CachedSequence | None:
        """Take a sequence that holds up to `reuse` tokens of the prompt; None when every one is busy."""
        source, length = self._find(prompt, reuse)
        self._make_way(prompt, keep=source)
        blocks, parked = self._find_parked(prompt, reuse)
        if parked >= length + _WORTH_RESTORING:
            return self._bring_back(prompt, blocks, parked, source)
        whole = source is not None and length == len(source.tokens)
        if whole and self.cuts_anywhere and source in self._idle and not source.pinned:
            # The prompt goes on where the sequence ended: nothing of it is lost by taking it over.
            self._idle.remove(source)
            return self._take(source)
        sequence = self._new(keep=source)
        if sequence is not None and source is not None and length > 0:
            sequence.tokens = source.tokens[: self._context.share(source.number, sequence.number, length)]
            source.used = next(self._clock)
            if length < _WORTH_RESTORING and self.cuts_anywhere and self._parked.enabled and source in self._idle:
                # What it had to share is shared; the rest of it would only be walked over.
                self._park(source)
        return sequence

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

    def worth_keeping(self, prompt: tuple[int, ...], *, held: int, reuse: int) -> int:
        """Return how much of a prompt to keep by itself once it is read, 0 for nothing.

        Where a sequence can only be gone on with where it ended, the place at which prompts part has to be such an end.
        The first two prompts with the same beginning are read as a whole; the second leaves the beginning for others.

        Args:
            prompt: the prompt.
            held: how much of it is found already.
            reuse: how much of it can be gone on with.
        """
        if not self._whole_only:
            return 0
        sequences = itertools.chain(self._idle, self._busy)
        shared = max((common_prefix(sequence.tokens, prompt) for sequence in sequences), default=0)
        length = min(shared, reuse)
        return length if length >= held + _WORTH_KEEPING else 0

    def keep(self, sequence: CachedSequence) -> None:
        """Leave what a busy sequence holds now to others, as a sequence of its own."""
        copy = self._new(keep=None)
        if copy is not None:
            copy.tokens = sequence.tokens[: self._context.share(sequence.number, copy.number, len(sequence.tokens))]
            self.release(copy)

    def empty(self, sequence: CachedSequence) -> None:
        """Forget what a busy sequence holds."""
        sequence.tokens.clear()
        self._context.truncate(sequence.number, 0)

    def give_way(self, keep: CachedSequence | None = None) -> bool:
        """Free the cells of the idle sequence that was used longest ago, pinned ones last; False when there is none."""
        for sequence in self.idle:
            if sequence is not keep:
                self._park(sequence)
                return True
        return False

    def states(self, sequence: CachedSequence) -> Iterator[State]:
        """Yield the states of the blocks of a sequence, to be saved."""
        for start, end in spans(len(sequence.tokens), whole_only=not self.cuts_anywhere):
            yield self._state(sequence, start, end)

    def forget(self, tokens: list[int]) -> None:
        """Forget exactly these tokens, in cells and parked; what goes on from them stays."""
        for sequence in list(self._idle):
            if sequence.tokens == tokens and not sequence.pinned:
                self._forget(sequence)
        blocks, length = self._parked.find(tuple(tokens))
        if blocks and length == len(tokens) == sum(len(block.tokens) for block in blocks):
            last = blocks[-1]
            if not last.children and not last.pinned:
                self._parked.forget(last)

    def adopt(self, tokens: list[int], states: Sequence[State | StoredState], *, pinned: bool = False) -> bool:
        """Park a prefix that was saved; return whether it is kept."""
        places = spans(len(tokens), whole_only=not self.cuts_anywhere)
        if not self._parked.enabled or len(places) != len(states):
            return False
        by_place = dict(zip(places, states, strict=True))
        self._parked.put(tokens, lambda start, end: by_place[start, end], pinned=pinned)
        return True

    def clear(self) -> None:
        """Forget everything that no request uses."""
        for sequence in list(self._idle):
            self._forget(sequence)
        self._parked.clear()

    def prefixes(self) -> Iterator[Prefix]:
        """Yield what is held and not in use, the last used first; those in cells before those that are parked."""
        for sequence in sorted(self._idle, key=lambda sequence: -sequence.used):
            yield Prefix(list(sequence.tokens), self.states(sequence), sequence.pinned)
        for chain in sorted(self._parked.prefixes(), key=lambda blocks: -blocks[-1].used):
            tokens = [token for block in chain for token in block.tokens]
            yield Prefix(tokens, _states(chain), chain[-1].pinned)

    def _new(self, keep: CachedSequence | None) -> CachedSequence | None:
        if not self._free and not self.give_way(keep):
            return None
        return self._take(CachedSequence(self._free.pop()))

    def _take(self, sequence: CachedSequence) -> CachedSequence:
        sequence.used = next(self._clock)
        self._busy.append(sequence)
        return sequence

    def _find(self, prompt: tuple[int, ...], reuse: int) -> tuple[CachedSequence | None, int]:
        """Return the sequence that most of a prompt, and at most `reuse` tokens, can be gone on with, and how many."""
        best: CachedSequence | None = None
        longest = 0
        for sequence in itertools.chain(self._idle, self._busy):
            length = min(common_prefix(sequence.tokens, prompt), reuse)
            if self._whole_only and length < len(sequence.tokens):
                continue
            if not self._context.sees_back(sequence.number, length):
                continue
            if length > longest or (length == longest > 0 and best is not None and len(sequence.tokens) == length):
                best, longest = sequence, length
        return best, longest

    def _find_parked(self, prompt: tuple[int, ...], reuse: int) -> tuple[list[Block], int]:
        blocks, length = self._parked.find(prompt if self.cuts_anywhere else prompt[:reuse])
        return blocks, min(length, reuse)

    def _bring_back(
        self, prompt: tuple[int, ...], blocks: list[Block], length: int, source: CachedSequence | None
    ) -> CachedSequence | None:
        """Take a sequence with what is parked of a prompt, and share what of it is in cells."""
        sequence = self._new(keep=source)
        if sequence is None:
            return None
        self._parked.touch(blocks)
        ends = list(itertools.accumulate(len(block.tokens) for block in blocks))
        have = 0
        if source is not None and self.cuts_anywhere:
            shared = min(common_prefix(source.tokens, prompt), length)
            have = max((end for end in ends if end <= shared), default=0)
            have = self._context.share(source.number, sequence.number, have) if have else 0
        for block, end in zip(blocks, ends, strict=True):
            if end > have:
                state = block.load()
                if state is None:
                    self._parked.forget(block)
                    break
                if not self._restore(sequence, state):
                    break
                have = end
        if have > length:
            have = self._context.truncate(sequence.number, length)
        have = min(have, length)
        sequence.tokens = list(prompt[:have])
        sequence.pinned = any(block.pinned for block in blocks)
        if self.cuts_anywhere:
            self._parked.drop_lone_copy(blocks)
        return sequence

    def _restore(self, sequence: CachedSequence, state: State) -> bool:
        while not self._context.restore(sequence.number, state):
            if not self.give_way():
                return False
        return True

    def _make_way(self, prompt: tuple[int, ...], keep: CachedSequence | None) -> None:
        """Park idle sequences that a request for this prompt would have to walk over.

        Where a memory cannot be cut anywhere, a sequence in cells can be gone on with from more places than a parked
        one: then it stays as long as there is room.
        """
        if not self._parked.enabled or not self.cuts_anywhere:
            return
        used = [prompt, *(busy.tokens for busy in self._busy)]
        tolerated = _TOLERATED_CELLS
        for sequence in reversed(self.idle):
            if sequence is keep:
                continue
            shared = max(common_prefix(sequence.tokens, tokens) for tokens in used)
            tolerated -= len(sequence.tokens) - shared
            # Of those that share nothing, none stays: what is left lies close together then.
            if tolerated < 0 or shared < _WORTH_RESTORING:
                self._park(sequence)

    def _park(self, sequence: CachedSequence) -> None:
        """Free the cells of an idle sequence, and keep a copy of what they hold."""
        if self._parked.enabled and len(sequence.tokens) >= _WORTH_RESTORING:
            self._parked.put(
                sequence.tokens, lambda start, end: self._state(sequence, start, end), pinned=sequence.pinned
            )
        self._forget(sequence)

    def _state(self, sequence: CachedSequence, start: int, end: int) -> State:
        return self._context.save(sequence.number, *((start, end) if self.cuts_anywhere else ()))

    def _drop_covered(self, newer: CachedSequence) -> None:
        """Forget idle sequences that the newer one holds whole: they keep nothing alive that it does not."""
        for sequence in list(self._idle):
            if not self.cuts_anywhere and len(sequence.tokens) < len(newer.tokens):
                continue
            if len(sequence.tokens) <= len(newer.tokens) and newer.tokens[: len(sequence.tokens)] == sequence.tokens:
                newer.pinned = newer.pinned or sequence.pinned
                self._forget(sequence)

    def _forget(self, sequence: CachedSequence) -> None:
        self._idle.remove(sequence)
        self._context.truncate(sequence.number, 0)
        self._free.append(sequence.number)


def _states(blocks: list[Block]) -> Iterator[State]:
    for block in blocks:
        state = block.load()
        if state is None:
            raise OSError("a part of it is gone")
        yield state
