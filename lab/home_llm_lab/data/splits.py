"""How many examples there are, how they are divided, and which houses they come from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from .making import Plan

SIZES = {"small": 2_000, "medium": 20_000, "full": 100_000}
# Of how many examples the splits that are not for training have.
_SHARES = {"test": 0.04, "valid": 0.02}
# Tests come first, so that training can do without what is said there.
SPLITS = ("test", "valid", "train")
# So few conversations in each house that is not for training: many houses tell more than many words in one.
_FEW = 10
# A million seeds for each split of each seed.
_SEEDS = 1_000_000
# The language of the houses, and how common it is.
LANGUAGES = {"en": 0.6, "de": 0.1, "fr": 0.1, "es": 0.1, "pl": 0.1}


def targets(size: int) -> dict[str, int]:
    """Return how many examples each split has."""
    found = {split: max(1, round(size * share)) for split, share in _SHARES.items()}
    return {**found, "train": size - sum(found.values())}


def plans(split: str, seed: int, languages: Sequence[str], *, conversations: int, kind: str | None) -> Iterator[Plan]:
    """Yield the houses of a split without end: other seeds than those of the other splits."""
    weights = [LANGUAGES.get(language, 0.1) for language in languages]
    first = (seed * len(SPLITS) + SPLITS.index(split)) * _SEEDS
    for number in range(first, first + _SEEDS):
        language = random.Random(f"language/{number}").choices(languages, weights)[0]
        if split == "train":
            yield Plan(number, split, language, conversations, kind=kind)
        else:
            yield Plan(number, split, language, min(conversations, _FEW), 1, kind)
