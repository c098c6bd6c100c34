"""What is missing altogether: a sort of devices in a place or in the house, and floors that the house does not have."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.homes.vocabulary import load_vocabulary
from home_llm_lab.house import Area, Floor, Thing
from home_llm_lab.kinds.act_common import Order, utter
from home_llm_lab.kinds.act_groups import (
    BLINDS,
    CURTAINS,
    FANS,
    HEATING,
    HUMIDIFIERS,
    LIGHTS,
    LOCKS,
    SPEAKERS,
    TVS,
    Category,
    group_phrase,
    place_name,
    places,
)
from home_llm_lab.kinds.act_timer import duration
from home_llm_lab.kinds.refer import phrases_of, refer_group, spoken, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_refuse import COMMANDS, exists, named, ordered, refusal

_CATEGORIES: tuple[Category, ...] = (
    *(LIGHTS, LIGHTS, LIGHTS, LIGHTS, BLINDS, BLINDS, CURTAINS, LOCKS, LOCKS),
    *(FANS, TVS, SPEAKERS, HEATING, HUMIDIFIERS),
)


@kind("refuse_none", 8)
def refuse_none(scene: Scene) -> Example | None:
    """Want something of all devices of a sort where there is none of them: in a room, on a floor, or in the house."""
    category = scene.rng.choice(_CATEGORIES)
    house = scene.house
    if not house.inside("all", category.domain):
        targets = ["all", *(places(scene, "area") if scene.rng.random() < 0.4 else ())]
    else:
        targets = [
            target
            for target in places(scene, "area", "floor")
            if house.inside(target) and not house.inside(target, category.domain)
        ]
    if not targets:
        return None
    target = scene.rng.choice(targets)
    phrase = group_phrase(scene, category, target, count=2)
    if phrase is None or exists(scene, phrase) or _called_so(scene, category, target):
        return None
    groups = [name for name in COMMANDS[category.domain] if name != "act_unlock"]
    # Doors without locks are doors all the same.
    groups += ["act_lock_all"] if category is LOCKS and target == "all" else []
    said = ordered(scene, scene.rng.choice(groups), phrase)
    return refusal(scene, "refuse_none", said, none_there(scene, category, target))


def _called_so(scene: Scene, category: Category, target: str) -> bool:
    """Return whether something of another domain in a place has the noun in its name: a plug named Christmas Lights."""
    groups = scene.words.book.groups
    said = [words_of(noun) for key in ("noun", "nouns") for noun in groups.get(f"{key}_{category.noun}", ())]
    names = [words_of(name) for thing in scene.house.inside(target) for name in thing.names]
    return any(noun <= name for noun in said for name in names)


def none_there(scene: Scene, category: Category, target: str) -> str:
    """Return the answer that a place has no devices of a sort."""
    many = phrases_of(scene.words.book, f"nouns_{category.noun}")[0]
    if target == "all":
        return scene.words.answer("talk_none_at_all", nouns=many)
    return scene.words.answer("talk_none_there", nouns=many, in_place=place_name(scene, target))


@kind("refuse_floor", 1.6)
def refuse_floor(scene: Scene) -> Example | None:
    """Want something on a floor that the house does not have."""
    place = _missing_floor(scene)
    if place is None:
        return None
    words = scene.words.book.groups
    if scene.rng.random() < 0.2:
        said = scene.words.say("talk_lights_on", place=place, **_lights(scene))
    else:
        category = scene.rng.choice((LIGHTS, LIGHTS, LIGHTS, BLINDS, FANS, TVS))
        noun = scene.rng.choice(list(words[f"nouns_{category.noun}"]))
        phrase = scene.words.answer("group_in", nouns=noun, in_place=place)
        said = ordered(scene, scene.rng.choice(COMMANDS[category.domain][:4]), phrase)
    return refusal(scene, "refuse_floor", said, scene.words.answer("talk_nothing_there", place=place))


def _lights(scene: Scene) -> dict[str, str]:
    groups = scene.words.book.groups
    return {"noun": groups["talk_word_light"][0], "nouns": groups["talk_words_light"][0]}


def _missing_floor(scene: Scene) -> str | None:
    """Return where something is on a floor that the house does not have, in words that nothing in it has."""
    book, house = scene.words.book, scene.house
    floors = load_vocabulary(book.language).words["floors"]
    kinds = {floor.kind for floor in house.floors} | {area.kind for area in house.areas}
    # Who has a ground floor alone, or named none, may well say downstairs or outside.
    wanted = [key for key in ("upper", "basement", "attic") if key not in kinds]
    if not wanted or (not house.floors and len(house.areas) > 4):
        return None
    taken: frozenset[str] = frozenset()
    known: list[Area | Floor | Thing] = [*house.areas, *house.floors, *house.exposed]
    for each in known:
        names = each.names if isinstance(each, Thing) else (each.name, *each.aliases)
        taken |= frozenset().union(*(words_of(name) for name in names))
    key = scene.rng.choice(wanted)
    # A top floor is whatever is on top.
    others = {name for other, names in floors.items() if other != key for name in names}
    free = [name for name in floors[key] if name not in others and not words_of(name) & (taken - words_of("floor"))]
    adverbs = [word for word in book.groups.get(f"floor_adverb_{key}", ()) if not words_of(word) & taken]
    if adverbs and scene.rng.random() < 0.5:
        return scene.rng.choice(adverbs)
    if not free:
        return None
    name = scene.rng.choice(free)
    group = f"on_floor_{key}" if f"on_floor_{key}" in book.groups else "on_floor"
    every = {word for group, found in book.groups.items() if group.startswith("floor_adverb_") for word in found}
    return name.lower() if name.casefold() in every else scene.words.answer(group, floor=spoken(scene, name))


@kind("refuse_need", 2.5)
def refuse_need(scene: Scene) -> Example | None:
    """Need light, air, warmth or coolness where nothing makes it."""
    category, group = scene.rng.choice(
        (
            (LIGHTS, "act_need_light"),
            (LIGHTS, "act_need_light"),
            (FANS, "act_need_air"),
            (HEATING, "act_too_cold"),
            (HEATING, "act_too_warm"),
        )
    )
    house = scene.house
    helpful = {"light": ("light", "cover"), "fan": ("fan", "climate", "cover"), "climate": ("climate", "fan", "switch")}
    domains = helpful[category.domain]
    rooms = [
        area.target
        for area in house.areas
        if house.inside(area.target)
        and not house.inside(area.target, *domains)
        and not _called_so(scene, category, area.target)
    ]
    # What nobody put into a room may be meant for any.
    if not rooms or any(thing.area_id is None for thing in house.inside("all", *domains)):
        return None
    here = f"area.{scene.area_id}"
    target = here if here in rooms else scene.rng.choice(rooms)
    if target == here and scene.rng.random() < 0.5:
        values = {"in_area": ""}
    else:
        place, the_area = refer_group(scene, target), refer_group(scene, target, "the")
        if place is None or the_area is None:
            return None
        values = {"in_area": place, "the_area": the_area}
    said = scene.words.say(f"{group}_free", **values)
    return refusal(scene, "refuse_need", said, none_there(scene, category, target))


@kind("refuse_timer", 1.2)
def refuse_timer(scene: Scene) -> Example | None:
    """Want a timer in a house that has none, and whose satellites have none either."""
    if scene.house.timers or scene.house.inside("all", "timer"):
        return None
    _, values, _ = duration(scene)
    said = utter(scene, Order(("act_assist_timer",), values, (), {}, ""))
    return refusal(scene, "refuse_timer", said, scene.words.answer("talk_no_timers")) if said else None


@kind("refuse_list", 1.2)
def refuse_list(scene: Scene) -> Example | None:
    """Want something on a list in a house that has none."""
    if scene.house.inside("all", "todo"):
        return None
    book = scene.words.book
    words = load_vocabulary(book.language)
    name = spoken(scene, words.choose(scene.rng, words.list("lists"), held_out=scene.words.held_out))
    values = {"thing": named(scene, name), "bare": name, "item": scene.rng.choice(phrases_of(book, "items_to_buy"))}
    said = utter(scene, Order(("act_list_add",), values, (), {}, ""))
    return refusal(scene, "refuse_list", said, scene.words.answer("talk_no_lists")) if said else None
