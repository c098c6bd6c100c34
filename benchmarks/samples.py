"""What was measured, and what it comes to."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Summary:
    """The middle of some values, and their spread: half of them lie between `low` and `high`."""

    median: float
    low: float
    high: float
    count: int


def summarize(values: Sequence[float]) -> Summary:
    """Return the median and the quartiles, interpolated between values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is nothing to summarize")
    if len(values) == 1:
        return Summary(values[0], values[0], values[0], 1)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(middle, low, high, len(values))


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one server, or why there are none."""

    values: tuple[float, ...] = ()
    failure: str = ""

    @property
    def summary(self) -> Summary | None:
        """The middle and the spread; None after a failure."""
        return None if self.failure or not self.values else summarize(self.values)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Args:
        name: what `--only` calls it.
        title: what was measured, in words.
        unit: of the values.
        ours: our values.
        other: the values to compare with; None where there is nothing to.
        higher_is_better: whether the values are rates and not costs.
        goal: the ratio to reach: at least, for rates; at most, for costs. None where there is no goal.
        other_name: whose values `other` are, where it is not the peer.
        notes: what else is worth knowing.
        disturbed: what else ran during the samples, where that was too much to believe them.
    """

    name: str
    title: str
    unit: str
    ours: Series
    other: Series | None = None
    higher_is_better: bool = False
    goal: float | None = None
    other_name: str = ""
    notes: tuple[str, ...] = ()
    disturbed: str = ""

    @property
    def ratio(self) -> float | None:
        """Our median over the other's; None where one is missing."""
        ours = self.ours.summary
        other = self.other.summary if self.other else None
        return ours.median / other.median if ours and other and other.median else None

    @property
    def advantage(self) -> float | None:
        """How many times better than the other: the ratio, or its inverse where less is better."""
        ratio = self.ratio
        if not ratio:
            return None
        return ratio if self.higher_is_better else 1 / ratio

    @property
    def verdict(self) -> Literal["met", "missed", "failed", ""]:
        """Whether the goal was met.

        A measure that we fail is failed. One that only the other fails has no ratio, and so no verdict.
        """
        if self.ours.failure:
            return "failed"
        ratio = self.ratio
        if self.goal is None or ratio is None:
            return ""
        return "met" if (ratio >= self.goal if self.higher_is_better else ratio <= self.goal) else "missed"
