"""Questions about several devices of a room, a floor or the house: which, whether any or all, how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from home_llm_lab.example import Example
from home_llm_lab.house import ON_OFF_DOMAINS, Thing
from home_llm_lab.kinds.refer import refer_group, words_of
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import (
    MAX_LISTED,
    PLAYER_OFF,
    UNKNOWN,
    grammar,
    in_place,
    listed,
    state_word,
    tells,
    the,
)

_DOORS: Mapping[str, tuple[str, ...]] = {"binary_sensor": ("door", "garage_door"), "cover": ("door", "garage", "gate")}


_WINDOWS: Mapping[str, tuple[str, ...]] = {"binary_sensor": ("window",), "cover": ("window",)}


_CLASSES = {"door": _DOORS, "window": _WINDOWS}


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of devices that people ask after together: those in a state, and how it and the other one are called."""

    word: str
    state: str
    other: str
    members: tuple[Thing, ...]

    def those(self, *, otherwise: bool = False) -> list[Thing]:
        """Return the members in the state, or those in the other one."""
        return [thing for thing in self.members if in_state(thing) != otherwise]


def in_state(thing: Thing) -> bool:
    """Return whether a device is on, open or unlocked: what people go and look for."""
    if thing.domain in ("cover", "valve"):
        return thing.state not in ("closed", "closing")
    if thing.domain == "lock":
        return thing.state not in ("locked", "locking")
    if thing.domain == "media_player":
        return thing.state not in PLAYER_OFF | {"idle"}
    if thing.domain == "climate":
        return thing.state != "off"
    return thing.state == "on"


def members(scene: Scene, target: str, word: str) -> list[Thing] | None:
    """Return the devices of a sort in a place that the model can tell by its prompt, or None where it cannot."""
    things = [thing for thing in scene.house.inside(target) if thing.state not in UNKNOWN]
    classes = _CLASSES.get(word)
    if classes is not None:
        found = [thing for thing in things if thing.device_class in classes.get(thing.domain, ())]
        said = frozenset().union(*(words_of(text) for text in scene.words.book.groups[f"talk_word_{word}"]))
        return found if all(any(said & words_of(name) for name in thing.names) for thing in found) else None
    if word in ("light", "lock", "fan", "cover", "media_player", "switch", "climate"):
        # A gate or a window is no blind.
        return [
            thing
            for thing in things
            if thing.domain == word and thing.device_class not in ("door", "garage", "gate", "window")
        ]
    found = [thing for thing in things if thing.kind == word]
    # Others that may be called so too would be counted.
    said = frozenset().union(*(words_of(text) for text in scene.words.book.groups[f"talk_words_{word}"]))
    others = [thing for thing in things if thing.kind != word and thing.domain in ON_OFF_DOMAINS | {"cover"}]
    mistaken = any(said & words_of(name) for thing in others for name in thing.names)
    own = all(any(said & words_of(name) for name in thing.names) for thing in found)
    return found if own and not mistaken else None


def targets(scene: Scene) -> list[str]:
    """Return the areas and floors with devices, and all."""
    areas = [area.target for area in scene.house.areas if scene.house.inside(area.target)]
    floors = [floor.target for floor in scene.house.floors if scene.house.inside(floor.target)]
    return [*areas, *floors, "all"]


def some_place(scene: Scene, target: str) -> str | None:
    """Return how a place is said in a question; the house goes without saying more often than not."""
    if target == "all" and scene.rng.random() < 0.6:
        return ""
    return refer_group(scene, target, "in")


def pick_target(scene: Scene, weights: tuple[float, float, float] = (4, 3, 4)) -> str:
    """Return some area, some floor or all."""
    found = targets(scene)
    kinds = dict(zip(("area", "floor", "all"), weights, strict=True))
    by_kind = {name: [target for target in found if target.partition(".")[0] == name] for name in kinds}
    names = [name for name in kinds if by_kind[name]]
    name = scene.rng.choices(names, [kinds[name] for name in names])[0]
    return scene.rng.choice(by_kind[name])


