"""Whether a sentence says the same as another one: its numbers, states, names, and whether it is yes or no."""

from __future__ import annotations

import re
import unicodedata

from .facts import Facts, names_in

_NUMBER = re.compile(r"-?\d+(?:[.,:]\d+)?")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")

# States as the languages say them, those of one meaning between two commas.
_STATES = """
on an eingeschaltet encendido encendida encendidos encendidas
allumé allumée allumés allumées włączony włączona włączone,
off aus ausgeschaltet apagado apagada apagados apagadas éteint éteinte éteints éteintes wyłączony wyłączona wyłączone,
open opened offen geöffnet abierto abierta abiertos abiertas ouvert ouverte ouverts ouvertes otwarty otwarta otwarte,
closed shut geschlossen cerrado cerrada cerrados cerradas fermé fermée fermés fermées zamknięty zamknięta zamknięte,
locked abgeschlossen verriegelt bloqueado bloqueada verrouillé verrouillée zaryglowany zaryglowana zaryglowane,
unlocked aufgeschlossen entriegelt desbloqueado desbloqueada déverrouillé déverrouillée odryglowany odryglowana,
playing spielt läuft reproduciendo lecture gra odtwarza,
paused pausiert pausa pause wstrzymany wstrzymana wstrzymane,
idle untätig inactivo inactif bezczynny,
cleaning reinigt saugt limpiando nettoie aspire sprząta,
docked ladestation dock base station dokuje stacji,
home zuhause casa maison domu,
away abwesend fuera absent absente poza,
armed scharf armado armada armé armée uzbrojony uzbrojona,
disarmed unscharf desarmado desarmada désarmé désarmée rozbrojony rozbrojona,
wet nass mojado mouillé mokro,
dry trocken seco sec sucho,
heating heat heizt heizen calefacción calentando chauffe chauffage grzeje grzanie,
cooling cool kühlt kühlen enfriando refroidit chłodzi chłodzenie,
motion bewegung movimiento mouvement ruch,
unavailable unreachable nichterreichbar nodisponible indisponible niedostępny niedostępna
"""
_STATE_OF = {word: number for number, words in enumerate(_STATES.split(",")) for word in words.split()}

_YES = frozenset(("yes", "ja", "sí", "si", "oui", "tak", "yeah", "aye"))
_NO = frozenset(("no", "nein", "non", "nie", "nay"))
_DENIAL_WORDS = """
no not none nothing cannot can't don't doesn't isn't aren't couldn't unable never without nein nicht kein
keine keinen keinem keiner nichts non ne n'est n'y pas aucun aucune rien impossible ninguno ninguna
ningún nada nie nay brak żadnego żadnej
"""
_DENIALS = frozenset(_DENIAL_WORDS.split())


def normal(text: str) -> str:
    """Return a text without case, punctuation and accents that matter to nobody."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'").replace("\u2212", "-")
    return " ".join(re.sub(r"[.!?,;:\"()\u201e\u201c\u201d\u00ab\u00bb](?=\s|$)", " ", text).split())


def same_answer(answer: str, expected: str, facts: Facts) -> bool:
    """Return whether an answer tells the same as the expected one.

    Either word for word, or in other words with the same numbers, states, yes or no, and devices.
    """
    if normal(answer) == normal(expected):
        return True
    if not answer.strip():
        return False
    return _told(answer, facts) == _told(expected, facts) and names_in(expected, facts) <= names_in(answer, facts) | (
        _only_one(expected, facts)
    )


def holds(answer: str, text: str) -> bool:
    """Return whether an answer contains some text as words of their own; `a|b` is either."""
    plain = normal(answer)
    return any(
        re.search(rf"(?<![\w.,]){re.escape(normal(option))}(?![\w])", plain) is not None for option in text.split("|")
    )


def denies(answer: str) -> bool:
    """Return whether an answer says that something is not so, not there or not possible."""
    return any(word in _DENIALS for word in _words(answer))


def asks(answer: str) -> bool:
    """Return whether an answer asks something back."""
    return "?" in answer


def _told(text: str, facts: Facts) -> tuple[object, ...]:
    words = _words(text)
    # The numbers in names are not told.
    plain = text
    for device in facts.devices.values():
        for name in device.names:
            if any(sign.isdigit() for sign in name):
                plain = re.sub(re.escape(name), " ", plain, flags=re.IGNORECASE)
    numbers = {float(found.replace(",", ".")) if ":" not in found else found for found in _NUMBER.findall(plain)}
    states = {_STATE_OF[word] for word in _words(_without_names(text, facts)) if word in _STATE_OF}
    first = words[0] if words else ""
    verdict = "yes" if first in _YES else "no" if first in _NO else ""
    negated = bool(set(words[1:] if verdict else words) & _DENIALS)
    return frozenset(numbers), frozenset(states), verdict, negated


def _without_names(text: str, facts: Facts) -> str:
    for name in sorted((name for device in facts.devices.values() for name in device.names), key=len, reverse=True):
        if name:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text, flags=re.IGNORECASE)
    return text


def _only_one(expected: str, facts: Facts) -> set[str]:
    """Return the device that an answer is about where it is about one: it need not be named again."""
    named = names_in(expected, facts)
    return named if len(named) == 1 else set()


def _words(text: str) -> list[str]:
    return [word.replace("\u2019", "'") for word in _WORD.findall(text.casefold())]
