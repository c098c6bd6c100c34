"""Questions, refusals and conversations of the lab: what is answered is so in the house."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from home_llm_lab.example import Example
from home_llm_lab.homes import make_house
from home_llm_lab.house import Area, Floor, House, Thing
from home_llm_lab.kinds import registry
from home_llm_lab.kinds.alpaca import AlpacaError, load_alpaca
from home_llm_lab.kinds.noise import noisy, spelled
from home_llm_lab.kinds.refer import words_of
from home_llm_lab.kinds.registry import load_kinds, make_example

from custom_components.home_llm.home_format import render_device
from custom_components.home_llm.service_types import Device

_DIMMABLE = {"supported_color_modes": ["brightness"]}


def _lamp(name: str, area: str, state: str, brightness: int | None = None) -> Thing:
    attributes = dict(_DIMMABLE) if brightness is None else {**_DIMMABLE, "brightness": brightness}
    return Thing(f"light.{name.lower().replace(' ', '_')}", name, "lamp", area, state, attributes)


def _measured(name: str, area: str, what: str, state: str, unit: str) -> Thing:
    attributes = {"device_class": what, "unit_of_measurement": unit}
    return Thing(f"sensor.{name.lower().replace(' ', '_')}", name, f"{what}_sensor", area, state, attributes)


def _contact(name: str, area: str, state: str) -> Thing:
    attributes = {"device_class": "window"}
    return Thing(f"binary_sensor.{name.lower().replace(' ', '_')}", name, "window_sensor", area, state, attributes)


COTTAGE = House(
    1,
    "en",
    (Floor("ground", "Ground Floor"), Floor("upper", "Upstairs", (), "upper")),
    (
        Area("kitchen", "Kitchen", (), "ground", "kitchen"),
        Area("bedroom", "Bedroom", (), "upper", "bedroom"),
        Area("study", "Study", (), "upper", "office"),
    ),
    (
        _lamp("Sink Lamp", "kitchen", "on", 102),
        _lamp("Stove Lamp", "kitchen", "off"),
        _lamp("Moon", "bedroom", "on", 255),
        _lamp("Desk Lamp", "study", "off"),
        _measured("Kitchen Temperature", "kitchen", "temperature", "21.5", "°C"),
        _measured("Bedroom Temperature", "bedroom", "temperature", "17.2", "°C"),
        _measured("Study Temperature", "study", "temperature", "23", "°C"),
        _contact("Kitchen Window", "kitchen", "on"),
        _contact("Bedroom Window", "bedroom", "off"),
        Thing("lock.front_door", "Front Door", "door_lock", "kitchen", "locked"),
        Thing("person.anna", "Anna", "person", None, "home"),
        Thing("person.ben", "Ben", "person", None, "not_home"),
    ),
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let words be as they were said: a typo in a room is more than these checks can read."""
    monkeypatch.setattr(registry, "_NOISE", 0)


def _many(kind: str, house: House = COTTAGE, count: int = 150) -> list[Example]:
    """Return many examples of a kind in a house, said by Al."""
    rng = random.Random(f"{kind}/{house.seed}")
    made = [make_example(house, rng, name=kind, persona="al") for _ in range(count)]
    return [example for example in made if example is not None]


def _clear(text: str) -> str:
    return re.sub(r"[?.!,]", "", text.lower())


def test_counts_are_those_of_the_place() -> None:
    """Verify that as many lights are counted as are on, off or there, everywhere and in the place that was told."""
    inside = {"": (2, 2, 4), "kitchen": (1, 1, 2), "ground": (1, 1, 2), "bedroom": (1, 0, 1), "study": (0, 1, 1)}
    inside |= {"upstairs": (1, 1, 2), "downstairs": (1, 1, 2)}
    checked = 0
    for example in _many("tell_count", count=600):
        said, reply = _clear(example.turns[0].said), example.turns[0].reply
        if "lights" not in said or example.area_id is not None:
            continue
        place = next((name for name in inside if name and name in said), "")
        on, off, there = inside[place]
        if match := re.fullmatch(r"(\d+|No) lights? (?:is|are) (on|off)\.", reply):
            told = 0 if match[1] == "No" else int(match[1])
            assert told == (on if match[2] == "on" else off), (said, reply)
        elif match := re.fullmatch(r"There (?:is|are) (\d+) lights?\.", reply):
            assert int(match[1]) == there, (said, reply)
        else:
            # The names of all of them.
            assert len(re.findall(r"Lamp|Moon", reply)) == there, (said, reply)
        checked += 1
    assert checked > 100


