"""Referring expressions: how people call devices, rooms, floors and the house, so that it fits exactly one."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from home_llm_lab.grammar import in_form
from home_llm_lab.homes.vocabulary import load_vocabulary
from home_llm_lab.house import Area, House, Thing
from home_llm_lab.kinds.registry import Scene
from home_llm_lab.phrases.book import Book
from home_llm_lab.phrases.template import TemplateError

# How a place is spoken of: "in the kitchen", "the kitchen", "kitchen" (before a noun).
Form: TypeAlias = Literal["in", "the", "bare"]

# What reports and cannot be commanded: "the kitchen light" is no power meter.
_REPORTING = frozenset({"sensor", "binary_sensor", "person", "device_tracker", "weather", "sun", "zone", "event"})
# What people call by its name only.
_BY_NAME = frozenset({"scene", "script", "button", "input_button", "number", "input_number", "select", "input_select"})

_CALLED_LIKE_PEOPLE = frozenset({"vacuum", "mower"})

# How often something is "my lamp".
_OWNED = 0.04

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019]s?\b")
_SIGNS = re.compile(r" - |: |[()#]")
# Articles, possessives and prepositions of all languages, which tell nothing apart.
_LITTLE_WORDS = (
    "the my our in on at der die das dem im am auf an le la les l du de des d au aux dans sur el los las del al en "
    "w we na"
)
_LITTLE = frozenset(_LITTLE_WORDS.split())
_OWN_ARTICLE = re.compile(r"(?:\w+(?:'s|\u2019s|s'|s\u2019)|my|our|the|this|all) ", re.IGNORECASE)


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text without articles, possessives, case and plural."""
    plain = _POSSESSIVE.sub("", text.casefold())
    return frozenset(
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in _WORD.findall(plain)
        if word not in _LITTLE
    )


def tidy(scene: Scene, text: str, *names: str) -> str:
    """Return a text without the articles that English leaves out before names such as "Anna's Lamp"."""
    if scene.words.book.language == "en":
        for name in names:
            if _OWN_ARTICLE.match(name):
                text = re.sub(rf"\bthe {re.escape(name)}", name, text, flags=re.IGNORECASE)
    return text


def nouns(book: Book, thing: Thing, *, plural: bool = False) -> list[str]:
    """Return what a device is, most fitting first: by its kind, else its device class, else its domain."""
    prefix = "nouns" if plural else "noun"
    keys = (f"{prefix}_{key}" for key in (thing.kind, thing.device_class, thing.domain) if key)
    found = next((list(book.groups[key]) for key in keys if key in book.groups), [])
    return (
        list(dict.fromkeys((*found, *domain_nouns(book, "light", plural=plural)))) if thing.domain == "light" else found
    )


def domain_nouns(book: Book, domain: str, *, plural: bool = False) -> list[str]:
    """Return what fits every device of a domain."""
    return list(book.groups.get(f"{'nouns' if plural else 'noun'}_{domain}", ()))


def vocabulary(book: Book, house: House, thing: Thing) -> frozenset[str]:
    """Return every word by which somebody may mean a device: of its names, of its area, and of what it is."""
    area = house.area(thing.area_id)
    texts = [*thing.names, *nouns(book, thing), *domain_nouns(book, thing.domain)]
    if area is not None:
        names = (area.name, *area.aliases)
        texts += names
        if book.language != "en":
            # Places as they are spoken of: kuchni is Kuchnia, l'entrée is Entrée.
            texts += [in_form(book.language, form, name) for form in ("in", "of", "the") for name in names]
    return frozenset().union(*(words_of(text) for text in texts))


def phrases_of(book: Book, group: str) -> list[str]:
    """Return a group of templates as it stands.

    Raises:
        TemplateError: the language has no such group.
    """
    found = list(book.groups.get(group, ()))
    if not found:
        raise TemplateError(f"there is no {book.language}/{group}")
    return found


