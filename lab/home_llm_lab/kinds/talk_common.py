"""What all talk has in common: how devices and values are spoken of in answers, and how personas dress them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from home_llm_lab.example import Act, Call, Change, Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import refer, tidy
from home_llm_lab.kinds.registry import Scene

# Lists of more are counted.
MAX_LISTED = 5

UNKNOWN = frozenset({"unavailable", "unknown"})
# How often something is said before a sentence, such as "hey".
_FILLED = 0.05
# What a media player is not on in.
PLAYER_OFF = frozenset({"off", "standby"})

_PLURALS = frozenset(
    re.findall(
        r"\w+",
        "lights lamps blinds curtains drapes shutters shades spots spotlights downlights speakers sockets plugs "
        "outlets switches strips candles radiators doors windows fans lanterns bulbs sconces pendants sprinklers "
        "covers locks valves players awnings screens steps heaters monitors stars garlands toggles timers lists",
    )
)
_PLACE = re.compile(r"\s(?:in|on|at|by|from|of|above|over|under|near|behind|beside|upstairs|downstairs|outside)\b")
# What stands behind the noun in names: "Fairy Lights 2", "Blinds No. 3", "Spots (Kitchen)".
_NUMBERED = re.compile(r"(?:\s+(?:no\.?\s*|#)?\d+|\s+\(.*\)?)+$")


def some_device(
    scene: Scene, things: Sequence[Thing], say: Callable[[Scene, Thing], str | None] = refer
) -> tuple[Thing, str] | None:
    """Return one of the devices and how it is called, or None where there is none or it cannot be said."""
    if not things:
        return None
    thing = scene.rng.choice(things)
    called = say(scene, thing)
    return None if called is None else (thing, called)


def plural(phrase: str) -> bool:
    """Return whether an English name or phrase speaks of several: "the blinds in the kitchen"."""
    head = _NUMBERED.sub("", _PLACE.split(phrase.casefold(), maxsplit=1)[0]).split()
    return bool(head) and head[-1] in _PLURALS


def grammar(scene: Scene, phrase: str) -> dict[str, str]:
    """Return the slots that hang on the number of a phrase: is, was, has."""
    which = "are" if plural(phrase) else "is"
    groups = scene.words.book.groups
    return {
        slot: groups[f"talk_{slot}_{which}"][0] for slot in ("is", "was", "has") if f"talk_{slot}_{which}" in groups
    }


def bare(phrase: str) -> str:
    """Return an English phrase without the article that it begins with."""
    return re.sub(r"^the ", "", phrase)


def the(scene: Scene, thing: Thing) -> str:
    """Return how an answer speaks of a device: its name as in the prompt, with its article."""
    return tidy(scene, scene.words.answer("talk_the_name", name=thing.name), thing.name)


def state_word(scene: Scene, state: str) -> str:
    """Return how people say a state."""
    found = scene.words.book.groups.get(f"talk_state_{state}")
    return found[0] if found else state.replace("_", " ").replace("-", " ")


def number(value: float) -> str:
    """Return a number as the line of a device has it, whole where it is whole."""
    value = round(value, 1)
    return str(int(value) if value == int(value) else value)


def reading(thing: Thing) -> str:
    """Return the state of a sensor with its unit, as its line has it."""
    unit = thing.attributes.get("unit_of_measurement")
    return f"{thing.state} {unit}" if unit else thing.state


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def listed(scene: Scene, texts: Sequence[str]) -> str:
    """Return "a, b and c"."""
    if len(texts) < 2:
        return "".join(texts)
    return scene.words.answer("talk_and", first=", ".join(texts[:-1]), last=texts[-1])


def in_place(scene: Scene, area_id: str) -> str:
    """Return the place of an area in an answer, by its name in the prompt."""
    area = scene.house.area(area_id)
    if area is None:
        raise KeyError(area_id)
    groups = scene.words.book.groups
    group = f"in_area_{area.kind}" if f"in_area_{area.kind}" in groups else "in_area"
    return tidy(scene, scene.words.first(group, area=area.name), area.name)


def dressed(scene: Scene, reply: str, act: Act) -> str:
    """Return a reply as the persona says it."""
    if scene.persona == "al" or not reply:
        return reply
    group = f"talk_dress_{scene.persona}_{act}"
    if group not in scene.words.book.groups:
        group = f"talk_dress_{scene.persona}"
    return scene.words.answer(group, reply=reply, lower=reply[:1].lower() + reply[1:])


def as_said(scene: Scene, text: str) -> str:
    """Return words as they are typed or as speech recognition writes them: with or without capitals and signs."""
    text = re.sub(r" +([?.!,])", r"\1", text).strip(" ,")
    if scene.rng.random() < _FILLED and len(text.split()) > 2 and "act_filler" in scene.words.book.groups:
        text = scene.words.say("act_filler", said=text)
    style = scene.rng.random()
    if style < 0.35:
        return text.rstrip("?.!")
    if style > 0.5:
        text = text[:1].upper() + text[1:]
    if text.endswith(("?", ".", "!")) or style > 0.75:
        return text
    return f"{text}."


def turn(
    scene: Scene,
    said: str,
    reply: str,
    act: Act,
    *,
    calls: Iterable[Call] = (),
    effects: dict[str, Change] | None = None,
    error: str | None = None,
) -> Turn:
    """Return a turn whose reply begins like a sentence and is dressed by the persona."""
    return Turn(as_said(scene, said), dressed(scene, sentence(reply), act), tuple(calls), effects or {}, act, error)


def talk(scene: Scene, kind: str, *turns: Turn, tell_time: str | None = None) -> Example:
    """Return a conversation where the speaker is, on whom the words may hang."""
    return Example(kind, tuple(turns), area_id=scene.area_id, tell_time=tell_time)


def answered(scene: Scene, fact: str, *, yes: bool | None) -> str:
    """Return a fact as an answer: alone, or behind yes or no."""
    if yes is None:
        return sentence(fact)
    return scene.words.answer("talk_yes" if yes else "talk_no", fact=fact)


def tells(
    scene: Scene,
    kind: str,
    said: str,
    fact: str,
    yes: bool | None = None,  # noqa: FBT001 - said last, as in "is it on? yes"
) -> Example:
    """Return a question with its answer."""
    return talk(scene, kind, turn(scene, said, answered(scene, fact, yes=yes), "tell"))