def test_which_and_whether_name_those_that_are_so() -> None:
    """Verify that lists hold all that are on and no other, and begin with the right yes or no."""
    lit = {"Sink Lamp", "Moon"}
    checked = 0
    for example in _many("tell_several", count=900):
        said, reply = _clear(example.turns[0].said), example.turns[0].reply
        if "light" not in said or any(word in said for word in ("kitchen", "bedroom", "study", "floor", "stairs")):
            continue
        if example.area_id is not None or "here" in said or "this room" in said:
            continue
        named = {thing.name for thing in COTTAGE.things if thing.domain == "light" and thing.name in reply}
        asks_off = "which" in said and re.search(r"\boff\b", said)
        asks_all_on = re.search(r"\b(all|every)\b.*\bon\b", said) and "off" not in said
        dark = {"Stove Lamp", "Desk Lamp"}
        assert named == (dark if asks_off or reply.endswith("off.") else lit), (said, reply)
        if reply.startswith(("Yes", "No")) and not asks_all_on:
            assert reply.startswith("No") == bool(re.search(r"\boff\b", said)), (said, reply)
        checked += 1
    assert checked > 40


def test_comparisons_name_the_extreme() -> None:
    """Verify that the warmest and the coldest room are those with the highest and the lowest reading."""
    replies = Counter(example.turns[0].reply for example in _many("tell_most"))
    assert set(replies) == {"The Study is the warmest, at 23 °C.", "The Bedroom is the coldest, at 17.2 °C."}
    order = {"study": 23.0, "kitchen": 21.5, "bedroom": 17.2}
    for example in _many("tell_which_of_two"):
        said, reply = _clear(example.turns[0].said), example.turns[0].reply
        found = re.search(r"(warmer|colder) in the (\w+), at ([\d.]+) °C", reply)
        assert found is not None, reply
        assert order[found[2].lower()] == float(found[3])
        rooms = [room for room in order if room in said]
        if len(rooms) == 2:
            extreme = max if found[1] == "warmer" else min
            assert found[2].lower() == extreme(rooms, key=order.__getitem__), (said, reply)


def test_bounds_are_answered_by_the_reading() -> None:
    """Verify that above and below are told right."""
    order = {"study": 23.0, "kitchen": 21.5, "bedroom": 17.2}
    checked = 0
    for example in _many("tell_bound"):
        said, reply = _clear(example.turns[0].said), example.turns[0].reply
        number, room = re.search(r"\b(\d+)\b", said), next((room for room in order if room in said), None)
        if number is None or room is None:
            continue
        above = bool(re.search(r"warmer|hotter|above|over|more|higher", said))
        assert reply.startswith("Yes" if (order[room] > int(number[1])) == above else "No"), (said, reply)
        checked += 1
    assert checked > 30


def test_people_are_where_their_line_says() -> None:
    """Verify who is told to be at home and away."""
    replies = {example.turns[0].reply for example in (*_many("tell_who"), *_many("tell_person"))}
    assert replies <= {
        "Anna is home.",
        "Yes, Anna is home.",
        "No, Anna is home.",
        "Ben is away.",
        "No, Ben is away.",
        "Yes, Ben is away.",
        "1 person is home.",
    }
    for example in _many("tell_person"):
        if re.search(r"\b(?:home|here)\b", example.turns[0].said) and not re.search(
            r"left|not home|out of", example.turns[0].said
        ):
            assert example.turns[0].reply in ("Yes, Anna is home.", "No, Ben is away.", "Ben is away.")


