"""The words of a language that houses are made of, and which of them only test houses have."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from home_llm_lab.grammar import in_form

# One word in so many is held out.
_HELD_OUT = 7
# Below so many words none is held out, and the first ones never are: training has to know what everybody says.
_FEW, _COMMON = 4, 2
# How often a test house takes a word that training never sees, where there is one.
_UNSEEN = 0.2


class VocabularyError(ValueError):
    """The words of a language cannot be read."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a language; the head of en.yaml tells what there is."""

    language: str
    words: Mapping[str, Any]
    # Words that training sees wherever they stand, of all languages.
    common: frozenset[str]

    def list(self, *path: str) -> Sequence[Any]:
        """Return a list of words, empty where the language has none, such as of ("rooms", "kitchen")."""
        found: Any = self.words
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, list) else ()

    def pick(self, rng: random.Random, *path: str, held_out: bool) -> str | None:
        """Return a word of a list, or None where it is empty."""
        words = self.list(*path)
        return self.choose(rng, words, held_out=held_out) if words else None

    def choose(self, rng: random.Random, words: Sequence[str], *, held_out: bool) -> str:
        """Return one of some words: for training one that it may see, for a test house also one that it may not."""
        seen = [word for word in words if not self.unseen(word, words)]
        unseen = [word for word in words if self.unseen(word, words)]
        if held_out and unseen and rng.random() < _UNSEEN:
            return rng.choice(unseen)
        # What stands first is commoner.
        return seen[min(int(rng.expovariate(2.2 / len(seen))), len(seen) - 1)]

    def unseen(self, word: str, words: Sequence[str]) -> bool:
        """Return whether a word of a list is kept from training."""
        return len(words) >= _FEW and is_held_out(word) and word.casefold() not in self.common

    @property
    def owners(self) -> str:
        """Return where the names of owners stand: people, or their genitive where the language has one of its own."""
        return "owners" if self.list("owners") else "people"

    def forms(self, word: str) -> Mapping[str, str]:
        """Return the forms of a word, such as what it is in compounds; empty where it has none."""
        found = (self.words.get("forms") or {}).get(word) or {}
        made = {} if self.language == "en" else {form: in_form(self.language, form, word) for form in ("in", "of")}
        return {**made, **found} if isinstance(found, Mapping) else made


@functools.cache
def load_vocabulary(language: str) -> Vocabulary:
    """Return the words of a language.

    Raises:
        VocabularyError: there are none, or they cannot be read.
    """
    path = Path(__file__).parent / f"{language}.yaml"
    if not path.is_file():
        raise VocabularyError(f"there are no words for houses in {language!r}; {path.name} would hold them")
    return Vocabulary(language, _read(path), _common())


@functools.cache
def _read(path: Path) -> Mapping[str, Any]:
    words = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    if not isinstance(words, Mapping):
        raise VocabularyError(f"{path.name} is no mapping of lists")
    return words


@functools.cache
def _common() -> frozenset[str]:
    """Return what training sees in some language: brands are the same in many."""
    return frozenset(
        str(word).casefold()
        for path in sorted(Path(__file__).parent.glob("*.yaml"))
        for found in _lists(_read(path))
        for word in (found[:_COMMON] if len(found) >= _FEW else found)
        if not isinstance(word, Mapping)
    )


@functools.cache
def is_held_out(word: str) -> bool:
    """Return whether the digest of a word, whatever its case, keeps it out of training."""
    digest = hashlib.blake2b(word.casefold().encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _HELD_OUT == 0


def _lists(words: Any) -> Iterator[Sequence[Any]]:
    if isinstance(words, list):
        yield words
    elif isinstance(words, Mapping):
        for value in words.values():
            yield from _lists(value)
