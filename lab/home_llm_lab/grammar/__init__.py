"""Grammar of the languages in which names change with what is said of them: articles, contractions, cases.

A slot of a template may end in a form, as in `Mach {name_acc} an` or `Wie warm ist es {area_in}?`. The form is made
from the plain value of the slot, so that whoever fills slots needs to know nothing of it:

    the    with its definite article, as a subject: die Küchenlampe, la lampe, la lámpara
    acc    as an object: den Deckenstrahler, lampę
    dat    German dative: dem Deckenstrahler
    of     whose it is: du salon, del salón, kuchni
    to     French and Spanish "to": au salon, al salón
    in     where it is: in der Küche, sur la terrasse, en la cocina, na tarasie
    is     the verb that agrees with it: ist or sind, est or sont, está or están, jest or są
    end    the ending of a participle that agrees with it: allumé{name_end}, encendid{name_end}, włączon{name_end}

What is not known, such as a brand or a name of a person's own making, stays as it is, without article.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

from .german import German
from .polish import Polish
from .romance import French, Spanish

__all__ = ["FORMS", "fill_forms", "form_of", "in_form"]

FORMS = ("the", "acc", "dat", "of", "to", "in", "is", "end")

# By language and gender; p is a plural, q a feminine one. What is not known counts as m.
_IS = {
    "de": {"p": "sind", "": "ist"},
    "es": {"p": "están", "q": "están", "": "está"},
    "fr": {"p": "sont", "q": "sont", "": "est"},
    "pl": {"p": "są", "": "jest"},
}
_ENDINGS = {
    "es": {"m": "o", "f": "a", "p": "os", "q": "as"},
    "fr": {"m": "", "f": "e", "p": "s", "q": "es"},
    "pl": {"m": "y", "f": "a", "n": "e", "p": "e"},
}


class _English:
    """English needs no forms: its templates write articles and prepositions themselves."""

    def form(self, _form: str, text: str) -> str:
        """Return the text as it is."""
        return text

    def gender(self, _text: str) -> None:
        """Return None: English nouns have none."""


_LANGUAGES: dict[str, Callable[[], German | French | Spanish | Polish | _English]] = {
    "de": German,
    "en": _English,
    "es": Spanish,
    "fr": French,
    "pl": Polish,
}


def form_of(slot: str) -> tuple[str, str | None]:
    """Return the plain name of a slot and the form that is asked for, as of `name_acc`, or None."""
    plain, _, form = slot.rpartition("_")
    return (plain, form) if plain and form in FORMS else (slot, None)


@functools.cache
def in_form(language: str, form: str, text: str) -> str:
    """Return a noun phrase in a form, or what agrees with it; what the language does not have of it stays plain."""
    grammar = _grammar(language)
    if form in ("is", "end"):
        gender = grammar.gender(text) or "m"
        table = (_IS if form == "is" else _ENDINGS).get(language, {})
        return table.get(gender, table.get("", ""))
    return grammar.form(form, text)


def fill_forms(language: str, wanted: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of slots with those forms of them that are wanted."""
    filled = dict(values)
    for slot in wanted:
        plain, form = form_of(slot)
        if slot not in filled and form is not None and plain in values:
            filled[slot] = in_form(language, form, values[plain])
    return filled


@functools.cache
def _grammar(language: str) -> German | French | Spanish | Polish | _English:
    return _LANGUAGES.get(language, _English)()