@pytest.mark.parametrize("seed", range(12))
def test_states_are_those_of_the_line(seed: int) -> None:
    """Verify that what is told of a device in any house stands in its line of the prompt, in the same figures."""
    house = make_house(seed, "en")
    lines = {}
    for thing in house.exposed:
        device = Device(thing.entity_id, thing.name, thing.state, thing.attributes)
        lines[thing.name] = render_device(device)
    for example in _many("tell_device", house, 60):
        reply = example.turns[0].reply
        named = max((name for name in lines if name.lower() in reply.lower()), key=len, default=None)
        assert named is not None, reply
        told = re.sub(re.escape(named), "", reply, flags=re.IGNORECASE)
        same = [line for name, line in lines.items() if name.lower() == named.lower()]
        same += [line for thing in house.exposed if thing.name.lower() == named.lower() for line in [_line(thing)]]
        for figure in re.findall(r"\d+(?:\.\d+)?", told):
            assert any(re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", line) for line in same), (reply, same)


def _line(thing: Thing) -> str:
    return render_device(Device(thing.entity_id, thing.name, thing.state, thing.attributes))


@pytest.mark.parametrize(
    "kind", ["refuse_device", "refuse_room", "refuse_hidden", "refuse_name", "refuse_near", "refuse_gone"]
)
def test_what_is_refused_is_not_there(kind: str) -> None:
    """Verify that nothing that the assistant knows of goes by the name that is said not to be there."""
    checked = 0
    for seed in range(25):
        house = make_house(seed, "en")
        for example in _many(kind, house, 12):
            reply = example.turns[-1].reply
            found = re.fullmatch(r"There (?:is|are) no (.+)\.", reply)
            assert found is not None, reply
            meant = words_of(found[1])
            places = (*house.areas, *house.floors)
            for thing in house.exposed:
                assert not any(meant == words_of(name) for name in thing.names), (reply, thing)
            if kind == "refuse_room":
                assert not any(meant <= words_of(name) for place in places for name in (place.name, *place.aliases))
            assert not example.turns[-1].calls
            checked += 1
    assert checked > 40


def test_what_is_refused_nearly_is_there() -> None:
    """Verify that near misses mostly share a word with what is there, and that those that are gone are hidden ones."""
    near, gone = Counter[bool](), 0
    for seed in range(40):
        house = make_house(seed, "en")
        known = frozenset().union(*(words_of(name) for thing in house.exposed for name in thing.names))
        places = frozenset().union(*(words_of(place.name) for place in (*house.areas, *house.floors)))
        hidden = [thing for thing in house.things if not thing.exposed]
        for example in _many("refuse_near", house, 8):
            near[bool(words_of(example.turns[0].said) & (known | places))] += 1
        made = _many("refuse_gone", house, 8)
        assert hidden or not made
        gone += len(made)
    assert near[True] > 9 * near[False]
    assert min(near.total(), gone) > 40


def test_no_device_of_the_sort_is_where_none_is_told_to_be() -> None:
    """Verify that "there are no lights in the hall" is said where there are none."""
    words = {"light": "lights", "cover": "(?:blinds|curtains)", "lock": "locks", "fan": "fans", "climate": "heat"}
    checked = 0
    for seed in range(60):
        house = make_house(seed, "en")
        for example in (*_many("refuse_none", house, 6), *_many("refuse_need", house, 4)):
            reply = example.turns[0].reply
            found = re.fullmatch(
                r"There are no (.+?)(?: (?:in|on|at) (?:the )?(.+)| (upstairs|downstairs|outside))?\.", reply
            )
            assert found is not None, reply
            domain = next((name for name, noun in words.items() if re.match(noun, found[1])), None)
            area = next((area for area in house.areas if area.name == found[2]), None)
            if domain and area is not None:
                assert not house.inside(area.target, domain), reply
                checked += 1
            elif domain and found[2] is None and found[3] is None:
                assert not house.inside("all", domain), reply
                checked += 1
    assert checked > 60


def test_names_in_several_rooms_are_asked_back() -> None:
    """Verify that a name that rooms share is asked back with those rooms, and that the speaker's room settles it."""
    things = (
        Thing("light.a", "Dome Light", "ceiling_light", "kitchen", "off", _DIMMABLE),
        Thing("light.b", "Dome Light", "ceiling_light", "study", "off", _DIMMABLE),
        Thing("light.c", "Moon", "lamp", "bedroom", "off", _DIMMABLE),
    )
    house = House(2, "en", (), COTTAGE.areas, things)
    asked = _many("ask_name", house)
    assert asked
    for example in asked:
        first, last = example.turns[0], example.turns[-1]
        assert first.reply == "In the Kitchen or in the Study?"
        assert not first.calls
        assert example.area_id not in ("kitchen", "study")
        if last is not first:
            assert last.calls[0].target == ("light.a" if "kitchen" in last.said.lower() else "light.b")
    acts = [example for example in _many("act_switch_light", house, 600) if "dome" in example.turns[0].said.lower()]
    rooms = {"light.a": "kitchen", "light.b": "study"}
    by_room = [example for example in acts if not re.search("kitchen|study", example.turns[0].said.lower())]
    assert by_room
    assert all(rooms[example.turns[0].calls[0].target or ""] == example.area_id for example in by_room)


def test_rooms_with_light_are_told() -> None:
    """Verify that just those rooms are named in which a light is on."""
    replies = {example.turns[0].reply for example in _many("tell_rooms")}
    assert replies == {"In the Kitchen and in the Bedroom."}


def test_wrong_answers_touch_what_is_near() -> None:
    """Verify that a tempting answer calls a known device where the right one calls none."""
    found: Counter[str] = Counter()
    for seed in range(30):
        house = make_house(seed, "en")
        for name in ("refuse_near", "ask_which", "talk_negated", "talk_overheard"):
            for example in _many(name, house, 6):
                if example.tempting is None:
                    continue
                target = example.tempting.calls[0].target
                assert target in {thing.entity_id for thing in house.exposed}
                assert not example.turns[-1].calls
                assert example.tempting.reply
                found[name] += 1
    assert min(found[name] for name in ("refuse_near", "ask_which", "talk_negated", "talk_overheard")) > 10


def test_floors_that_are_missing_are_told() -> None:
    """Verify that a floor that a house has is never said to have nothing."""
    seen = 0
    for seed in range(60):
        house = make_house(seed, "en")
        for example in _many("refuse_floor", house, 4):
            reply = example.turns[0].reply
            assert reply.startswith("There is nothing to control "), reply
            assert not any(floor.name.lower() in reply.lower() for floor in house.floors), reply
            seen += 1
    assert seen > 30


def test_follow_ups_act_on_what_was_spoken_of() -> None:
    """Verify that a pronoun means the device of the turn before, and a correction only the other one."""
    for seed in range(15):
        house = make_house(seed, "en")
        for example in (*_many("follow_reverse", house, 6), *_many("follow_adjust", house, 6)):
            targets = {call.target for turn in example.turns for call in turn.calls}
            assert len(targets) == 1
        for example in _many("follow_correct", house, 6):
            first, last = example.turns
            assert first.calls[0].service == last.calls[0].service
            assert first.calls[0].target != last.calls[0].target


def test_questions_never_call() -> None:
    """Verify that what is asked or refused changes nothing."""
    for name in load_kinds():
        if name.startswith(("tell", "refuse", "talk")) and name != "talk_good_night":
            for example in _many(name, count=5):
                assert not any(turn.calls or turn.effects for turn in example.turns), name


def test_every_kind_is_made_somewhere() -> None:
    """Verify that no kind of talk is without a house that has what it needs."""
    missing = {name for name in load_kinds() if not name.startswith("act")}
    for seed in range(150):
        house = make_house(seed, "en")
        missing -= {name for name in missing if _many(name, house, 4)}
        if not missing:
            break
    assert not missing


def test_templates_are_filled_and_well_formed() -> None:
    """Verify that no bracket, slot or doubled sign is left in what is said or answered."""
    for seed in range(20):
        house = make_house(seed, "en")
        for name in load_kinds():
            if name.startswith("act"):
                continue
            for example in _many(name, house, 2):
                for turn in example.turns:
                    for text in (turn.said, turn.reply):
                        assert not re.search(r"[{}|\[\]]|=>| [?.,]|\?\?| {2}", text), (name, text)
                    assert turn.reply[:1] == turn.reply[:1].upper(), turn.reply


def test_personas_speak_their_way() -> None:
    """Verify that Robo beeps in every answer, and that Blackbeard sounds like a pirate."""
    rng = random.Random(5)
    for name in ("tell_device", "tell_count", "refuse_never", "talk_fact", "follow_reverse"):
        for persona, sign in (("robo", r"^Beep-Boop\."), ("blackbeard", r"^(Arr|Aye|Ahoy|Blimey)")):
            examples = [make_example(make_house(3, "en"), rng, name=name, persona=persona) for _ in range(5)]
            replies = [turn.reply for example in examples if example for turn in example.turns]
            assert replies, name
            assert all(re.search(sign, reply) for reply in replies), replies


def _numbers(text: str) -> set[str]:
    """Return the numbers of a text, those in words too."""
    found = set(re.findall(r"\d+(?:\.\d+)?", text))
    for value in range(200, 12, -1):
        if re.search(rf"\b{spelled(value)}\b", text.lower()):
            text = re.sub(rf"\b{spelled(value)}\b", " ", text.lower())
            found.add(str(value))
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Set the bedroom thermostat to 21.5 degrees.",
        "Dim the living room lights to 40 percent, please.",
        "Could you set a timer for 15 minutes?",
        "Open the blinds to 75%",
        "Set the volume of the radio to 33 percent and the TV to 18 percent.",
    ],
)
def test_noise_keeps_numbers(text: str) -> None:
    """Verify that no number is lost, made up or changed."""
    rng = random.Random(7)
    for _ in range(500):
        heard = noisy(text, rng, "en")
        assert _numbers(heard) == _numbers(text), heard


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Turn on the kitchen light.", r"\bon\b"),
        ("Switch the left lamp off now.", r"\boff?\b"),
        ("Unlock the front door.", r"\bunlock\b"),
        ("Turn off all lights but not the hall light.", r"\bnot\b"),
    ],
)
def test_noise_keeps_what_decides(text: str, kept: str) -> None:
    """Verify that the words that decide what is done stay."""
    rng = random.Random(8)
    for _ in range(400):
        assert re.search(kept, noisy(text, rng, "en").lower())


