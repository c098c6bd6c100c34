"""What goes into the next decode."""

from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Protocol

# A prompt is read in pieces of about this many seconds while somebody is being answered: the pause in the answer.
PAUSE_SECONDS = 0.2
MIN_PIECE = 32

# And of this many where there is nobody else: who comes meanwhile waits no longer, threads follow what is free,
# and pieces of this length are read as fast as long ones.
ALONE_SECONDS = 0.4


class Work(Protocol):
    """What the scheduler has to know of a running sequence."""

    @property
    def pending(self) -> int:
        """Tokens to decode."""

    @property
    def speaking(self) -> bool:
        """Whether it has said something."""

    @property
    def background(self) -> bool:
        """Whether it gives way to all others."""

    @property
    def admitted(self) -> float:
        """When it was admitted, in seconds."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the next batch.

    Attributes:
        index: which of the running sequences.
        count: how many of its pending tokens.
    """

    index: int
    count: int


def plan(running: Many[Work], *, capacity: int, prefill_rate: float, now: float, patience: float = 10.0) -> list[Share]:
    """Choose what goes into the next batch.

    Whoever is speaking goes first and gets all it needs, a token or a few. What is left of the batch goes to prompts,
    the one with the least left to read first, so that a short command does not wait behind a long cold prompt; one that
    has waited for `patience` seconds comes before those. While somebody speaks, or waits for a short prompt, the piece
    of a long prompt is only as long as a short pause allows, and never so long that who comes next would wait for it.
    Background work gets what remains when nobody else wants anything.

    Args:
        running: the running sequences.
        capacity: most tokens of a batch.
        prefill_rate: tokens a second that prompts were read at lately; 0 when not known.
        now: the time, in seconds.
        patience: see above.

    Returns:
        Shares, each of at least one token.
    """
    shares: list[Share] = []
    left = capacity
    for index, work in enumerate(running):
        if work.speaking and 0 < work.pending <= left:
            shares.append(Share(index, work.pending))
            left -= work.pending
    spoken = bool(shares)
    readers = [
        (index, work) for index, work in enumerate(running) if work.pending and Share(index, work.pending) not in shares
    ]
    foreground = [(index, work) for index, work in readers if not work.background]
    if not foreground and spoken:
        return shares
    order = sorted(
        foreground or readers,
        key=lambda item: (item[1].admitted + patience > now, item[1].pending, item[1].admitted),
    )
    limit = _piece(prefill_rate, capacity, PAUSE_SECONDS if spoken or len(order) > 1 else ALONE_SECONDS)
    for index, work in order:
        count = min(work.pending, left, limit)
        if count <= 0:
            break
        shares.append(Share(index, count))
        left -= count
        limit -= count
    return shares


def _piece(prefill_rate: float, capacity: int, seconds: float) -> int:
    if prefill_rate <= 0:
        return min(4 * MIN_PIECE, capacity)
    return max(min(int(prefill_rate * seconds), capacity), MIN_PIECE)