def sort_of(scene: Scene, target: str, words: Sequence[str]) -> Sort | None:
    """Return some sort of devices of a place."""
    found: list[Sort] = []
    for word in words:
        things = members(scene, target, word)
        if things:
            state, other = {
                "lock": ("unlocked", "locked"),
                "light": ("on", "off"),
                "fan": ("on", "off"),
                "switch": ("on", "off"),
                "media_player": ("on", "off"),
                "tv": ("on", "off"),
                "speaker": ("on", "off"),
                "plug": ("on", "off"),
            }.get(word, ("open", "closed"))
            found.append(Sort(word, state, other, tuple(things)))
    if not found:
        return None
    # Lamps and windows are what people ask after.
    return scene.rng.choices(found, [6 if sort.word in ("light", "window", "door", "lock") else 1 for sort in found])[0]


def names_of(scene: Scene, things: Sequence[Thing]) -> str:
    """Return a list of devices with articles."""
    names = [thing.name.casefold() for thing in things]
    return listed(
        scene,
        [
            # Of two with one name the room is told.
            f"{the(scene, thing)} {in_place(scene, thing.area_id)}"
            if thing.area_id is not None and names.count(thing.name.casefold()) > 1
            else the(scene, thing)
            for thing in things
        ],
    )


def are(scene: Scene, things: Sequence[Thing], nouns: dict[str, str], state: str) -> str:
    """Return the fact that devices are in a state: their names, or how many they are, or that none is."""
    word = state_word(scene, state)
    if not things:
        return scene.words.answer("talk_none_is", state=word, **nouns)
    if len(things) > MAX_LISTED:
        return scene.words.answer("talk_many_are", value=str(len(things)), state=word, **nouns)
    names = names_of(scene, things)
    if len(things) == 1:
        return scene.words.answer("talk_one_is", names=names, state=word, **grammar(scene, things[0].name))
    return scene.words.answer("talk_several_are", names=names, state=word)


def nouns_for(scene: Scene, word: str) -> dict[str, str]:
    """Return the singular and the plural of a sort."""
    groups = scene.words.book.groups
    index = scene.rng.randrange(len(groups[f"talk_words_{word}"]))
    return {"noun": groups[f"talk_word_{word}"][index], "nouns": groups[f"talk_words_{word}"][index]}


# What people ask for by turning on and off, and by opening and closing.
SWITCHED = ("light", "fan", "switch", "tv", "speaker", "plug")


OPENED = ("window", "door", "blind", "curtain", "shutter", "cover")


@kind("tell_several", 6)
def tell_several(scene: Scene) -> Example | None:
    """Ask which devices of a sort are on or open, whether any are, or whether all are not."""
    target = pick_target(scene)
    sort = sort_of(scene, target, (*SWITCHED, *OPENED, "lock"))
    place = some_place(scene, target)
    if sort is None or place is None or (len(sort.members) < 2 and scene.rng.random() < 0.8):
        return None
    if sort.word == "lock":
        target, place = "all", ""
        sort = sort_of(scene, "all", ("lock",)) or sort
    nouns = nouns_for(scene, sort.word)
    found, rest = sort.those(), sort.those(otherwise=True)
    verb = {"on": "on", "open": "open", "unlocked": "unlocked"}[sort.state]
    none = {"on": "talk_all_off", "open": "talk_all_closed", "unlocked": "talk_all_locked"}[sort.state]
    forms: list[tuple[str, float]] = [(f"talk_any_{verb}", 4), (f"talk_which_{verb}", 3), (none, 3)]
    if sort.state == "on":
        forms += [("talk_all_on", 0.7), ("talk_which_off", 0.7)]
    group = scene.rng.choices([name for name, _ in forms], [weight for _, weight in forms])[0]
    said = scene.words.say(group, place=place, **nouns)
    if group == none:
        fact = (
            are(scene, found, nouns, sort.state)
            if found
            else scene.words.answer("talk_all_are", state=state_word(scene, sort.other), **nouns)
        )
        return tells(scene, "tell_several", said, fact, not found)
    if group == "talk_all_on":
        fact = are(scene, rest, nouns, "off") if rest else scene.words.answer("talk_all_are", state="on", **nouns)
        return tells(scene, "tell_several", said, fact, not rest)
    if group == "talk_which_off":
        return tells(scene, "tell_several", said, are(scene, rest, nouns, "off"))
    yes = bool(found) if group.startswith("talk_any") else None
    return tells(scene, "tell_several", said, are(scene, found, nouns, sort.state), yes)