def test_noise_is_the_same_for_the_same_chance() -> None:
    """Verify that noise hangs on the source of chance alone, and that there is some."""
    text = "Could you please turn off the living room lights?"
    heard = [noisy(text, random.Random(seed), "en") for seed in range(50)]
    assert heard == [noisy(text, random.Random(seed), "en") for seed in range(50)]
    assert sum(said != text for said in heard) > 40


def test_alpaca_keeps_short_rows_and_says_what_is_wrong(tmp_path: Path) -> None:
    """Verify that short rows of both shapes are read, others left out, and bad files told."""
    rows = [
        {"instruction": "Name a color.", "input": "", "output": "Blue."},
        {"instruction": "What is a haiku?", "response": "A short poem."},
        {"instruction": "Sum it up.", "input": "A long text.", "output": "Short."},
        {"instruction": "Tell me everything.", "output": "x" * 500},
        {"instruction": "Two lines?", "output": "One.\nTwo."},
    ]
    wanted = (("Name a color.", "Blue."), ("What is a haiku?", "A short poem."))
    whole, lines, bad = tmp_path / "rows.json", tmp_path / "rows.jsonl", tmp_path / "bad.json"
    whole.write_text(json.dumps(rows))
    lines.write_text("\n".join(map(json.dumps, rows)))
    assert load_alpaca(whole) == wanted
    assert load_alpaca(lines) == wanted
    bad.write_text("[{]")
    with pytest.raises(AlpacaError, match="cannot be read"):
        load_alpaca(bad)
    bad.with_suffix(".none").write_text(json.dumps(rows[2:]))
    with pytest.raises(AlpacaError, match="no short questions"):
        load_alpaca(bad.with_suffix(".none"))
