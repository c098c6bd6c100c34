"""What goes into a batch."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from home_llm.engine.scheduler import MIN_PIECE, Share, plan


@dataclass
class Item:
    """A running sequence, as the scheduler sees it."""

    pending: int
    speaking: bool = False
    background: bool = False
    admitted: float = 0.0


def shares(running: list[Item], *, capacity: int = 512, rate: float = 1000.0, now: float = 1.0) -> dict[int, int]:
    """Return the tokens by index."""
    return {share.index: share.count for share in plan(running, capacity=capacity, prefill_rate=rate, now=now)}


def test_alone() -> None:
    """A prompt that is alone gets as much of the batch as is over soon."""
    assert shares([Item(5000)]) == {0: 400}
    assert shares([Item(5000)], rate=5000) == {0: 512}
    assert shares([Item(100)]) == {0: 100}


def test_speakers_first() -> None:
    """Speakers get their tokens in every batch, and a prompt beside them only a short piece."""
    assert shares([Item(5000), Item(1, speaking=True), Item(4, speaking=True)]) == {0: 200, 1: 1, 2: 4}
    assert shares([Item(5000), Item(1, speaking=True)], rate=10) == {0: MIN_PIECE, 1: 1}
    assert shares([Item(5000), Item(1, speaking=True)], rate=0) == {0: 4 * MIN_PIECE, 1: 1}


def test_short_prompts_first() -> None:
    """A short command does not wait behind a long prompt, unless that one has waited for long."""
    assert shares([Item(5000), Item(10)]) == {1: 10, 0: 190}
    assert shares([Item(5000, admitted=0.0), Item(300, admitted=11.0)], now=12.0) == {0: 200}


def test_background_gives_way() -> None:
    """Background work is done only when nobody else wants anything."""
    assert shares([Item(5000, background=True)]) == {0: 400}
    assert shares([Item(5000, background=True), Item(1, speaking=True)]) == {1: 1}
    assert shares([Item(5000, background=True), Item(700)]) == {1: 400}


ITEMS = st.builds(Item, st.integers(1, 3000), st.booleans(), st.booleans(), st.floats(0, 20))


@given(st.lists(ITEMS, min_size=1, max_size=10), st.integers(64, 2048), st.floats(0, 5000))
def test_any_mix(running: list[Item], capacity: int, rate: float) -> None:
    """A batch is never empty nor too large, nothing is in it twice, and nobody gets more than is pending."""
    running = [Item(min(item.pending, 8), speaking=True) if item.speaking else item for item in running]
    got = plan(running, capacity=capacity, prefill_rate=rate, now=10.0)
    assert got
    assert len({share.index for share in got}) == len(got)
    assert sum(share.count for share in got) <= capacity
    for share in got:
        assert 0 < share.count <= running[share.index].pending
    assert all(Share(i, item.pending) in got for i, item in enumerate(running) if item.speaking)
