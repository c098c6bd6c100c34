"""Grammar of the languages in which names change with what is said of them: articles, contractions, cases.

A slot of a template may end in a form, as in `Mach {name_acc} an` or `Wie warm ist es {area_in}?`. The form is made
from the plain value of the slot, so that whoever fills slots needs to know nothing of it:

    the    with its definite article, as a subject: die Küchenlampe, la lampe, la lámpara
    acc    as an object: den Deckenstrahler, lampę
    dat    German dative: dem Deckenstrahler
    of     whose it is: du salon, del salón, kuchni
    to     French and Spanish "to": au salon, al salón
    in     where it is: in der Küche, sur la terrasse, en la cocina, na tarasie
    all    all of them: alle Lampen, toutes les lampes, wszystkie lampy
    is     the verb that agrees with it: ist or sind, est or sont, está or están, jest or są
    which  the question word that agrees with it: welche, quelles, qué, które
    whichacc  the same of an object: welchen, którą
    many   Spanish cuántos, cuántas
    de     French "de" without an article: de lampes, d'interrupteurs
    shall  German sollen as it agrees with it
    end    the ending of a participle that agrees with it: allumé{name_end}, encendid{name_end}, włączon{name_end}

What is not known, such as a brand or a name of a person's own making, stays as it is, without article.

A value may hold a star where its ending agrees with something else: allumé*. The slot `{state_for_name}` is the state
as it agrees with the name; m, f, n, p and q in the place of a slot are genders. In a plain slot the star is m.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping

from .german import German
from .polish import Polish
from .romance import French, Spanish

__all__ = ["FORMS", "bases", "fill_forms", "form_of", "in_form"]

FORMS = ("the", "acc", "dat", "of", "to", "in", "all", "is", "end", "which", "whichacc", "many", "shall", "de")

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
    "pl": {"m": "y", "f": "a", "n": "e", "p": "e", "q": "e"},
}
_ALL = {
    "de": {"": "alle "},
    "es": {"q": "todas las ", "f": "todas las ", "": "todos los "},
    "fr": {"q": "toutes les ", "f": "toutes les ", "": "tous les "},
    "pl": {"": "wszystkie "},
}
_WHICH = {
    "de": {"m": "welcher", "f": "welche", "n": "welches", "p": "welche"},
    "es": {"": "qué"},
    "fr": {"m": "quel", "f": "quelle", "p": "quels", "q": "quelles"},
    "pl": {"m": "który", "f": "która", "n": "które", "p": "które"},
}
_WHICH_ACC = {
    **_WHICH,
    "de": {"m": "welchen", "f": "welche", "n": "welches", "p": "welche"},
    "pl": {"m": "który", "f": "którą", "n": "które", "p": "które"},
}
_MANY = {"es": {"q": "cuántas", "f": "cuánta", "m": "cuánto", "": "cuántos"}}
_SHALL = {"de": {"p": "sollen", "": "soll"}}
_TABLES = {"is": _IS, "end": _ENDINGS, "which": _WHICH, "whichacc": _WHICH_ACC, "shall": _SHALL, "many": _MANY}
_AND = {"de": " und ", "es": " y ", "fr": " et ", "pl": " i "}
_COMMON = frozenset(
    ("alle", "sämtliche", "wirklich", "die", "tous", "toutes", "absolument", "todos", "todas", "wszystkie")
)
_AGREES = re.compile(r"(\w+)_for_(\w+)")
_STAR = "*"


class _English:
    """English needs no forms: its templates write articles and prepositions themselves."""

    def form(self, _form: str, text: str) -> str:
        """Return the text as it is."""
        return text

    def gender(self, _text: str) -> str | None:
        """Return None: English nouns have none."""
        return None


_LANGUAGES: dict[str, Callable[[], German | French | Spanish | Polish | _English]] = {
    "de": German,
    "en": _English,
    "es": Spanish,
    "fr": French,
    "pl": Polish,
}


def form_of(slot: str) -> tuple[str, str | None]:
    """Return the plain name of a slot and the form that is asked for, as of `name_acc`, or None."""
    if agrees := _AGREES.fullmatch(slot):
        return agrees[1], f"for_{agrees[2]}"
    plain, _, form = slot.rpartition("_")
    return (plain, form) if plain and form in FORMS else (slot, None)


def bases(slot: str) -> frozenset[str]:
    """Return the plain slots that a slot with a form is made of."""
    plain, form = form_of(slot)
    other = (form or "").removeprefix("for_") if form and form.startswith("for_") else ""
    return frozenset({plain, other} if len(other) > 1 else {plain})


@functools.cache
def in_form(language: str, form: str, text: str) -> str:
    """Return a noun phrase in a form, or what agrees with it; what the language does not have of it stays plain."""
    grammar = _grammar(language)
    parts = _parts(language, text)
    if len(parts) > 1:
        if form in _TABLES:
            return _by_gender(_TABLES[form], language, "p")
        said = [in_form(language, form, part) for part in parts]
        return f"{', '.join(said[:-1])}{_AND[language]}{said[-1]}"
    if form in _TABLES:
        return _by_gender(_TABLES[form], language, grammar.gender(text))
    if form == "all":
        return f"{_by_gender(_ALL, language, grammar.gender(text))}{text}"
    return grammar.form(form, text)


def _parts(language: str, text: str) -> list[str]:
    """Return what an enumeration consists of; what all of them have in common stands before it and keeps it whole."""
    first, _, last = text.rpartition(_AND.get(language, "\n"))
    if not first or text.split(maxsplit=1)[0].casefold() in _COMMON:
        return [text]
    return [*first.split(", "), last]


def fill_forms(language: str, wanted: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of slots with those forms of them that are wanted."""
    filled = {
        slot: value.replace(_STAR, _ending(language, "m")) if language != "en" else value
        for slot, value in values.items()
    }
    for slot in wanted:
        plain, form = form_of(slot)
        if slot in filled or form is None or plain not in values:
            continue
        if not form.startswith("for_"):
            filled[slot] = in_form(language, form, values[plain])
            continue
        other = form.removeprefix("for_")
        if len(other) == 1 or other in values:
            gender = other if len(other) == 1 else _grammar(language).gender(values[other])
            filled[slot] = values[plain].replace(_STAR, _ending(language, gender))
    return filled


def _ending(language: str, gender: str | None) -> str:
    return _by_gender(_ENDINGS, language, gender)


def _by_gender(table: Mapping[str, Mapping[str, str]], language: str, gender: str | None) -> str:
    forms = table.get(language, {})
    return forms.get(gender or "m", forms.get("", ""))


@functools.cache
def _grammar(language: str) -> German | French | Spanish | Polish | _English:
    return _LANGUAGES.get(language, _English)()
