"""Shares with their intervals: repeats of one sentence are not independent of each other."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

_DRAWS = 1000
_SEED = 20240


@dataclass(frozen=True, slots=True)
class Share:
    """A share.

    Attributes:
        value: from 0 to 1.
        low: with `high`, the interval that holds it with 95 percent.
        high: see low.
        count: of how many.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """Return it in percent."""
        return f"{self.value:.1%} [{self.low * 100:.0f}-{self.high * 100:.0f}]"


def share(items: Iterable[tuple[str, float, float]]) -> Share | None:
    """Return the share of sums, with a bootstrap interval that draws whole clusters; None of nothing.

    Args:
        items: cluster, what counts, and out of what; for a plain share 0 or 1, and 1.
    """
    sums: dict[str, tuple[float, float]] = {}
    count = 0
    for cluster, part, whole in items:
        before = sums.get(cluster, (0.0, 0.0))
        sums[cluster] = (before[0] + part, before[1] + whole)
        count += 1
    clusters = list(sums.values())
    whole = sum(total for _, total in clusters)
    if not whole:
        return None
    value = sum(part for part, _ in clusters) / whole
    rng = random.Random(_SEED)
    draws = []
    for _ in range(_DRAWS if len(clusters) > 1 else 0):
        drawn = rng.choices(clusters, k=len(clusters))
        total = sum(item[1] for item in drawn)
        draws.append(sum(item[0] for item in drawn) / total if total else value)
    draws.sort()
    low, high = (draws[_DRAWS // 40], draws[-_DRAWS // 40 - 1]) if draws else (0.0, 1.0)
    return Share(value, low, high, count)


def percentile(values: Iterable[float], fraction: float) -> float:
    """Return what so large a fraction of values is at or below; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else 0.0