@kind("tell_room_lights", 1.5)
def tell_room_lights(scene: Scene) -> Example | None:
    """Ask whether the lights of a room are on."""
    areas = [area for area in scene.house.areas if len(scene.house.inside(area.target, "light")) > 0]
    if not areas:
        return None
    area = scene.rng.choice(areas)
    lights = [thing for thing in scene.house.inside(area.target, "light") if thing.state not in UNKNOWN]
    place, called = refer_group(scene, area.target, "in"), refer_group(scene, area.target, "bare", here=False)
    if not lights or place is None or called is None:
        return None
    nouns = {
        "noun": scene.words.book.groups["talk_word_light"][0],
        "nouns": scene.words.book.groups["talk_words_light"][0],
    }
    said = scene.words.say("talk_lights_on", place=place, area=called, **nouns)
    found = [thing for thing in lights if thing.state == "on"]
    if len(lights) == 1:
        return tells(scene, "tell_room_lights", said, are(scene, lights, nouns, lights[0].state), bool(found))
    if not found or len(found) == len(lights):
        state = state_word(scene, "on" if found else "off")
        return tells(
            scene, "tell_room_lights", said, scene.words.answer("talk_all_are", state=state, **nouns), bool(found)
        )
    if len(found) > MAX_LISTED:
        fact = scene.words.answer("talk_only_many", value=str(len(found)), state="on", **nouns)
    else:
        several = len(found) > 1
        fact = scene.words.answer(
            "talk_only_several" if several else "talk_only",
            names=names_of(scene, found),
            state=state_word(scene, "on"),
            **grammar(scene, found[0].name),
        )
    return tells(scene, "tell_room_lights", said, fact)


@kind("tell_anything", 3)
def tell_anything(scene: Scene) -> Example | None:
    """Ask what is on in a place, or whether anything is."""
    target = pick_target(scene, (6, 2, 1))
    place = some_place(scene, target)
    things = [thing for thing in scene.house.inside(target, *ON_OFF_DOMAINS) if thing.state not in UNKNOWN]
    if place is None or not things:
        return None
    found = [thing for thing in things if in_state(thing)]
    if len(found) > MAX_LISTED:
        return None
    any_of = scene.rng.random() < 0.5
    said = scene.words.say("talk_anything_on" if any_of else "talk_what_is_on", place=place)
    if not found:
        fact = scene.words.answer("talk_nothing_is", state=state_word(scene, "on"))
    else:
        fact = are(scene, found, {}, "on")
    return tells(scene, "tell_anything", said, fact, bool(found) if any_of else None)


@kind("tell_playing", 1.6)
def tell_playing(scene: Scene) -> Example | None:
    """Ask what is playing in a place."""
    target = pick_target(scene, (6, 1, 4))
    players = [thing for thing in scene.house.inside(target, "media_player") if thing.state not in UNKNOWN]
    if not players:
        return None
    playing = [thing for thing in players if thing.state == "playing"]
    if len(playing) > 2 or any(not thing.attributes.get("media_title") for thing in playing):
        return None
    if target == "all" and scene.rng.random() < 0.7:
        said = scene.words.say("talk_what_plays_here")
    else:
        place = some_place(scene, target)
        if place is None:
            return None
        said = scene.words.say("talk_anything_playing", place=place)
    facts = [
        scene.words.answer(
            "talk_plays",
            the_name=the(scene, thing),
            title=str(thing.attributes["media_title"]),
            **grammar(scene, thing.name),
        ).rstrip(".")
        for thing in playing
    ]
    if not facts:
        return tells(scene, "tell_playing", said, scene.words.answer("talk_nothing_plays"))
    return tells(scene, "tell_playing", said, f"{listed(scene, facts)}.")
