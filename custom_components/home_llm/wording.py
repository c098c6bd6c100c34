"""Words of the five languages, as far as the integration itself has to understand them.

Free of Home Assistant. Words are compared without case, accents and punctuation; see `words`.
"""

from __future__ import annotations

import re
import unicodedata

# Letters that do not come apart into a base letter and an accent.
_FOLDED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe"})
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """Return a text without case and accents."""
    text = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in text if not unicodedata.combining(char)).translate(_FOLDED)


def words(text: str) -> list[str]:
    """Return the words of a text, without case, accents and punctuation."""
    # What is left out in speech does not part a word: don't, l'entree.
    return _WORD.findall(fold(text).replace("\u2019", "'").replace("'", " "))


def _set(text: str) -> frozenset[str]:
    return frozenset(words(text))


# Said of a question that was asked: all of it must be of these, or of the question.
YES: dict[str, frozenset[str]] = {
    "en": _set("yes yeah yep yup yah aye sure ok okay affirmative absolutely definitely correct exactly certainly"),
    "de": _set("ja jap jep jo joa jawohl klar okay ok sicher natürlich genau gerne unbedingt richtig stimmt"),
    "es": _set("sí si claro vale ok okay correcto exacto adelante afirmativo seguro hazlo dale"),
    "fr": _set("oui ouais ok okay volontiers exactement certainement absolument correct parfait"),
    "pl": _set("tak ok okej jasne pewnie oczywiście owszem zgoda dobrze dobra dokładnie potwierdzam"),
}
# Several words that mean it together.
YES_PHRASES: dict[str, tuple[str, ...]] = {
    "en": ("go ahead", "do it", "do that", "of course", "go for it", "that one", "please do", "uh huh", "mm hmm"),
    "de": ("mach das", "mach es", "mach mal", "tu das", "tu es", "auf jeden fall", "na klar", "leg los"),
    "es": ("por supuesto", "de acuerdo", "está bien", "eso es", "desde luego"),
    "fr": ("d'accord", "bien sûr", "vas-y", "allez-y", "fais-le", "faites-le", "tout à fait", "c'est ça", "mais oui"),
    "pl": ("zrób to", "no tak", "no jasne", "dalej", "proszę bardzo", "w porządku"),
}
# One of these anywhere, and it is not done.
NO: dict[str, frozenset[str]] = {
    "en": _set("no nope nah not don never cancel stop abort negative wrong wait leave forget"),
    "de": _set(
        "nein nee ne nö nicht niemals stopp stop abbrechen abbruch falsch warte lass vergiss halt doch kein keine"
    ),
    "es": _set("no nunca cancela cancelar para espera déjalo olvídalo negativo ninguna ninguno tampoco"),
    "fr": _set("non nan pas jamais annule annuler arrête stop attends laisse oublie surtout aucun aucune"),
    "pl": _set("nie anuluj stop przestań czekaj zostaw zapomnij nigdy źle"),
}
# What says nothing by itself.
_POLITE: dict[str, frozenset[str]] = {
    "en": _set("please thanks thank you the it that then now and just a i t s said mean do"),
    "de": _set("bitte danke schön das die der den es dann jetzt und mal doch ich meine meinte"),
    "es": _set("por favor gracias el la los las lo eso ahora y ya pues me refiero"),
    "fr": _set("s'il vous te plaît merci le la les l ça maintenant et alors je veux dire"),
    "pl": _set("proszę dziękuję dzięki to teraz i no już ten tę tą ta"),
}

_PLAIN_NO = frozenset({"no", "nein", "non", "nie"})
# A refusal of so many words may hold any others.
_SHORT = 3


def language_of(language: str | None) -> str | None:
    """Return which of the five languages this is, or None."""
    code = (language or "").partition("-")[0].partition("_")[0].casefold()
    return code if code in YES else None


def understand(said: str, language: str | None, question: str) -> bool | None:
    """Return whether somebody said yes or no to a question, or None for anything else.

    A yes has to be nothing but a yes: politeness and words of the question may stand with it. Everything else is
    another command, and then nothing is done.
    """
    code = language_of(language)
    spoken = words(said)
    codes = [code] if code else list(YES)
    no = frozenset[str]().union(*(NO[item] for item in codes))
    yes = frozenset[str]().union(*(YES[item] for item in codes))
    polite = frozenset[str]().union(*(_POLITE[item] for item in codes))
    phrases = [words(phrase) for item in codes for phrase in YES_PHRASES[item]]
    asked = frozenset(words(question))
    rest, agreed = _without(spoken, phrases)
    # A word of refusal may be in the name of a device, but the plainest ones are never taken for that.
    if any(word in no for word in rest if word not in asked or word in _PLAIN_NO):
        return False if len(spoken) <= _SHORT or all(word in no | yes | polite | asked for word in rest) else None
    if not agreed and not any(word in yes for word in rest):
        return None
    return True if all(word in yes | polite | asked for word in rest) else None


def _without(spoken: list[str], phrases: list[list[str]]) -> tuple[list[str], bool]:
    """Return the words that are left when phrases are taken out, and whether one was."""
    found = False
    for phrase in phrases:
        for start in range(len(spoken) - len(phrase) + 1):
            if spoken[start : start + len(phrase)] == phrase:
                spoken = spoken[:start] + spoken[start + len(phrase) :]
                found = True
                break
    return spoken, found
