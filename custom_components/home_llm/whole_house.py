"""What stands for the whole house in calls and in speech. Free of Home Assistant."""

from __future__ import annotations

from .service_types import ALL, Group
from .wording import language_of

# How it is spoken of, and what else people call it.
_NAMES: dict[str, tuple[str, ...]] = {
    "en": ("the whole house", "house", "apartment", "flat", "everywhere"),
    "de": ("das ganze Haus", "Haus", "Wohnung", "überall"),
    "es": ("toda la casa", "casa", "piso", "apartamento", "todas partes"),
    "fr": ("toute la maison", "maison", "appartement", "partout"),
    "pl": ("cały dom", "domu", "mieszkanie", "mieszkaniu", "wszędzie"),
}


def whole_house(language: str | None) -> Group:
    """Return the whole house as a group, with the names that it has in a language; in English where it is not ours."""
    return Group(ALL, _NAMES[language_of(language) or "en"])