def rivals(house: House, thing: Thing) -> list[Thing]:
    """Return the other exposed devices that could be meant where this one is."""
    return [
        other
        for other in house.exposed
        if other is not thing and (thing.domain in _REPORTING or other.domain not in _REPORTING)
    ]


def fits_one(scene: Scene, phrase: str, thing: Thing) -> bool:
    """Return whether a phrase means a device and can mean no other.

    The full name wins over everything; then what is in the speaker's area wins over the rest of the house.
    """
    meant = words_of(phrase)
    named = [other for other in scene.house.exposed if any(words_of(name) == meant for name in other.names)]
    # A lamp that is only called Light is meant by its name where there is no other lamp.
    if named and not (thing.domain == "light" and meant in _light_words(scene.words.book)):
        able = [other for other in named if other is thing or other in rivals(scene.house, thing)]
        here = [other for other in able if scene.area_id is not None and other.area_id == scene.area_id]
        return (here or able) == [thing]
    book = scene.words.book
    if not meant or not meant <= vocabulary(book, scene.house, thing):
        return False
    fitting = [other for other in rivals(scene.house, thing) if meant <= vocabulary(book, scene.house, other)]
    if scene.area_id is not None and thing.area_id == scene.area_id:
        fitting = [other for other in fitting if other.area_id == scene.area_id]
    # A room that is called the same is meant rather than a device.
    areas = (words_of(name) for area in scene.house.areas for name in (area.name, *area.aliases))
    return not fitting and meant not in areas


def _light_words(book: Book) -> list[frozenset[str]]:
    return [words_of(noun) for noun in domain_nouns(book, "light")]


def refer(scene: Scene, thing: Thing) -> str | None:
    """Return some way to say a device that fits exactly one, with its article; None where there is none.

    Its name, an alias, part of its name, what it is and where ("the lamp in the bedroom"), or only what it is where
    the house or the speaker's area has one such.
    """
    makers = [(_by_name, 5), (_by_alias, 2)]
    if thing.domain not in _BY_NAME:
        makers += [(_by_place, 4), (_by_noun, 3), (_by_part, 2), (_by_start, 3)]
    while makers:
        chosen = scene.rng.choices(makers, [weight for _, weight in makers])[0]
        makers.remove(chosen)
        phrases = chosen[0](scene, thing)
        scene.rng.shuffle(phrases)
        for phrase in phrases:
            if fits_one(scene, phrase, thing):
                return _owned(scene, phrase)
    return None


def _owned(scene: Scene, phrase: str) -> str:
    """Return "my kitchen light" for "the kitchen light" every now and then, as English people say."""
    own = scene.words.book.language == "en" and phrase.startswith("the ") and scene.rng.random() < _OWNED
    return phrase.replace("the ", "my ", 1) if own else phrase


def refer_apart(scene: Scene, thing: Thing) -> tuple[str, str] | None:
    """Return what a device is and where, to be said apart: "the lamp" and "in the bedroom"; None where it fits none."""
    area = scene.house.area(thing.area_id)
    found = nouns(scene.words.book, thing)
    called = _area_name(scene, area) if area else None
    if area is None or called is None or not found:
        return None
    noun, place = scene.rng.choice(found), _place(scene, area, called, "in")
    if words_of(noun) & words_of(called) or not fits_one(scene, f"{noun} {called}", thing):
        return None
    return with_article(scene, noun), place


def refer_by_name(scene: Scene, thing: Thing) -> str | None:
    """Return a device by its full name, or None where another one has the same."""
    phrases = _by_name(scene, thing)
    return phrases[0] if phrases and fits_one(scene, phrases[0], thing) else None


