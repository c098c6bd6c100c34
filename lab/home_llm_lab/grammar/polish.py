"""Polish: no articles, but cases; the first noun and the adjectives that go with it change."""

from __future__ import annotations

from .lexicon import load_lexicon

# What adjectives end in: others behind a noun, as in Pokój dzieci, say whose it is and stay.
_ADJECTIVE_ENDINGS = "na wa ska cka ca ła ża ny wy ski cki cy ły ży czy szy ne we skie ckie ce łe że"
_ADJECTIVES = tuple(_ADJECTIVE_ENDINGS.split())


class Polish:
    """Puts Polish nouns into their cases."""

    def __init__(self) -> None:
        """Read the nouns."""
        self._lexicon = load_lexicon("pl")

    def form(self, form: str, text: str) -> str:
        """Return a phrase in a case: acc, of (genitive), in (locative with its preposition)."""
        fixed = self._lexicon.fixed.get(text.lower(), {})
        if form in fixed:
            return fixed[form]
        first, _, rest = text.partition(" ")
        if first.lower() == "wszystkie" and rest:
            return f"wszystkich {self.form('of', rest)}" if form == "of" else text
        if self._lexicon.thing_of_a_room(text):
            return text
        words = text.split()
        before = self._adjectives_before(words)
        if before:
            # Mała lampka: the adjective goes with the noun behind it.
            noun_gender = self._lexicon.genders[words[before].lower()]
            case = "in" if form == "dat" else form
            kept = form not in ("acc", "of", "in", "dat")
            said = [word.lower() if kept else _adjective(word.lower(), noun_gender, case) for word in words[:before]]
            rest = self.form("the" if kept else form, " ".join(words[before:]))
            preposition, _, tail = rest.partition(" ") if form == "in" else ("", "", rest)
            return " ".join(filter(None, (preposition, *said, tail)))
        gender = self._lexicon.genders.get(words[0].lower()) if words else None
        if gender is None:
            return f"w {text}" if form == "in" else text
        if form not in ("acc", "of", "in", "dat"):
            return f"{words[0].lower()} {' '.join(words[1:])}".strip()
        case = "in" if form == "dat" else form
        noun = words[0].lower()
        said = [self._noun(noun, gender, case)]
        adjectives = True
        for word in words[1:]:
            adjectives = adjectives and word[:1].islower() and word.endswith(_ADJECTIVES) and len(word) > 3
            said.append(_adjective(word, gender, case) if adjectives else word)
        phrase = " ".join(said)
        return f"{self._lexicon.prepositions.get(noun, 'w')} {phrase}" if form == "in" else phrase

    def gender(self, text: str) -> str | None:
        """Return m, f, n or p of a phrase, by its first word."""
        words = text.lower().removeprefix("wszystkie ").split()
        if thing := self._lexicon.thing_of_a_room(text):
            return self._lexicon.genders[thing]
        return self._lexicon.genders.get(words[self._adjectives_before(words)]) if words else None

    def _adjectives_before(self, words: list[str]) -> int:
        """Return how many adjectives stand before the noun of a phrase, 0 where it begins with a noun."""
        known = self._lexicon.genders
        if len(words) > 1 and words[0].lower() not in known and words[1].lower() in known:
            return int(words[0][-1:] in "yiae")
        return 0

    def _noun(self, noun: str, gender: str, case: str) -> str:
        forms = self._lexicon.fixed.get(noun, {})
        bare = {"acc": "acc", "of": "of", "in": "loc"}[case]
        if bare in forms:
            return forms[bare]
        if case == "acc":
            return f"{noun[:-1]}ę" if gender == "f" and noun.endswith("a") else noun
        if case == "of" and noun.endswith("a"):
            stem = noun[:-1]
            return f"{stem}i" if stem.endswith(("k", "g", "l", "j")) else stem if stem.endswith("i") else f"{stem}y"
        if case == "of" and noun.endswith("o"):
            return f"{noun[:-1]}a"
        return noun


def _adjective(word: str, gender: str, case: str) -> str:
    """Return an adjective that agrees with a noun."""
    stem = word[:-1]
    if word.endswith("a") and gender == "f":
        return f"{stem}ą" if case == "acc" else f"{stem}{'iej' if stem.endswith(('k', 'g')) else 'ej'}"
    if word.endswith(("y", "i")) and gender == "m":
        if case == "acc":
            return word
        soft = word.endswith("i")
        return f"{stem}{'iego' if soft else 'ego'}" if case == "of" else f"{word}m"
    if word.endswith("e") and gender == "n":
        if case == "acc":
            return word
        return f"{stem}ego" if case == "of" else f"{stem}{'' if stem.endswith('i') else 'y'}m"
    if word.endswith("e") and gender == "p" and case != "acc":
        return f"{stem}{'ch' if stem.endswith('i') else 'ych'}"
    return word
