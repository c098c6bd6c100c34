"""Comparing lists of tokens."""

from collections.abc import Sequence

_PIECE = 256


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two sequences share from the start."""
    limit = min(len(left), len(right))
    start = 0
    # In pieces first: lists of numbers are compared at C's speed.
    while start < limit and list(left[start : start + _PIECE]) == list(right[start : start + _PIECE]):
        start += _PIECE
    for index in range(start, min(start + _PIECE, limit)):
        if left[index] != right[index]:
            return index
    return limit
