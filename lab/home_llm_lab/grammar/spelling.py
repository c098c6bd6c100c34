"""Numbers from 0 to 100 in words."""

from __future__ import annotations

_DE_WORDS = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_DE = _DE_WORDS.split()
_DE_TENS_WORDS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_DE_TENS = _DE_TENS_WORDS.split()
_FR_WORDS = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
)
_FR = _FR_WORDS.split()
_FR_TENS_WORDS = "vingt trente quarante cinquante soixante"
_FR_TENS = _FR_TENS_WORDS.split()
_ES_WORDS = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
)
_ES = _ES_WORDS.split()
_ES_TENS_WORDS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_ES_TENS = _ES_TENS_WORDS.split()
_PL_WORDS = (
    "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście "
    "piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście"
)
_PL = _PL_WORDS.split()
_PL_TENS_WORDS = (
    "dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt dziewięćdziesiąt"
)
_PL_TENS = _PL_TENS_WORDS.split()


def spelled(language: str, number: int) -> str | None:
    """Return a whole number from 0 to 100 in words, or None for others and for languages that are not known here."""
    if not 0 <= number <= 100:
        return None
    match language:
        case "de":
            return _german(number)
        case "fr":
            return _french(number)
        case "es":
            return _spanish(number)
        case "pl":
            return _polish(number)
    return None


def _german(number: int) -> str:
    if number == 100:
        return "hundert"
    if number < 20:
        return _DE[number]
    tens, ones = _DE_TENS[number // 10 - 2], number % 10
    return tens if not ones else f"{'ein' if ones == 1 else _DE[ones]}und{tens}"


def _french(number: int) -> str:
    if number == 100:
        return "cent"
    if number < 20:
        return _FR[number]
    if number >= 80:
        rest = number - 80
        return "quatre-vingts" if not rest else f"quatre-vingt-{_FR[rest]}"
    tens = min(number // 10, 6)
    rest = number - tens * 10
    if not rest:
        return _FR_TENS[tens - 2]
    return f"{_FR_TENS[tens - 2]}{' et ' if rest in (1, 11) else '-'}{_FR[rest]}"


def _spanish(number: int) -> str:
    if number == 100:
        return "cien"
    if number < 30:
        return _ES[number]
    tens, ones = _ES_TENS[number // 10 - 3], number % 10
    return tens if not ones else f"{tens} y {_ES[ones]}"


def _polish(number: int) -> str:
    if number == 100:
        return "sto"
    if number < 20:
        return _PL[number]
    tens, ones = _PL_TENS[number // 10 - 2], number % 10
    return tens if not ones else f"{tens} {_PL[ones]}"
