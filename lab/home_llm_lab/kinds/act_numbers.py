"""Numbers as people say them: 40 percent, forty percent, half."""

from __future__ import annotations

from home_llm_lab.grammar.spelling import spelled
from home_llm_lab.kinds.registry import Scene

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

# How often the other languages write a decimal comma.
_COMMA = 0.6


def plain(value: float) -> str:
    """Return a number in digits, whole where it is whole."""
    return str(int(value) if value == int(value) else round(value, 1))


def in_words(scene: Scene, value: float) -> str | None:
    """Return a number up to 100, or a half more, in words; None for others; other languages have no halves."""
    if scene.words.book.language != "en":
        return spelled(scene.words.book.language, int(value)) if value == int(value) else None
    if not (value == 0 or 1 <= value <= 100) or value * 2 != int(value * 2):
        return None
    whole = int(value)
    if whole == 100:
        said = scene.rng.choice(("one hundred", "a hundred"))
    elif whole < 20:
        said = _ONES[whole]
    else:
        said = _TENS[whole // 10 - 2]
        if whole % 10:
            said += scene.rng.choice((" ", "-")) + _ONES[whole % 10]
    return said if value == whole else f"{said} {scene.rng.choice(('and a half', 'point five'))}"


def say_number(scene: Scene, group: str, value: float) -> str:
    """Return a number as a group of templates has it, with {n} in digits and {words} in words.

    Groups of single numbers go first every now and then, as percent_50 is "half", and always where there is a singular.
    """
    special = f"{group}_{plain(value)}"
    if special in scene.words.book.groups and (value <= 1 or scene.rng.random() < 0.3):
        return scene.words.answer(special)
    words, digits = in_words(scene, value), plain(value)
    if "." in digits and scene.words.book.language != "en" and scene.rng.random() < _COMMA:
        digits = digits.replace(".", ",")
    values = {"n": digits} if words is None else {"n": digits, "words": words}
    return scene.words.answer(group, **values)
