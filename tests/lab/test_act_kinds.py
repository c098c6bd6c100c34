"""Orders: what people say to a house, what is called for it, and what that means."""

import itertools
import random
from pathlib import Path

import home_llm_lab.phrases
import pytest
import yaml
from home_llm_lab.example import Example
from home_llm_lab.homes import make_house
from home_llm_lab.house import Area, Floor, House, Thing
from home_llm_lab.kinds.act_common import ORDERS
from home_llm_lab.kinds.act_numbers import in_words, say_number
from home_llm_lab.kinds.act_timer import canonical
from home_llm_lab.kinds.refer import ambiguous, fits_one, refer, refer_group
from home_llm_lab.kinds.registry import Scene, load_kinds, make_example
from home_llm_lab.phrases.book import Words, load_book
from home_llm_lab.phrases.template import say, slots

_PHRASES = Path(home_llm_lab.phrases.__path__[0]) / "en"


def scene_of(house, seed=1, area_id=None, *, held_out=False):
    """Return a scene in a house."""
    rng = random.Random(seed)
    return Scene(house, Words(load_book(house.language), rng, held_out), rng, area_id)


def lamp(object_id, name, area_id, kind="ceiling_light", **more):
    """Return a lamp that can be dimmed."""
    attributes = {"supported_color_modes": ["brightness"], "brightness": 128}
    return Thing(f"light.{object_id}", name, kind, area_id, "on", attributes, **more)


HOUSE = House(
    1,
    "en",
    (Floor("up", "First Floor", (), "upper"), Floor("down", "Ground Floor")),
    (
        Area("kitchen", "Kitchen", ("Cooking Area",), "down", "kitchen"),
        Area("annas_room", "Anna's Room", (), "up", "kids_room"),
        Area("hall", "Hall", (), "down", "hallway"),
    ),
    (
        lamp("one", "Kitchen Light", "kitchen"),
        lamp("two", "Counter Lamp", "kitchen", "counter_light"),
        lamp("three", "Ikea Floor Lamp", "annas_room", "floor_lamp"),
        lamp("four", "Ceiling Lamp", "hall"),
    ),
)


@pytest.mark.parametrize("path", sorted(_PHRASES.glob("act_*.yaml")), ids=lambda path: path.stem)
def test_templates_parse(path):
    """Every template is well formed and says something once its slots are filled."""
    rng = random.Random(1)
    for group, templates in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assert templates, group
        for template in templates:
            values = dict.fromkeys(slots(template), "this")
            assert all(say(template, values, rng).strip() for _ in range(5)), template


@pytest.fixture(scope="module")
def examples() -> dict[str, list[Example]]:
    """Return examples of every kind of order, made in as many houses as it takes."""
    found: dict[str, list[Example]] = {name: [] for name in load_kinds() if name.startswith("act_")}
    for seed in range(100, 300):
        house = make_house(seed, "en")
        rng = random.Random(seed)
        for name, made in found.items():
            example = make_example(house, rng, name=name) if len(made) < 5 else None
            if example is not None:
                made.append(example)
    return found


def test_every_kind_makes_examples(examples):
    """There is no kind of order that no house has anything for."""
    assert [name for name, made in examples.items() if not made] == []


def test_orders_call_something_and_mean_something(examples):
    """Every order calls something, means some effect, and is answered with one sentence."""
    for example in itertools.chain(*examples.values()):
        turn = example.turns[-1]
        assert turn.act == "act"
        assert turn.calls
        # The timers of a satellite are no device.
        assert turn.effects or turn.calls[0].service.startswith("assist.")
        assert turn.reply.endswith((".", "!"))
        assert "{" not in turn.said + turn.reply
        assert "  " not in turn.said


def test_effects_are_on_exposed_devices(examples):
    """What is meant is a device of the house that the assistant may know of."""
    for seed in (100, 101, 102):
        house = make_house(seed, "en")
        known = {thing.entity_id for thing in house.exposed}
        for name in examples:
            example = make_example(house, random.Random(seed), name=name)
            assert example is None or set(example.turns[-1].effects) <= known


def test_the_same_seed_says_the_same():
    """Examples are the same for the same house and the same chance."""
    house = make_house(7, "en")
    told = [make_example(house, random.Random(3), name="act_switch_light") for _ in range(2)]
    assert told[0] == told[1]


def test_words_of_test_are_not_those_of_training():
    """A group of templates says nothing in the test split that it says in training."""
    book = load_book("en")
    for group in ("act_on", "act_off", "act_brightness", "act_lights_on", "act_frame"):
        train = set(book.templates(group, held_out=False))
        assert train
        assert not train & set(book.templates(group, held_out=True))


