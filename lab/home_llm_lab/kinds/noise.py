"""Noise of speech recognition and of typing: other letters, the same meaning. Numbers keep their value."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TypeAlias

Change: TypeAlias = Callable[[str, random.Random], str]


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NUMBER = re.compile(r"(?<![\w.,:-])(\d{1,3})(?![\w:]|[.,]\d)")

# Words of English that sound the same. Those of one row are all right in the place of the first.
_SOUNDS = {
    "light": ("lite",),
    "lights": ("lites",),
    "to": ("too",),
    "too": ("to", "two"),
    "the": ("da", "teh"),
    "blinds": ("blines",),
    "their": ("there",),
    "there": ("their",),
    "please": ("pleas", "pls", "plz"),
    "you": ("u",),
    "are": ("r",),
    "what's": ("whats", "wats"),
    "whether": ("weather",),
    "room": ("rm",),
    "set": ("said",),
    "hall": ("haul",),
    "stairs": ("stares",),
    "percent": ("per cent", "%"),
    "degrees": ("degree",),
    "and": ("an", "n", "&"),
    "turn": ("tern", "trun"),
    "close": ("cloes",),
    "brighter": ("briter",),
    "okay": ("ok",),
    "off": ("of",),
}

_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
# A typo in one of these would make another command of it.
_KEPT = _split(
    "on off up down in out open close closed lock unlock arm disarm not no all left right except but only and or now "
    "at an an der die das le la el los na w do an aus ein auf zu"
)
_ONES = _split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _split("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBERS = frozenset((*_ONES, *_TENS, "hundred", "half", "quarter"))
_JOINED = re.compile(
    r"\b(living|bed|bath|dining|laundry|play|store|work|sun|class) (room)s?\b|\b(hall) (way)\b|\b(up|down) (stairs)\b"
    r"|\b(night) (stand)\b|\b(ceiling) (light|lamp|fan)\b|\b(dish) (washer)\b|\b(sound) (bar)\b|\b(flood) (light)\b",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"\b(bed|bath|living|play|work|store)(room)\b|\b(hall)(way)\b|\b(up|down)(stairs)\b|\b(night)(stand)\b"
    r"|\b(dish)(washer)\b|\b(spot|flood)(lights?)\b|\b(thermo)(stat)\b|\b(bed)(side)\b",
    re.IGNORECASE,
)
_FILLERS = {
    "en": ("uh", "um", "hey", "so", "okay", "uhm", "well", "hi", "er", "please", "yeah", "like", "you know"),
    "de": ("äh", "ähm", "hey", "also", "bitte", "ja", "so", "mal"),
    "fr": ("euh", "hé", "alors", "bon", "ben", "s'il te plaît"),
    "es": ("eh", "oye", "pues", "bueno", "a ver", "este"),
    "pl": ("yyy", "hej", "no", "proszę", "eee", "dobra"),
}
# What a satellite cuts off while it still listens for its wake word.
_CUT = {
    "en": re.compile(
        r"^(?:(?:can|could|would|will) you (?:please )?|please |hey |okay |I (?:want|would like|need) to )"
    ),
    "de": re.compile(r"^(?:(?:kannst|könntest) du (?:bitte )?|bitte )", re.IGNORECASE),
    "fr": re.compile(r"^(?:(?:peux|pourrais)-tu |tu peux |s'il te plaît,? )", re.IGNORECASE),
    "es": re.compile(r"^(?:(?:puedes|podrías) |por favor,? )", re.IGNORECASE),
    "pl": re.compile(r"^(?:(?:czy )?(?:możesz|mógłbyś|mogłabyś) |proszę )", re.IGNORECASE),
}


def spelled(value: int) -> str:
    """Return an English number from 0 to 999 in words."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        rest = value % 10
        return _TENS[value // 10] + (f" {_ONES[rest]}" if rest else "")
    rest = value % 100
    hundred = f"{_ONES[value // 100]} hundred"
    return f"{hundred} {spelled(rest)}" if rest else hundred


def noisy(text: str, rng: random.Random, language: str) -> str:
    """Return a sentence as speech recognition or a hurried thumb would write it; its meaning stays.

    Args:
        text: what the user says.
        rng: the only source of chance.
        language: of the text, as en. Sounds, joined words and numbers in words are English only.
    """
    changes: list[tuple[Change, float]] = [
        (_plain, 3),
        (_typo, 1.5),
        (_doubled, 0.6),
        (lambda said, chance: _filled(said, chance, language), 1.2),
        (lambda said, chance: _cut(said, chance, language), 0.8),
        (_without_apostrophes, 0.8),
    ]
    if language == "en":
        changes += [(_numbers, 2), (_sounds, 1.2), (_joined, 1.2)]
    wanted = rng.choices((1, 2, 3), (5, 3, 1))[0]
    # Most changes find nothing in some sentences.
    for _ in range(4 * wanted):
        change = rng.choices([change for change, _ in changes], [weight for _, weight in changes])[0]
        before, text = text, change(text, rng)
        wanted -= before != text
        if not wanted:
            break
    return text


def _plain(text: str, rng: random.Random) -> str:
    """Lower case without signs, as most recognisers write."""
    text = re.sub(r"(?<!\d)[?!,;]|[?!;]|\.(?!\d)", "", text)
    return text if rng.random() < 0.1 else text.lower()


def _typo(text: str, rng: random.Random) -> str:
    """One letter wrong, missing, doubled or swapped, in a longer word."""
    words = [
        found for found in _WORD.finditer(text) if len(found[0]) > 4 and found[0].lower() not in {*_KEPT, *_NUMBERS}
    ]
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    letter = text[at]
    match rng.randrange(4):
        case 0:
            near = _NEIGHBOURS.get(letter.lower(), letter)
            return text[:at] + rng.choice(near) + text[at + 1 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            return text[:at] + letter + text[at:]
        case _:
            return text[:at] + text[at + 1] + letter + text[at + 2 :]


def _doubled(text: str, rng: random.Random) -> str:
    """A word said twice."""
    kept = {"no", "up", "down", "more", "very", "next", "back", "plus", "minus", "times"} | _NUMBERS
    words = [found for found in _WORD.finditer(text) if found[0].lower() not in kept]
    if not words:
        return text
    word = rng.choice(words)
    return f"{text[: word.end()]} {word[0]}{text[word.end() :]}"


def _filled(text: str, rng: random.Random, language: str) -> str:
    """A filler at the beginning, or between words."""
    filler = rng.choice(_FILLERS.get(language, _FILLERS["en"]))
    words = text.split(" ")
    if rng.random() < 0.7 or len(words) < 4:
        return f"{filler}{rng.choice((' ', ', '))}{text[:1].lower() if not text[:2].isupper() else text[:1]}{text[1:]}"
    at = rng.randrange(1, len(words) - 1)
    return " ".join([*words[:at], filler, *words[at:]])


def _cut(text: str, _: random.Random, language: str) -> str:
    """The beginning lost, where nothing of weight stands in it."""
    pattern = _CUT.get(language)
    return pattern.sub("", text, count=1) if pattern else text


def _without_apostrophes(text: str, _: random.Random) -> str:
    return text.replace("'", "").replace("\u2019", "")


def _numbers(text: str, _: random.Random) -> str:
    """Whole numbers in words."""
    text = re.sub(r"(?<=\d) ?%", " percent", text)
    return _NUMBER.sub(lambda found: spelled(int(found[1])), text)


def _sounds(text: str, rng: random.Random) -> str:
    """One word as another one that sounds so."""
    words = [found for found in _WORD.finditer(text) if found[0].lower() in _SOUNDS]
    if not words:
        return text
    word = rng.choice(words)
    # "of" is read as "off" only behind these.
    if word[0].lower() == "off" and not text[: word.start()].lower().endswith(("turn ", "switch ")):
        return text
    return text[: word.start()] + rng.choice(_SOUNDS[word[0].lower()]) + text[word.end() :]


def _joined(text: str, rng: random.Random) -> str:
    """Words joined, or parted."""
    pattern, gap = (_JOINED, "") if rng.random() < 0.5 else (_SPLIT, " ")
    return pattern.sub(lambda found: gap.join(part for part in found.groups() if part), text)
