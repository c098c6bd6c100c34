"""Sentences from the templates of Home Assistant's own matcher: drawn, put into their forms, and read back.

Nothing of the templates is kept here: they come with the packages hassil and home-assistant-intents, which Home
Assistant needs anyway. Drawn as they are, most sentences are nonsense, since templates are written to be recognised,
not to be said: so articles and prepositions are those of our grammar, and only what the matcher reads back as it was
meant, in the house as it is, is used.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from home_llm_lab.grammar import in_form
from home_llm_lab.house import House
from home_llm_lab.phrases.template import template_key

# What is read back may be any of these.
INTENTS = (
    "HassTurnOn",
    "HassTurnOff",
    "HassLightSet",
    "HassClimateSetTemperature",
    "HassSetPosition",
    "HassMediaPause",
    "HassMediaUnpause",
    "HassMediaNext",
    "HassSetVolume",
    "HassVacuumStart",
    "HassVacuumReturnToBase",
)
_NAME, _AREA = "\x01", "\x02"
_DEEPEST = 30
_HELD_OUT, _FEW = 8, 4
# Lists of numbers, by the values that fill them.
_NUMBERS = frozenset({"brightness", "temperature", "position", "volume", "volume_level"})
# Templates that call a device by a noun behind its name: "the kitchen lamp light".
_DOUBLED = re.compile(r"<(?:light|lights|licht\w*|luces|luz|lumi\w*|swiatl\w*)>")
# Templates that name a place and no lamps: what they mean hangs on more than is said.
_LIT = re.compile(r"light|lamp|bulb|licht|leucht|luz|luces|lumi|swiat|świat", re.IGNORECASE)
# What could mean "by so much" in Spanish, where only "to so much" is meant.
_STEP = re.compile(r"\b(?:decrement|increment|aument|disminu|reduc|sub|baj)", re.IGNORECASE)
# What stands before a name and a place in the templates, and is put there anew.
_BEFORE = {
    "de": "der die das dem den des",
    "es": "el la los las",
    "fr": "le la les",
    "pl": "",
}
_PLACED = {
    "de": "in im am an auf vom von beim zum zur der die das dem den des",
    "es": "en de del el la los las",
    "fr": "dans de du des au aux à sur en le la les",
    "pl": "w we na z ze",
}
# Behind these a name is in no case that is known here.
_GOVERNING = {
    "de": "von vom auf am an im in beim bei zum zur mit für",
    "es": "de del en a al con para por",
    "fr": "de du des à au aux sur dans pour avec en",
    "pl": "w na z do od dla przy o",
}

# Behind these it is in the genitive, or has "of" before it.
_OF_BEHIND = {
    "de": "helligkeit farbe lautstärke",
    "es": "brillo color volumen",
    "fr": "luminosité couleur volume",
    "pl": "jasność kolor głośność",
}


@dataclass(frozen=True, slots=True)
class Meant:
    """What a sentence is to say.

    Attributes:
        intent: of Home Assistant.
        combination: of slots, as the templates name theirs.
        domain: of the devices that the template must be for, or None.
        values: by slot of the intent: an entity id, an area id, a number, or a colour in English.
        texts: how they are said.
    """

    intent: str
    combination: str
    domain: str | None
    values: Mapping[str, Any]
    texts: Mapping[str, str]


class _UnfitError(Exception):
    """A template needs something that is not there."""


def available() -> bool:
    """Return whether the packages with the templates are installed."""
    return all(importlib.util.find_spec(name) for name in ("hassil", "home_assistant_intents"))


def sentence(
    house: House, meant: Meant, rng: random.Random, *, held_out: bool, tries: int = 6
) -> tuple[str, str] | None:
    """Return a sentence and the key of its template, or None where none is read back as it was meant.

    Args:
        house: its devices and areas are what the matcher may find.
        meant: what is to be said.
        rng: the only source of chance.
        held_out: whether templates of the test split are used, or those of training.
        tries: how many sentences are drawn at most.
    """
    language = house.language
    templates = _of_split(_templates(language, meant.intent, meant.combination, meant.domain), held_out=held_out)
    for _ in range(tries if templates else 0):
        template = rng.choice(templates)
        try:
            drawn = _draw(_parsed(template), language, meant, rng, 0)
        except _UnfitError:
            continue
        said = _said(" ".join(drawn.split()), language, meant, rng)
        if said is not None and _read(house, said) == {(meant.intent, _key(meant.values))}:
            return said, template_key(language, f"intents/{meant.intent}", template)
    return None


def color_words(language: str, color: str, rng: random.Random) -> str | None:
    """Return how the templates of a language say a colour, or None where they do not know it."""
    found = [value["in"] for value in _content(language)["lists"]["color"]["values"] if value["out"] == color]
    try:
        return _draw(_parsed(rng.choice(found)), language, None, rng, 0).strip() if found else None
    except _UnfitError:
        return None


@functools.cache
def _content(language: str) -> Mapping[str, Any]:
    package = importlib.util.find_spec("home_assistant_intents")
    if package is None or package.origin is None:
        raise RuntimeError("home-assistant-intents is missing; install home-llm-lab[data]")
    path = Path(package.origin).parent / "data" / f"{language}.json"
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _of_split(templates: Sequence[str], *, held_out: bool) -> list[str]:
    """Return the templates of a split; where there are few, they are in both, as in the phrase books."""
    if len(templates) < _FEW:
        return list(templates)
    out = [text for text in templates if int(template_key("", "", text)[-4:], 16) % _HELD_OUT == 0] or templates[:1]
    return [text for text in templates if (text in out) is held_out]


@functools.cache
def _templates(language: str, intent: str, combination: str, domain: str | None) -> tuple[str, ...]:
    found: list[str] = []
    for block in _content(language)["intents"].get(intent, {}).get("data", ()):
        if block.get("metadata", {}).get("slot_combination") != combination:
            continue
        domains = [block.get("slots", {}).get("domain"), block.get("requires_context", {}).get("domain")]
        known = {name for item in domains if item for name in ([item] if isinstance(item, str) else item)}
        if domain is not None and known and domain not in known:
            continue
        found += [text for text in block["sentences"] if _sensible(combination, text)]
    return tuple(dict.fromkeys(found))


def _sensible(combination: str, template: str) -> bool:
    """Return whether what a template says is plain to people too."""
    if "name" in combination:
        return not _DOUBLED.search(template)
    return bool(_LIT.search(template))


@functools.cache
def _parsed(template: str) -> Any:
    from hassil.parse_expression import parse_sentence  # noqa: PLC0415 - only where Home Assistant is

    return parse_sentence(template).expression


def _draw(node: Any, language: str, meant: Meant | None, rng: random.Random, depth: int) -> str:
    """Return one of the things that a template says, with marks for name and area."""
    from hassil import expression as hassil  # noqa: PLC0415

    if depth > _DEEPEST:
        raise _UnfitError
    deeper = functools.partial(_draw, language=language, meant=meant, rng=rng, depth=depth + 1)
    match node:
        case hassil.TextChunk():
            return str(node.original_text)
        case hassil.RuleReference():
            rule = _content(language)["expansion_rules"].get(node.rule_name)
            if rule is None:
                raise _UnfitError
            return deeper(_parsed(rule))
        case hassil.ListReference():
            return f"{node.prefix or ''}{_filled(node.list_name, meant)}{node.suffix or ''}"
        case hassil.Alternative():
            return deeper(rng.choice(node.items))
        case hassil.Permutation():
            return " ".join(deeper(item) for item in rng.sample(node.items, len(node.items)))
        case _:
            return "".join(deeper(item) for item in node.items)


def _filled(name: str, meant: Meant | None) -> str:
    if meant is None:
        raise _UnfitError
    if name == "name" and "name" in meant.values:
        return _NAME
    if name == "area" and "area" in meant.values:
        return _AREA
    if name == "color" and "color" in meant.texts:
        return meant.texts["color"]
    if name in _NUMBERS and "number" in meant.texts:
        return meant.texts["number"]
    raise _UnfitError


def _said(drawn: str, language: str, meant: Meant, rng: random.Random) -> str | None:
    """Return what was drawn with name and area in their forms."""
    text = drawn
    if language == "en":
        text = text.replace(_NAME, meant.texts.get("name", "")).replace(_AREA, meant.texts.get("area", ""))
    else:
        text = _in_forms(text, _NAME, language, meant.texts.get("name", ""), rng)
        text = _in_forms(text, _AREA, language, meant.texts.get("area", ""), rng)
    text = " ".join(text.split())
    # A bare name is a question as well as an order.
    little = {*_BEFORE.get(language, "the my our").split(), *_PLACED.get(language, "").split()}
    rest = text.casefold().replace(meant.texts.get("name", "").casefold(), " ")
    if not set(re.findall(r"[^\W\d_]{2,}", rest)) - little or re.search(r"\bs\b", rest):
        return None
    if language == "es" and "number" in meant.texts and _STEP.search(rest):
        return None
    return text


def _in_forms(text: str, mark: str, language: str, plain: str, rng: random.Random) -> str:
    before, found, after = text.partition(mark)
    if not found:
        return text
    words = (_PLACED if mark == _AREA else _BEFORE)[language].split()
    kept = re.sub(r"(?:\bl['\u2019]|\bd['\u2019])$", "", before.rstrip() if before.endswith("'") else before).split()
    while kept and kept[-1].lower() in words:
        kept.pop()
    if mark == _AREA:
        form = in_form(language, "in", plain) if rng.random() < 0.85 else plain
    elif kept and kept[-1].lower() in _OF_BEHIND[language].split():
        form = in_form(language, "of", plain)
    elif kept and kept[-1].lower() in _GOVERNING[language].split():
        form = plain
    else:
        form = in_form(language, "acc", plain) if rng.random() < 0.7 else plain
    return f"{' '.join(kept)} {form} {after}"


def _read(house: House, said: str) -> set[tuple[str, tuple[tuple[str, Any], ...]]]:
    """Return everything that the matcher takes a sentence for in a house."""
    from hassil.recognize import recognize_all  # noqa: PLC0415

    found = recognize_all(said, _intents(house.language), slot_lists=_lists(house), intent_context=None)
    return {(result.intent.name, _key({name: it.value for name, it in result.entities.items()})) for result in found}


def _key(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return slots in an order of their own, without those that only name a sort of devices."""
    return tuple(sorted((name, value) for name, value in values.items() if name not in ("domain", "device_class")))