def refer_group(scene: Scene, target: str, form: Form = "in", *, here: bool = True) -> str | None:
    """Return some way to say an area, a floor, or all.

    Args:
        scene: where it is said.
        target: area.X, floor.X or all.
        form: in ("in the kitchen", "upstairs"), the ("the kitchen"), or bare, to stand before a noun ("kitchen").
        here: whether the speaker's own area may be said as "in here".
    """
    kind, _, name = target.partition(".")
    if target == "all":
        return None if form == "bare" else scene.words.answer(f"{form}_all")
    if kind == "floor":
        return _floor(scene, name, form)
    area = scene.house.area(name)
    if area is None:
        return None
    if here and form != "bare" and scene.area_id == name and scene.rng.random() < 0.5:
        return scene.words.answer(f"{form}_area_here")
    called = _area_name(scene, area)
    if called is None:
        return None
    return called if form == "bare" else _place(scene, area, called, form)


def same_noun(scene: Scene, *domains: str) -> dict[str, list[Thing]]:
    """Return the nouns that fit several exposed devices of these domains, or of any, with the devices."""
    book = scene.words.book
    found: dict[str, list[Thing]] = {}
    for thing in scene.house.exposed:
        if thing.domain in _REPORTING or thing.domain in _BY_NAME or (domains and thing.domain not in domains):
            continue
        for noun in {*nouns(book, thing), *domain_nouns(book, thing.domain)}:
            found.setdefault(noun, []).append(thing)
    return {noun: things for noun, things in sorted(found.items()) if len(things) > 1}


def ambiguous(scene: Scene, *domains: str) -> tuple[str, list[Thing]] | None:
    """Return a noun with article that fits several devices of one domain where it is said, and those devices.

    None of them has it for a name, and the speaker's area, where it is known, does not settle it.
    """
    choices = []
    for noun, things in same_noun(scene, *domains).items():
        here = [thing for thing in things if scene.area_id is not None and thing.area_id == scene.area_id]
        fitting = here or things
        taken = any(words_of(name) == words_of(noun) for other in scene.house.exposed for name in other.names)
        if len(fitting) > 1 and len({thing.domain for thing in fitting}) == 1 and not taken:
            choices.append((noun, fitting))
    if not choices:
        return None
    noun, fitting = scene.rng.choice(choices)
    return with_article(scene, noun), fitting


def with_article(scene: Scene, noun: str) -> str:
    """Return a noun as a device is spoken of, in English with its article."""
    return scene.words.answer("refer_the", noun=noun)


def spoken(scene: Scene, name: str) -> str:
    """Return a name in some case, as people type it or as speech recognition writes it, mostly without signs."""
    if scene.rng.random() < 0.8:
        name = " ".join(_SIGNS.sub(" ", name).split())
    return name if scene.rng.random() < 0.4 else name.lower()


def _called(scene: Scene, name: str) -> str:
    name = spoken(scene, name)
    return tidy(scene, scene.words.answer("refer_name", name=name), name)


def has_own_name(thing: Thing, language: str) -> bool:
    """Return whether a device is called like a person, such as a vacuum cleaner named Dobby, and takes no article."""
    pets = load_vocabulary(language).list("nicknames", thing.kind) if thing.kind in _CALLED_LIKE_PEOPLE else ()
    return thing.name.casefold() in (str(pet).casefold() for pet in pets)


def _by_name(scene: Scene, thing: Thing) -> list[str]:
    if has_own_name(thing, scene.words.book.language):
        return [spoken(scene, thing.name)]
    return [_called(scene, thing.name)]


def _by_alias(scene: Scene, thing: Thing) -> list[str]:
    return [_called(scene, alias) for alias in thing.aliases]


def _by_start(scene: Scene, thing: Thing) -> list[str]:
    """Return names without what they end with and nobody says: "front door" of "Front Door Lock"."""
    silent = scene.words.book.groups.get("refer_silent", ())
    found: list[str] = []
    for name in thing.names:
        for end in silent:
            if name.casefold().endswith(f" {end.casefold()}"):
                start = name[: -len(end) - 1].rstrip(" -")
                if words_of(start) & _openings(scene.words.book):
                    found.append(_called(scene, start))
    return found


