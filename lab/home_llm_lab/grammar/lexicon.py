"""Nouns with their genders and what else a language must be told of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# Behind these a noun says whose or where it is.
_LINKING_WORDS = "de du des d' la le les l' del el los las à au aux en sur dans w we na z ze do od u przy nad pod po"
_LINKING = frozenset(_LINKING_WORDS.split())


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What is known of the nouns of a language.

    Attributes:
        genders: noun in lower case to m, f, n, or p for a plural.
        prepositions: place in lower case to the preposition that it takes instead of the usual one.
        fixed: phrase in lower case to its forms, for what follows no rule.
        people: names of persons.
        words: further lists of a language's own.
    """

    genders: dict[str, str]
    prepositions: dict[str, str]
    fixed: dict[str, dict[str, str]]
    people: frozenset[str]
    words: dict[str, Any] = field(default_factory=dict)

    def listed(self, name: str) -> frozenset[str]:
        """Return a list of the language's own."""
        return frozenset(str(self.words.get(name, "")).split())

    def thing_of_a_room(self, text: str) -> str | None:
        """Return the thing of a phrase that begins with a room and goes on with it: Salon lampe, Kuchnia - lampa.

        Neither the article nor the case of the room would fit the whole; None where a phrase is not like that.
        """
        words = text.lower().replace("(", " ").split()
        rooms = self.listed("rooms")
        start = 0 if words and words[0] in rooms else 1
        if len(words) <= start or words[start] not in rooms:
            return None
        pairs = zip(words[start:], words[start + 1 :], strict=False)
        return next(
            (word for before, word in pairs if word in self.genders and word not in rooms and before not in _LINKING),
            None,
        )


@functools.cache
def load_lexicon(language: str) -> Lexicon:
    """Return the nouns of a language, from its YAML file beside this module."""
    path = Path(__file__).parent / "nouns" / f"{language}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    genders = {noun.lower(): gender for gender, nouns in content["genders"].items() for noun in _phrases(nouns)}
    prepositions = {
        place.lower(): preposition
        for preposition, places in content.get("prepositions", {}).items()
        for place in _phrases(places)
    }
    fixed = {phrase.lower(): forms for phrase, forms in content.get("fixed", {}).items()}
    return Lexicon(
        genders, prepositions, fixed, frozenset(_phrases(content.get("people", ""))), content.get("words", {})
    )


def _phrases(text: str) -> list[str]:
    """Return what a comma-separated text lists."""
    return [phrase for part in text.split(",") if (phrase := " ".join(part.split()))]
