"""Nouns with their genders and what else a language must be told of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


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
