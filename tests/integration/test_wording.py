"""What the integration itself understands: yes, no, and everything else."""

from __future__ import annotations

import pytest

from custom_components.home_llm.wording import understand, words

QUESTIONS = {
    "en": "Shall I unlock the Front Door?",
    "de": "Soll ich Haustür aufschließen?",
    "es": "¿Desbloqueo Puerta principal?",
    "fr": "Dois-je déverrouiller Porte d\u2019entrée ?",
    "pl": "Czy mam odblokować Drzwi wejściowe?",
}
YES = [
    ("en", "yes"),
    ("en", "Yes."),
    ("en", "Yeah!"),
    ("en", "yep, go ahead"),
    ("en", "sure, please do"),
    ("en", "OK"),
    ("en", "yes unlock the front door"),
    ("en", "yes please, thank you"),
    ("en", "do it"),
    ("en-GB", "of course"),
    ("de", "Ja."),
    ("de", "ja bitte"),
    ("de", "Na klar, mach das"),
    ("de", "jawohl"),
    ("de-CH", "ja, die Haustür aufschließen"),
    ("es", "Sí."),
    ("es", "sí, por favor"),
    ("es", "claro"),
    ("es", "de acuerdo"),
    ("fr", "Oui."),
    ("fr", "oui, vas-y"),
    ("fr", "d\u2019accord"),
    ("fr", "bien sûr"),
    ("pl", "Tak."),
    ("pl", "tak, proszę"),
    ("pl", "no tak"),
    ("pl", "jasne"),
    ("it", "ok"),
]
NO = [
    ("en", "no"),
    ("en", "No, thanks."),
    ("en", "don't"),
    ("en", "better not"),
    ("en", "yes, no, wait"),
    ("en", "stop"),
    ("de", "nein"),
    ("de", "Nein, lieber nicht!"),
    ("de", "mach das nicht"),
    ("es", "no"),
    ("es", "no, gracias"),
    ("fr", "non merci"),
    ("fr", "surtout pas"),
    ("pl", "nie"),
    ("pl", "nie, dziękuję"),
]
OTHER = [
    ("en", "turn on the kitchen light"),
    ("en", "yes and turn on the kitchen light"),
    ("en", "unlock the front door"),
    ("en", "yes unlock the back gate"),
    ("en", "what is a yes man?"),
    ("en", "no turn on the light in the hall"),
    ("en", "yesterday"),
    ("en", ""),
    ("de", "wie spät ist es?"),
    ("de", "ja und das Licht aus"),
    ("fr", "ouvre la fenêtre"),
    ("es", "enciende la luz"),
    ("pl", "włącz światło"),
]


@pytest.mark.parametrize(("language", "said"), YES)
def test_yes(language: str, said: str) -> None:
    """A yes is a yes, with politeness and with words of the question."""
    assert understand(said, language, QUESTIONS.get(language[:2], QUESTIONS["en"])) is True


@pytest.mark.parametrize(("language", "said"), NO)
def test_no(language: str, said: str) -> None:
    """A no is a no, also beside a yes."""
    assert understand(said, language, QUESTIONS[language]) is False


@pytest.mark.parametrize(("language", "said"), OTHER)
def test_anything_else(language: str, said: str) -> None:
    """Another command is neither, whatever word it begins with."""
    assert understand(said, language, QUESTIONS[language]) is None


def test_a_name_with_a_no_in_it() -> None:
    """The plainest words of refusal are never taken for a part of a name."""
    question = "Shall I unlock the Never No Door?"
    assert understand("no", "en", question) is False
    assert understand("yes, the never door", "en", question) is True


def test_words() -> None:
    """Case, accents, apostrophes and punctuation do not matter."""
    assert words("L\u2019Entrée — Lampka ŚWIATŁO, 2!") == ["l", "entree", "lampka", "swiatlo", "2"]
