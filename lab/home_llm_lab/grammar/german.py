"""German: three genders by the last part of compounds, four articles, im and am and vom."""

from __future__ import annotations

from .lexicon import load_lexicon

_ARTICLES = {
    "the": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "acc": {"m": "den", "f": "die", "n": "das", "p": "die"},
    "dat": {"m": "dem", "f": "der", "n": "dem", "p": "den"},
}
_CONTRACTED = {"in dem": "im", "an dem": "am", "von dem": "vom", "bei dem": "beim", "zu dem": "zum", "zu der": "zur"}
# What stands before a noun in the place of an article, with its dative.
_DETERMINERS = {
    "alle": "allen",
    "sämtliche": "sämtlichen",
    "beide": "beiden",
    "die": "den",
    "der": "der",
    "das": "dem",
    "den": "den",
    "dem": "dem",
    "alles": "allem",
    "dieses": "diesem",
    "dieser": "diesem",
    "diese": "diesen",
    "wirklich": "wirklich",
    "mein": "meinem",
    "meine": "meiner",
}
_ADJECTIVE_ENDINGS = ("er", "es", "en", "em", "e")


class German:
    """Puts German nouns into their forms."""

    def __init__(self) -> None:
        """Read the nouns."""
        self._lexicon = load_lexicon("de")
        self._adjectives = self._lexicon.listed("adjectives")
        self._people = frozenset(name.lower() for name in self._lexicon.people)
        self._stops = self._lexicon.listed("stops")

    def form(self, form: str, text: str) -> str:
        """Return a noun phrase in a form; without article where the gender is not known."""
        fixed = self._lexicon.fixed.get(text.lower(), {})
        if form in fixed:
            return fixed[form]
        if form == "in":
            return self._joined(self._preposition(text), text)
        if form == "of":
            return self._joined("von", text)
        if form == "to":
            return self._joined("zu", text)
        return self._with_article(form, text)

    def gender(self, text: str) -> str | None:
        """Return m, f, n or p of a phrase, by the first of its words that is a noun, rooms coming last."""
        words = text.replace("-", " ").split()
        head = []
        for word in words:
            if word.lower() in self._stops:
                break
            if word.lower() in _DETERMINERS:
                continue
            head.append(word.lower().strip(".,"))
        if not head or self._is_owner(words[0]):
            return None
        found = [self._noun(word) for word in head]
        things = [noun for noun in found if noun and noun not in self._lexicon.listed("rooms")]
        rooms = [noun for noun in found if noun]
        # A whole word that is a thing names it, wherever it stands: Licht Küche, Küche Licht.
        chosen = things or rooms
        return self._lexicon.genders[chosen[0]] if chosen else None

    def _noun(self, word: str) -> str | None:
        """Return the longest known noun that a compound ends in."""
        return next((word[at:] for at in range(len(word)) if word[at:] in self._lexicon.genders), None)

    def _is_owner(self, word: str) -> bool:
        """Return whether a phrase begins with whose it is: Lenas Lampe needs no article."""
        name = word.rstrip("\u2019'").lower()
        return name in self._people or name.removesuffix("s") in self._people

    def _with_article(self, case: str, text: str) -> str:
        first, _, rest = text.partition(" ")
        if first.lower() in _DETERMINERS:
            if first.lower() == "wirklich":
                return f"{first} {self._with_article(case, rest)}"
            if first.lower() in ("der", "die", "das"):
                return self._again(case, first.lower(), rest)
            return f"{_DETERMINERS[first.lower()]} {rest}" if case == "dat" else text
        gender = self.gender(text)
        if gender is None:
            return text
        words = text.split()
        while_adjectives = True
        for index, word in enumerate(words):
            stem = self._stem(word)
            if not (while_adjectives and stem):
                while_adjectives = False
                continue
            plain = (case == "the" and gender != "p") or (case == "acc" and gender in ("f", "n"))
            ended = f"{stem}{'e' if plain else 'en'}"
            words[index] = ended.lower()
        if case == "dat" and gender == "p":
            words = [self._plural_dative(word) for word in words]
        return f"{_ARTICLES[case][gender]} {' '.join(words)}"

    def _again(self, case: str, article: str, rest: str) -> str:
        """Return a phrase that has its article of a subject already: die Küche, die Lautsprecher, der Keller."""
        if case == "dat":
            singular = article != "die" or self.gender(rest) == "f"
            plural = " ".join(self._plural_dative(word) for word in rest.split())
            return f"{'dem' if article != 'die' else 'der'} {rest}" if singular else f"den {plural}"
        return f"den {rest}" if case == "acc" and article == "der" else f"{article} {rest}"

    def _plural_dative(self, word: str) -> str:
        noun = self._noun(word.lower())
        plural = noun is not None and self._lexicon.genders[noun] == "p"
        return f"{word}n" if plural and not word.endswith(("n", "s")) else word

    def _stem(self, word: str) -> str | None:
        """Return the stem of a known adjective: kleine, kleiner and kleines are klein."""
        for ending in _ADJECTIVE_ENDINGS:
            if word.lower().endswith(ending) and word.lower().removesuffix(ending) in self._adjectives:
                return word.removesuffix(ending)
        return None

    def _preposition(self, text: str) -> str:
        words = text.lower().replace("-", " ").split()
        for word in words:
            for at in range(len(word)):
                if word[at:] in self._lexicon.prepositions:
                    return self._lexicon.prepositions[word[at:]]
        return "in"

    def _joined(self, preposition: str, text: str) -> str:
        """Return a preposition before a phrase in the dative, as one word where German contracts them."""
        phrase = self._with_article("dat", text)
        article, _, rest = phrase.partition(" ")
        contracted = _CONTRACTED.get(f"{preposition} {article}")
        return f"{contracted} {rest}" if contracted and phrase != text else f"{preposition} {phrase}"
