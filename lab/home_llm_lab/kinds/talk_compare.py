"""Questions that compare: the warmest room, the lowest battery, above or below so many degrees."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import tidy
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_climate import places, room_humidity, room_temperature
from home_llm_lab.kinds.talk_common import UNKNOWN, in_place, number, reading, tells, the
from home_llm_lab.kinds.talk_outside import outside_temperature


def _rooms(scene: Scene, what: str) -> dict[str, tuple[float, str]]:
    """Return what is known of every room, by its id: the value, and how it is said."""
    known = room_temperature if what == "temperature" else room_humidity
    areas = [area.area_id for area in scene.house.areas if scene.house.inside(area.target)]
    return {area_id: found for area_id in areas if (found := known(scene, area_id))}


@kind("tell_most", 3)
def tell_most(scene: Scene) -> Example | None:
    """Ask which room is the warmest, the coldest or the most humid."""
    what = scene.rng.choices(("temperature", "humidity"), (5, 1))[0]
    rooms = _rooms(scene, what)
    if len(rooms) < 2:
        return None
    most = scene.rng.random() < 0.5
    order = sorted(rooms, key=lambda area_id: rooms[area_id][0], reverse=most)
    if rooms[order[0]][0] == rooms[order[1]][0]:
        return None
    group, word = {
        ("temperature", True): ("talk_warmest", "talk_warmest_word"),
        ("temperature", False): ("talk_coldest", "talk_coldest_word"),
        ("humidity", True): ("talk_most_humid", "talk_humid_word"),
        ("humidity", False): ("talk_least_humid", "talk_dry_word"),
    }[what, most]
    area = scene.house.area(order[0])
    if area is None:
        return None
    said = scene.words.say(group)
    text = scene.words.answer("talk_most", area=area.name, most=scene.words.answer(word), value=rooms[order[0]][1])
    return tells(scene, "tell_most", said, tidy(scene, text, area.name))


@kind("tell_which_of_two", 1.5)
def tell_which_of_two(scene: Scene) -> Example | None:
    """Ask which of two rooms is warmer, or whether one is warmer than the other."""
    rooms = _rooms(scene, "temperature")
    if len(rooms) < 2:
        return None
    first, second = scene.rng.sample(sorted(rooms), 2)
    slots, others = places(scene, first), places(scene, second)
    if slots is None or others is None:
        return None
    warm = scene.rng.random() < 0.6
    slots |= {"other_place": others["place"], "the_other_area": others["the_area"]}
    better = [area_id for area_id in (first, second) if rooms[area_id][0] == _extreme(rooms, first, second, warm=warm)]
    word = scene.words.answer("talk_warmer_word" if warm else "talk_colder_word")
    if len(better) == 2:
        fact = scene.words.answer("talk_equal", value=rooms[first][1])
    else:
        fact = scene.words.answer(
            "talk_it_is_more", more=word, in_area=in_place(scene, better[0]), value=rooms[better[0]][1]
        )
    if scene.rng.random() < 0.4:
        said = scene.words.say("talk_warmer_than" if warm else "talk_colder_than", **slots)
        return tells(scene, "tell_which_of_two", said, fact, better == [first])
    return tells(
        scene, "tell_which_of_two", scene.words.say("talk_warmer_of" if warm else "talk_colder_of", **slots), fact
    )


def _extreme(rooms: dict[str, tuple[float, str]], first: str, second: str, *, warm: bool) -> float:
    values = (rooms[first][0], rooms[second][0])
    return max(values) if warm else min(values)


@kind("tell_warmer_outside", 1)
def tell_warmer_outside(scene: Scene) -> Example | None:
    """Ask whether it is warmer inside or outside."""
    rooms, outside = _rooms(scene, "temperature"), outside_temperature(scene)
    if not rooms or outside is None:
        return None
    area_id = scene.rng.choice(sorted(rooms))
    slots = places(scene, area_id)
    if slots is None or rooms[area_id][0] == outside[0]:
        return None
    word = scene.words.answer("talk_warmer_word")
    if outside[0] > rooms[area_id][0]:
        fact = scene.words.answer("talk_outside_is_more", more=word, value=outside[1])
    else:
        fact = scene.words.answer(
            "talk_it_is_more", more=word, in_area=in_place(scene, area_id), value=rooms[area_id][1]
        )
    return tells(scene, "tell_warmer_outside", scene.words.say("talk_warmer_than_outside", **slots), fact)


@kind("tell_bound", 2.5)
def tell_bound(scene: Scene) -> Example | None:
    """Ask whether it is warmer or colder than so many degrees in a room."""
    rooms = _rooms(scene, "temperature")
    if not rooms:
        return None
    area_id = scene.rng.choice(sorted(rooms))
    slots = places(scene, area_id)
    value, text = rooms[area_id]
    bound = round(value) + scene.rng.choice((-5, -3, -2, -1, 1, 2, 3, 5))
    if slots is None or bound == value:
        return None
    above = scene.rng.random() < 0.5
    said = scene.words.say("talk_is_above" if above else "talk_is_below", value=str(bound), place=slots["place"])
    fact = scene.words.answer("talk_temperature", value=text, in_area=in_place(scene, area_id))
    return tells(scene, "tell_bound", said, fact, (value > bound) == above)


@kind("tell_battery", 1.5)
def tell_battery(scene: Scene) -> Example | None:
    """Ask which battery is the lowest."""
    sensors = scene.house.inside("all", "sensor")
    batteries = [thing for thing in sensors if thing.device_class == "battery" and thing.state not in UNKNOWN]
    found = [(float(thing.state), thing) for thing in batteries]
    low = scene.rng.random() < 0.8
    found.sort(key=lambda item: item[0], reverse=not low)
    if len(found) < 2 or found[0][0] == found[1][0]:
        return None
    fact = scene.words.answer(
        "talk_lowest_is" if low else "talk_highest_is", the_name=the(scene, found[0][1]), value=reading(found[0][1])
    )
    said = scene.words.say("talk_lowest_battery" if low else "talk_highest_battery")
    return tells(scene, "tell_battery", said, fact)


@kind("tell_brightest", 1.5)
def tell_brightest(scene: Scene) -> Example | None:
    """Ask which light is the brightest, or which loudspeaker the loudest."""
    found: list[tuple[int, Thing]] = []
    loud = scene.rng.random() < 0.3
    for thing in scene.house.inside("all", "media_player" if loud else "light"):
        value = thing.attributes.get("volume_level" if loud else "brightness")
        if isinstance(value, (int, float)) and thing.state not in UNKNOWN and thing.state != "off":
            found.append((round(value * 100 if loud else value / 255 * 100), thing))
    found.sort(key=lambda item: item[0], reverse=True)
    if len(found) < 2 or found[0][0] == found[1][0]:
        return None
    word = "speaker" if loud else "light"
    groups = scene.words.book.groups
    nouns = {"noun": groups[f"talk_word_{word}"][0], "nouns": groups[f"talk_words_{word}"][0]}
    said = scene.words.say("talk_loudest" if loud else "talk_brightest", **nouns)
    most = scene.words.answer("talk_loudest_word" if loud else "talk_brightest_word")
    value = scene.words.answer("talk_percent", value=number(found[0][0]))
    fact = scene.words.answer("talk_highest", the_name=the(scene, found[0][1]), most=most, value=value)
    return tells(scene, "tell_brightest", said, fact)
