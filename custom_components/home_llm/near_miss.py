"""Tell whether a call is on what was spoken of, or only on something that is called much the same.

Free of Home Assistant. A small model that is asked for the bathroom lamp, where there is none, takes the bedroom lamp.
The grammar cannot help there: both are names of the house. So the words that were said are held against the names of
what the call is on. Where they say nothing about it ("it is dark in here"), neither does this.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .near_miss_words import EVERYTHING, GENERIC, IDLE, NOUN_FIRST, PARTING, PLACING, SPARING
from .wording import language_of, words

# What goes about, or acts everywhere: where it stands says nothing.
_ANYWHERE = frozenset({"lawn_mower", "scene", "script", "vacuum"})
# What is also called for without its name: "I want to watch TV".
_HINTED = frozenset({"scene", "script"})
# A name that is shorter than this may be in other words by chance.
_JOINED = 6

# What separates the things of a command, beside words such as "and".
_MARKS = re.compile(r"[,;:!?\n]|\.(?!\d)")


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a call: something else was named in full, or something that is called much the same."""

    # What was named in full; nothing where there is only a likeness.
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a call can be on."""

    target: str
    domain: str
    names: tuple[str, ...]
    # Names of where it is, which may be said with its own, or for it.
    places: tuple[str, ...] = ()
    # Whether it is an area or a floor itself.
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a part of a command fits something."""

    # Whether one of its names was said, as far as it tells it from others.
    full: bool
    # Whether all words of one of its names were said.
    whole: bool
    # The positions of words that are about it.
    about: frozenset[int]
    # The words beside these that are about something else.
    strange: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Grammar:
    """What has to be known of a language."""

    # Words by which no device is told from another.
    idle: frozenset[str]
    # Prepositions of place and possession.
    places: frozenset[str]
    # Whether a noun has what describes it behind it.
    adjective_follows: bool


def doubt(
    said: str, language: str | None, target: Named, others: Iterable[Named], given: Iterable[str] = ()
) -> Doubt | None:
    """Return what speaks against a call on a target, or None.

    Args:
        said: what the user said.
        language: in which language; in one that is not ours there is no doubt.
        target: what the call is on.
        others: what else there is.
        given: other arguments of the call; their words are accounted for.
    """
    code = language_of(language)
    if code is None or target.domain not in GENERIC:
        return None
    if any(word in SPARING[code] for word in words(said)):
        # "All but the kitchen lamp" names what is not meant.
        return None
    clauses = _clauses(said, code)
    idle = IDLE[code] | {word for value in given for word in words(value)}
    rivals = [other for other in others if other.target != target.target]
    if target.domain in _ANYWHERE or not (target.is_group or target.places):
        # Nothing is known of where it is, so the name of a place says nothing.
        idle |= {word for rival in rivals if rival.is_group for name in rival.names for word in words(name)}
        rivals = [rival for rival in rivals if not rival.is_group]
    grammar = _Grammar(idle, PLACING[code], code in NOUN_FIRST)
    found: Doubt | None = None
    for clause in clauses:
        fit = _fit(clause, target, grammar)
        fits = [(rival, _fit(clause, rival, grammar)) for rival in rivals]
        better = [(rival.target, other.about) for rival, other in fits if other.whole and other.about > fit.about]
        if better and target.domain not in _HINTED:
            most = max(len(about) for _, about in better)
            found = Doubt(tuple(name for name, about in better if len(about) == most))
        elif not fit.about:
            continue
        elif fit.strange and (not fit.full or any(_is_elsewhere(rival, other, fit) for rival, other in fits)):
            if not fit.whole and _in_pieces(clause, target):
                return None
            found = found or Doubt()
        else:
            return None
    return found


def _is_elsewhere(rival: Named, other: _Fit, fit: _Fit) -> bool:
    """Return whether a place was named that the target is not in."""
    return rival.is_group and other.full and bool(other.about & fit.strange)


def _in_pieces(clause: Sequence[str], named: Named) -> bool:
    """Return whether a name was said, but with its words apart or together: bed room lamp."""
    joined = ["".join(words(name)) for name in named.names]
    return any(len(name) >= _JOINED and name in "".join(clause) for name in joined)


def _clauses(said: str, code: str) -> list[list[str]]:
    """Return the words of each part of a command."""
    clauses: list[list[str]] = []
    for part in _MARKS.split(said):
        clause: list[str] = []
        for word in words(part):
            if word in PARTING[code]:
                clauses.append(clause)
                clause = []
            else:
                clause.extend(_pieces(word))
        clauses.append(clause)
    return [clause for clause in clauses if clause]


