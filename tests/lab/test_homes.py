"""Random houses: plausible, the same for the same seed, and those of tests with names of their own."""

from __future__ import annotations

import random

import pytest
from home_llm_lab.homes import VocabularyError, hide, make_house, restate
from home_llm_lab.homes.capabilities import DOMAINS
from home_llm_lab.homes.making import is_plain
from home_llm_lab.homes.rooms import HOUSE_THINGS, ROOMS, THINGS
from home_llm_lab.homes.states import STATE_ATTRIBUTES
from home_llm_lab.homes.vocabulary import load_vocabulary

LANGUAGES = ("en", "de", "fr", "es", "pl")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_gives_the_same_house(language):
    """A house follows from its seed and its language alone."""
    assert make_house(11, language) == make_house(11, language)
    assert make_house(11, language) != make_house(12, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_houses_are_plausible(language):
    """Sizes, areas, floors and references are within what a house can be."""
    for seed in range(60):
        house = make_house(seed, language)
        areas = {area.area_id for area in house.areas}
        floors = {floor.floor_id for floor in house.floors}
        assert (0 if is_plain(seed) else 2) <= len(house.areas) <= 14
        assert len(house.floors) <= 5
        assert 3 <= len(house.things) <= 150
        assert all(area.floor_id is None or area.floor_id in floors for area in house.areas)
        assert all(thing.area_id is None or thing.area_id in areas for thing in house.things)
        assert len({thing.entity_id for thing in house.things}) == len(house.things)
        assert all(thing.domain == DOMAINS[thing.kind] for thing in house.things)


def test_names_are_unique_where_they_have_to_be():
    """Two things of one name are never in one area, and no alias is anybody else's name."""
    for seed in range(80):
        house = make_house(seed, "en")
        places = [(thing.name.casefold(), thing.area_id) for thing in house.things]
        assert len(set(places)) == len(places)
        names = {thing.name.casefold() for thing in house.things}
        aliases = [alias.casefold() for thing in house.things for alias in thing.aliases]
        assert not names & set(aliases)
        assert len(set(aliases)) == len(aliases)


def test_houses_have_everything_now_and_then():
    """Many houses together have every kind of thing, unexposed things, aliases, duplicates and no floors."""
    houses = [make_house(seed, "en") for seed in range(400)]
    things = [thing for house in houses for thing in house.things]
    assert {thing.kind for thing in things} == set(DOMAINS)
    assert 0.05 < sum(not thing.exposed for thing in things) / len(things) < 0.11
    assert 0.15 < sum(bool(thing.aliases) for thing in things) / len(things) < 0.3
    assert any(not house.floors for house in houses)
    assert any(not house.metric for house in houses)
    assert any(len({thing.name for thing in house.things}) < len(house.things) for house in houses)


def test_another_moment_keeps_the_house():
    """Only states and what belongs to them change from one moment to the next."""
    house = make_house(3, "en")
    later = restate(house, random.Random(1))
    assert later.areas == house.areas
    assert [thing.names for thing in later.things] == [thing.names for thing in house.things]
    for before, after in zip(house.things, later.things, strict=True):
        kept = {key: value for key, value in before.attributes.items() if key not in STATE_ATTRIBUTES}
        assert kept == {key: value for key, value in after.attributes.items() if key not in STATE_ATTRIBUTES}
    assert any(before.state != after.state for before, after in zip(house.things, later.things, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_some_houses_are_plain(language):
    """About one in seven has few things under plain names, no floors, and now and then no areas either."""
    seeds = [seed for seed in range(200) if is_plain(seed)]
    houses = [make_house(seed, language) for seed in seeds]
    assert 15 < len(houses) < 45
    assert all(len(house.things) <= 12 and not house.floors for house in houses)
    assert not any(thing.aliases for house in houses for thing in house.things)
    assert any(not house.areas for house in houses)
    assert any(house.areas for house in houses)
    lights = [len(house.inside(area.target, "light")) for house in houses for area in house.areas]
    assert lights.count(1) > len(lights) / 3


def test_a_few_devices_are_hidden():
    """Some of what can be told to do something is not known any more, everything else stays as it was."""
    house = make_house(3, "en")
    less = hide(house, random.Random(1))
    gone = {thing.entity_id for thing in house.exposed} - {thing.entity_id for thing in less.exposed}
    assert 1 <= len(gone) <= 5
    assert not {entity_id.partition(".")[0] for entity_id in gone} & {"sensor", "binary_sensor", "person"}
    assert [thing.entity_id for thing in less.things] == [thing.entity_id for thing in house.things]
    assert {thing.entity_id for thing in less.exposed} < {thing.entity_id for thing in house.exposed}


def test_moments_follow_from_chance_alone():
    """The same source of chance gives the same moment."""
    house = make_house(5, "de")
    assert restate(house, random.Random(9)) == restate(house, random.Random(9))


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_test_houses_are_in_no_other_house(language):
    """No device of a test house is called like one of a training house, but for the sun."""
    seen = _names(make_house(seed, language) for seed in range(250))
    unseen = _names(make_house(seed, language, held_out=True) for seed in range(1000, 1060))
    assert len(unseen) > 300
    # A name that two words make and that is also a word itself is left out when data is built.
    assert len(unseen & seen) <= 2


def test_training_never_sees_the_words_that_are_held_out():
    """Words that are kept from training name nothing there, and are found in test houses."""
    words = load_vocabulary("en")
    lists = [words.list("things", kind) for kind in words.words["things"]]
    held = {word for group in lists for word in group if words.unseen(word, group)}
    assert len(held) > 15
    train = {thing.name for seed in range(200) for thing in make_house(seed, "en").things}
    test = {thing.name for seed in range(100) for thing in make_house(seed, "en", held_out=True).things}
    assert not held & train
    assert held & test


def test_every_room_has_things_and_every_thing_a_domain():
    """The tables of rooms and things speak of each other."""
    assert {kind for kind, *_ in ROOMS} == set(THINGS)
    assert {kind for room in THINGS.values() for kind in room} | {kind for kind, *_ in HOUSE_THINGS} <= set(DOMAINS)


def test_a_language_without_words_says_so():
    """A house in a language that has no vocabulary is refused with the name of the missing file."""
    with pytest.raises(VocabularyError, match=r"xx\.yaml"):
        make_house(1, "xx")


def _names(houses):
    return {
        name.casefold() for house in houses for thing in house.things for name in thing.names if thing.kind != "sun"
    }