def _openings(book: Book) -> frozenset[str]:
    """Return the words for what is opened and closed: a "front door" is one, a "kitchen" is not."""
    keys = ("door", "window", "gate", "garage_door", "skylight")
    return frozenset().union(*(words_of(noun) for key in keys for noun in book.groups.get(f"noun_{key}", ())))


def _by_part(scene: Scene, thing: Thing) -> list[str]:
    """Return the ends of the name: "floor lamp" of "Ikea Floor Lamp", "air fryer" of "Kitchen Air Fryer" there."""
    area = scene.house.area(thing.area_id)
    room = words_of(" ".join((area.name, *area.aliases))) if area else frozenset()
    kinds = [words_of(noun) for noun in nouns(scene.words.book, thing)]
    found: list[str] = []
    for name in thing.names:
        parts = [part for part in name.split() if part not in ("-", "/")]
        for start in range(1, len(parts)):
            left_out, end = words_of(" ".join(parts[:start])), words_of(" ".join(parts[start:]))
            # What is left out is the whole room, or what follows says what it is.
            is_room = left_out <= room and not words_of(parts[start]) <= room
            if end and (is_room or any(kind <= end and words_of(parts[-1]) <= kind for kind in kinds)):
                found.append(" ".join(parts[start:]).lower())
    return [scene.words.answer("refer_the", noun=end) for end in found]


def _by_noun(scene: Scene, thing: Thing) -> list[str]:
    return [with_article(scene, noun) for noun in nouns(scene.words.book, thing)]


def _by_place(scene: Scene, thing: Thing) -> list[str]:
    area = scene.house.area(thing.area_id)
    called = _area_name(scene, area) if area else None
    if area is None or called is None:
        return []
    phrases = []
    for noun in nouns(scene.words.book, thing):
        # "the kitchen's kitchen lamp"
        if words_of(noun) & words_of(called):
            continue
        place = _place(scene, area, called, "in")
        text = scene.words.answer("refer_noun_place", noun=noun, area=called, in_area=place)
        if text.count("'s ") < 2:
            phrases.append(tidy(scene, text, called))
    return phrases


def _area_name(scene: Scene, area: Area) -> str | None:
    """Return one of the names of an area that no other has, in some case."""
    others = [other for other in scene.house.areas if other is not area]
    taken = {words_of(name) for other in others for name in (other.name, *other.aliases)}
    names = [name for name in (area.name, area.name, *area.aliases) if words_of(name) not in taken]
    return spoken(scene, scene.rng.choice(names)) if names else None


def _place(scene: Scene, area: Area, called: str, form: Form) -> str:
    groups = scene.words.book.groups
    group = f"{form}_area_{area.kind}" if f"{form}_area_{area.kind}" in groups else f"{form}_area"
    return tidy(scene, scene.words.answer(group, area=called), called)


def _floor(scene: Scene, floor_id: str, form: Form) -> str | None:
    floor = scene.house.floor(floor_id)
    if floor is None:
        return None
    groups = scene.words.book.groups
    adverbs = list(groups.get(f"floor_adverb_{floor.kind}", ()))
    every = {adverb for group, found in groups.items() if group.startswith("floor_adverb_") for adverb in found}
    called = spoken(scene, scene.rng.choice((floor.name, floor.name, *floor.aliases)))
    if called.casefold() in every:
        return called.lower()
    alone = [other.kind for other in scene.house.floors].count(floor.kind) == 1 and len(scene.house.floors) > 1
    others = [other for other in scene.house.floors if other is not floor]
    named = {name.casefold() for other in others for name in (other.name, *other.aliases)}
    adverbs = [adverb for adverb in adverbs if alone and adverb not in named]
    if adverbs and scene.rng.random() < 0.5:
        return scene.rng.choice(adverbs)
    if form == "bare":
        return called
    prefix = "on" if form == "in" else form
    group = f"{prefix}_floor_{floor.kind}" if f"{prefix}_floor_{floor.kind}" in groups else f"{prefix}_floor"
    return tidy(scene, scene.words.answer(group, floor=called), called)
