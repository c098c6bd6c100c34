"""French and Spanish: the first noun decides the gender; du, des, au, l', del, al."""

from __future__ import annotations

import re

from .lexicon import Lexicon, load_lexicon

_ARTICLE = re.compile(
    r"^(?:l['\u2019]|(?:absolument )?(?:le|la|les|el|los|las|toutes les|tous les|todas las|todos los) )", re.IGNORECASE
)
_CONTRACTED = {
    "de le": "du",
    "de les": "des",
    "à le": "au",
    "à les": "aux",
    "de el": "del",
    "a el": "al",
}
_VOWELS = tuple("aeiouyàâäéèêëîïôöûüùœæ")


class _Romance:
    """What French and Spanish have in common."""

    language = ""
    articles: dict[str, str]
    usual = ""

    def __init__(self) -> None:
        """Read the nouns."""
        self._lexicon: Lexicon = load_lexicon(self.language)

    def form(self, form: str, text: str) -> str:
        """Return a noun phrase in a form; without article where the gender is not known."""
        fixed = self._lexicon.fixed.get(text.lower(), {})
        if form in fixed:
            return fixed[form]
        if form == "acc":
            return self.form("the", text)
        if form == "de":
            return self.unknown("of", text)
        if _ARTICLE.match(text):
            return self.unknown(form, text)
        head = None if self._lexicon.thing_of_a_room(text) else self.head(text)
        if head is None:
            return self.unknown(form, text)
        spoken = text[:1].lower() + text[1:] if text.split(maxsplit=1)[0].lower() in head.split() else text
        article = self.articles[self._lexicon.genders[head]]
        if form == "in":
            preposition = self._lexicon.prepositions.get(head, self.usual)
            return self.joined(preposition, article, spoken)
        return self.joined({"of": "de", "to": "à" if self.language == "fr" else "a"}.get(form, ""), article, spoken)

    def gender(self, text: str) -> str | None:
        """Return m, f, p or q of a phrase, by the noun that it begins with."""
        bare = _ARTICLE.sub("", text)
        head = self._lexicon.thing_of_a_room(bare) or self.head(bare)
        return None if head is None else self._lexicon.genders[head]

    def head(self, text: str) -> str | None:
        """Return the noun that a phrase begins with, or begins after one word such as an adjective."""
        words = text.lower().replace("\u2019", "'").split()
        for start in (0, 1):
            if start and (not words or words[0] not in self._lexicon.listed("adjectives")):
                break
            for length in (3, 2, 1):
                phrase = " ".join(words[start : start + length])
                if phrase in self._lexicon.genders:
                    return phrase
        return None

    def unknown(self, form: str, text: str) -> str:
        """Return a phrase of unknown gender."""
        prepositions = {"in": self.usual, "of": "de", "to": "à" if self.language == "fr" else "a"}
        if form not in prepositions:
            return text
        article, _, rest = text.partition(" ")
        contracted = _CONTRACTED.get(f"{prepositions[form]} {article.lower()}")
        return f"{contracted} {rest}" if contracted and rest else f"{prepositions[form]} {text}"

    def joined(self, preposition: str, article: str, spoken: str) -> str:
        """Return preposition, article and phrase, contracted as the language does."""
        raise NotImplementedError


class French(_Romance):
    """Puts French nouns into their forms."""

    language = "fr"
    articles = {"m": "le", "f": "la", "p": "les", "q": "les"}  # noqa: RUF012
    usual = "dans"

    def unknown(self, form: str, text: str) -> str:
        """Return a phrase of unknown gender, with d' before a vowel."""
        if form == "of" and text.lower().startswith(_VOWELS) and not _ARTICLE.match(text):
            return f"d'{text}"
        return super().unknown(form, text)

    def joined(self, preposition: str, article: str, spoken: str) -> str:
        """Return preposition, article and phrase: du salon, de l'entrée, au garage."""
        first = spoken.split(maxsplit=1)[0].lower()
        mute = first.startswith(_VOWELS) or (first.startswith("h") and first not in self._lexicon.listed("aspirated"))
        if article != "les" and mute:
            return f"{preposition} l'{spoken}".strip()
        contracted = _CONTRACTED.get(f"{preposition} {article}")
        return f"{contracted or f'{preposition} {article}'.strip()} {spoken}"


class Spanish(_Romance):
    """Puts Spanish nouns into their forms."""

    language = "es"
    articles = {"m": "el", "f": "la", "p": "los", "q": "las"}  # noqa: RUF012
    usual = "en"

    def joined(self, preposition: str, article: str, spoken: str) -> str:
        """Return preposition, article and phrase: del salón, al salón, en la cocina."""
        contracted = _CONTRACTED.get(f"{preposition} {article}")
        return f"{contracted or f'{preposition} {article}'.strip()} {spoken}"