@pytest.mark.parametrize("seed", range(60))
def test_references_fit_exactly_one(seed):
    """Whatever a device is called in a random house, no other device is called so."""
    house = make_house(1000 + seed, "en")
    scene = scene_of(house, seed, random.Random(seed).choice([None, *(area.area_id for area in house.areas)]))
    for thing in house.exposed:
        phrase = refer(scene, thing)
        if phrase is not None:
            assert fits_one(scene, phrase, thing)
            others = [other for other in house.exposed if other is not thing and other.domain == thing.domain]
            assert not any(fits_one(scene, phrase, other) for other in others), phrase


def test_a_name_wins_over_a_noun():
    """What is called Ceiling Lamp is meant by it, though the kitchen has a ceiling lamp of another name."""
    scene = scene_of(HOUSE)
    named = HOUSE.thing("light.four")
    assert fits_one(scene, "the ceiling lamp", named)
    assert not any(fits_one(scene, "the ceiling lamp", thing) for thing in HOUSE.things if thing is not named)


def test_a_lamp_called_light_is_one_of_many():
    """A lamp whose whole name is Light is not meant by it in a house of lamps."""
    named = lamp("five", "Light", "hall")
    house = House(1, "en", (), HOUSE.areas, (lamp("one", "Kitchen Lamp", "kitchen"), named))
    assert not fits_one(scene_of(house), "the light", named)
    assert fits_one(scene_of(house), "the hall light", named)
    assert fits_one(scene_of(House(1, "en", (), HOUSE.areas, (named,))), "the light", named)


def test_a_noun_needs_a_place_where_there_are_several():
    """The lamp of a room with two lamps is nobody in particular; the only one of a room is."""
    scene = scene_of(HOUSE)
    assert not fits_one(scene, "the lamp in the kitchen", HOUSE.thing("light.one"))
    assert fits_one(scene, "the lamp in Anna's Room", HOUSE.thing("light.three"))
    assert not fits_one(scene, "the lamp", HOUSE.thing("light.three"))
    assert fits_one(scene_of(HOUSE, area_id="annas_room"), "the lamp", HOUSE.thing("light.three"))


def test_places_are_spoken_of():
    """Rooms, floors and the house have words; the speaker's room is here."""
    told = {refer_group(scene_of(HOUSE, seed, "kitchen"), "area.kitchen") for seed in range(60)}
    assert {"in the kitchen", "in the Kitchen", "in here"} <= told
    told = {refer_group(scene_of(HOUSE, seed), "area.annas_room") for seed in range(60)}
    assert told == {"in anna's room", "in Anna's Room"}
    told = {refer_group(scene_of(HOUSE, seed), "floor.up") for seed in range(60)}
    assert {"upstairs", "on the first floor"} <= told
    assert refer_group(scene_of(HOUSE), "area.nowhere") is None


def test_ambiguous_nouns_fit_several():
    """A noun that is found ambiguous fits several devices and is nobody's name."""
    found = ambiguous(scene_of(HOUSE), "light")
    assert found is not None
    phrase, things = found
    assert len(things) > 1
    assert not any(fits_one(scene_of(HOUSE), phrase, thing) for thing in things)


def test_numbers_in_words():
    """Numbers are said in words as people say them."""
    scene = scene_of(HOUSE)
    assert in_words(scene, 17) == "seventeen"
    assert {in_words(scene, 42) for _ in range(20)} == {"forty two", "forty-two"}
    assert {in_words(scene, 21.5) for _ in range(40)} >= {"twenty one and a half", "twenty-one point five"}
    assert in_words(scene, 101) is None
    assert in_words(scene, 0.3) is None
    assert "half" in {say_number(scene, "percent", 50) for _ in range(40)}


def test_durations_as_calls_have_them():
    """Seconds become hours, minutes and seconds with their plurals."""
    assert canonical(5400) == "1 hour 30 minutes"
    assert canonical(61) == "1 minute 1 second"


def test_a_step_on_the_thermostat_adds_to_the_prompt():
    """Warmer is what the thermostat is set to, and something more."""
    attributes = {
        "supported_features": 1,
        "temperature": 20,
        "min_temp": 7,
        "max_temp": 30,
        "hvac_modes": ["off", "heat"],
    }
    thing = Thing("climate.a", "Thermostat", "thermostat", "kitchen", "heat", attributes)
    house = House(1, "en", (), HOUSE.areas, (thing,))
    for seed in range(30):
        made = ORDERS["temperature_step"][1](scene_of(house, seed))
        assert made is not None
        value = made.calls[0].arguments["temperature"]
        assert value != 20
        assert (value > 20) == ("warmer" in made.groups[0])


def test_except_leaves_out_what_is_said():
    """What is left out of a call is left out of what is meant."""
    for seed in range(40):
        made = ORDERS["lights_except"][1](scene_of(HOUSE, seed))
        if made is None:
            continue
        left_out = made.calls[0].arguments["except"]
        assert left_out
        for target in left_out:
            inside = [target] if target.startswith("light.") else [thing.entity_id for thing in HOUSE.inside(target)]
            assert not set(inside) & set(made.effects)
        assert made.effects
