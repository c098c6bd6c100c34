"""The sentences of ours that end a prompt, in five languages. Free of Home Assistant."""

from __future__ import annotations

from datetime import datetime

_HERE = {
    "en": "The user is in this area: {area}.",
    "de": "Der Benutzer ist in diesem Bereich: {area}.",
    "es": "El usuario está en esta área: {area}.",
    "fr": "L'utilisateur est dans cette zone : {area}.",
    "pl": "Użytkownik jest w tym obszarze: {area}.",
}
_NOW = {
    "en": "It is {weekday}, {date}, {time}.",
    "de": "Es ist {weekday}, {date}, {time} Uhr.",
    "es": "Es {weekday}, {date}, {time}.",
    "fr": "Nous sommes {weekday}, {date}, {time}.",
    "pl": "Jest {weekday}, {date}, {time}.",
}
_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "pl": ("poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"),
}


def here(language: str, area: str) -> str:
    """Return where the user is."""
    return _HERE[language].format(area=area)


def now(language: str, moment: datetime) -> str:
    """Return what time it is, to the minute."""
    weekday = _WEEKDAYS[language][moment.weekday()]
    return _NOW[language].format(weekday=weekday, date=moment.strftime("%Y-%m-%d"), time=moment.strftime("%H:%M"))