@functools.cache
def _intents(language: str) -> Any:
    from hassil.intents import Intents  # noqa: PLC0415

    content = dict(_content(language))
    content["intents"] = {name: data for name, data in content["intents"].items() if name in INTENTS}
    return Intents.from_dict(content)


@functools.lru_cache(maxsize=4)
def _lists_of(names: tuple[Any, ...], areas: tuple[Any, ...], floors: tuple[Any, ...]) -> Any:
    from hassil.intents import TextSlotList  # noqa: PLC0415

    named = [(text, value, {"domain": domain}) for text, value, domain in names]
    return {
        "name": TextSlotList.from_tuples(named, allow_template=False, name="name"),
        "area": TextSlotList.from_tuples(areas, allow_template=False, name="area"),
        "floor": TextSlotList.from_tuples(floors, allow_template=False, name="floor"),
    }


def _lists(house: House) -> Any:
    """Return what the matcher may find in a house, names and places also in the forms that they are said in."""
    language = house.language
    names = [
        (text, thing.entity_id, thing.domain)
        for thing in house.exposed
        for name in thing.names
        for text in _forms(language, name, ("acc", "of"))
    ]
    areas = [
        (text, area.area_id)
        for area in house.areas
        for name in (area.name, *area.aliases)
        for text in _forms(language, name, ("in",))
    ]
    floors = [
        (text, floor.floor_id)
        for floor in house.floors
        for name in (floor.name, *floor.aliases)
        for text in _forms(language, name, ("in",))
    ]
    return _lists_of(tuple(names), tuple(areas), tuple(floors))


def _forms(language: str, name: str, forms: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((name, *(in_form(language, form, name) for form in forms))))