def _fit(clause: Sequence[str], named: Named, grammar: _Grammar) -> _Fit:
    """Return how a part of a command fits something."""
    generic = GENERIC.get(named.domain, frozenset())
    names = [_special(name, generic, grammar.idle) for name in named.names]
    own = {word for special in names for word in special}
    own.update(piece for name in named.places for word in words(name) for piece in _pieces(word))
    has_number = any(word.isdigit() for word in own)
    about: set[int] = set()
    unknown: set[int] = set()
    for index, word in enumerate(clause):
        if word in own or word in generic:
            about.add(index)
        elif word in grammar.idle or (not has_number if word.isdigit() else len(word) == 1):
            continue
        elif not word.isdigit() and (_any_same(word, own) or _any_same(word, generic)):
            about.add(index)
        else:
            unknown.add(index)
    whole = False
    for name in named.names:
        pieces = [piece for word in words(name) for piece in _pieces(word)]
        telling = [piece for piece in pieces if piece not in generic] or pieces
        if telling and all(_any_same(piece, clause) for piece in telling):
            about.update(index for index, word in enumerate(clause) if _any_same(word, telling))
            whole = True
    unknown -= about
    full = any(special and all(_any_same(mine, clause) for mine in special) for special in names)
    return _Fit(
        full, whole, frozenset(about), frozenset(index for index in unknown if _beside(index, about, clause, grammar))
    )


def _any_same(word: str, others: Iterable[str]) -> bool:
    """Return whether a word is among others."""
    return any(same(word, other) for other in others)


def _beside(index: int, about: set[int], clause: Sequence[str], grammar: _Grammar) -> bool:
    """Return whether a word tells more of one that is about the target: desk lamp, lamp in the garage."""
    if clause[index].isdigit():
        # In "lamp 2" the number is a name, in "lamp to 40" it is not.
        return index - 1 in about
    after = index + 1
    while after < len(clause) and after not in about and clause[after] in grammar.idle:
        after += 1
    if after in about:
        # A verb has an article behind it, and a place has a preposition before it: "in the attic turn on the light".
        return after == index + 1 or any(word in grammar.places for word in clause[max(0, index - 2) : index])
    before = index - 1
    while before >= 0 and before not in about and clause[before] in grammar.idle:
        before -= 1
    if before not in about:
        return False
    between = clause[before + 1 : index]
    return any(word in grammar.places for word in between) or (not between and grammar.adjective_follows)


def _special(name: str, generic: frozenset[str], idle: frozenset[str]) -> list[str]:
    """Return the words of a name that tell it from others."""
    pieces = [piece for word in words(name) for piece in _pieces(word)]
    special = [word for word in pieces if word not in generic]
    return [word for word in special if word not in idle] or special


@functools.cache
def _compounds() -> re.Pattern[str]:
    """Return what matches a compound such as Schlafzimmerlampe."""
    named = (nouns for domain, nouns in GENERIC.items() if domain != EVERYTHING)
    nouns = {noun for nouns in named for noun in nouns if len(noun) > 3}
    return re.compile(f"(.{{3,}}?)({'|'.join(sorted(nouns, key=len, reverse=True))})")


@functools.lru_cache(maxsize=1024)
def _pieces(word: str) -> tuple[str, ...]:
    """Return the two parts of a compound, or the word."""
    found = _compounds().fullmatch(word)
    return found.groups() if found else (word,)


def same(one: str, other: str) -> bool:
    """Return whether two words are the same but for an ending or a slip of the ear."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if long == f"{short}s" and len(short) > 1:
        return True
    if len(short) < 4 or any(char.isdigit() for char in one + other):
        return False
    common = next((index for index, char in enumerate(short) if char != long[index]), len(short))
    if common >= max(4, len(short) - 2) and len(long) - common <= 3:
        return common > 4 or common == len(short)
    return len(short) >= 6 and _distance(one, other) <= (2 if len(short) >= 10 else 1)


def _distance(one: str, other: str) -> int:
    """Return how many letters have to be changed, added or taken away to make one word of another."""
    row = list(range(len(other) + 1))
    for number, char in enumerate(one, 1):
        last, row[0] = row[0], number
        for index, letter in enumerate(other, 1):
            last, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, last + (char != letter))
    return row[-1]
