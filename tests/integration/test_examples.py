"""Examples of commands from CSV files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant

from custom_components.home_llm.const import LANGUAGES
from custom_components.home_llm.example_files import async_examples, user_file
from custom_components.home_llm.examples import (
    DEFAULT_EXAMPLES,
    MAX_FILE_BYTES,
    ExamplesError,
    build_examples,
    read_examples,
    shipped_file,
)
from custom_components.home_llm.examples_assist import assist_call, function_call, response_examples
from custom_components.home_llm.service_catalogue import CATALOGUE, Device, Group

HOUSE = [
    Device("light.bedroom", "Bedroom Light", "on", {"supported_color_modes": ["hs"], "brightness": 102}),
    Device("light.kitchen", "Kitchen Light", "off", {"supported_color_modes": ["onoff"]}),
    Device("climate.hall", "Hall Thermostat", "heat", {"supported_features": 1, "min_temp": 5, "max_temp": 30}),
    Device("media_player.tv", "TV", "on", {"supported_features": 1}),
    Device("scene.movie", "Movie", "2026-11-20T06:00:00"),
    Device("sensor.outside", "Outside Temperature", "12.5", {"unit_of_measurement": "°C"}),
]
HEADER = "type,request,tool,response\n"


def own(tmp_path: Path, text: str) -> Path:
    """Return a file with a text."""
    path = tmp_path / "examples_en.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_english_examples() -> None:
    """A question first, then commands, each on another device where there is one, in units that people say."""
    examples = build_examples(reversed(HOUSE), read_examples(shipped_file("en")), DEFAULT_EXAMPLES)
    assert [(item.request, item.as_call.call, item.response) for item in examples] == [
        ("what is the Outside Temperature?", None, "The Outside Temperature is 12.5 °C."),
        (
            "set the Bedroom Light to 40 percent",
            "light.turn_on(light.bedroom, brightness=40)",
            "Setting the Bedroom Light to 40 percent.",
        ),
        (
            "set the Hall Thermostat to 21 degrees",
            "climate.set_temperature(climate.hall, temperature=21)",
            "Setting the Hall Thermostat to 21 degrees.",
        ),
        ("pause the TV", "media_player.media_pause(media_player.tv)", "Pausing the TV."),
        ("activate Movie", "scene.turn_on(scene.movie)", "Activating Movie."),
        ("turn on the Kitchen Light", "light.turn_on(light.kitchen)", "Turning on the Kitchen Light."),
        ("turn off the Bedroom Light", "light.turn_off(light.bedroom)", "Turning off the Bedroom Light."),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_examples(language: str) -> None:
    """All five files can be read, are about the same services, and none of them opens or unlocks anything."""
    rows = read_examples(shipped_file(language))
    english = read_examples(shipped_file("en"))
    assert [(row.domain, row.service, row.placeholders) for row in rows] == [
        (row.domain, row.service, row.placeholders) for row in english
    ]
    assert not any(word in str(row.service) for row in rows for word in ("open", "unlock", "disarm"))
    if language != "en":
        assert not {row.request for row in rows} & {row.request for row in english}


def test_fahrenheit() -> None:
    """A house in degrees Fahrenheit gets a temperature that its thermostat takes."""
    hall = Device("climate.a", "Hall", "heat", {"supported_features": 1, "min_temp": 45, "max_temp": 95})
    (example,) = build_examples([hall], read_examples(shipped_file("en")), 7)
    assert example.as_call.call == "climate.set_temperature(climate.a, temperature=70)"
    # One that takes neither has no such example.
    odd = Device("climate.a", "Hall", "heat", {"supported_features": 1, "min_temp": 100, "max_temp": 200})
    assert build_examples([odd], read_examples(shipped_file("en")), 7) == []


def test_a_house_without_areas_or_devices(tmp_path: Path) -> None:
    """Where there are no areas, examples about areas are left out, and an empty house has no examples at all."""
    path = own(
        tmp_path,
        f"{HEADER},,,\nsensor,what is the <name> in the <area>?,,<state>\n"
        "light,turn on the <name> in the <area>,light.turn_on,In the <area>.\n",
    )
    rows = read_examples(path)
    assert build_examples(HOUSE, rows, 7) == []
    assert build_examples([], read_examples(shipped_file("en")), 7) == []
    (example,) = build_examples([Device("light.a", "Lamp", "on", area="Den")], rows, 7)
    assert (example.request, example.response) == ("turn on the Lamp in the Den", "In the Den.")


def test_values_of_ones_own(tmp_path: Path) -> None:
    """A file can say the values, the first that the device takes counts, and a mode is the device's own."""
    text = (
        "climate,<temperature=19|66> degrees for <name>,climate.set_temperature,Now <temperature>.\n"
        "climate,<name> to <hvac_mode>,climate.set_hvac_mode,Now <hvac_mode>.\n"
        "light,dim <name> to <brightness=12.0>,light.turn_on,Now <brightness>.\n"
    )
    rows = read_examples(own(tmp_path, HEADER + text))
    attributes = {"supported_features": 1, "min_temp": 45, "max_temp": 95, "hvac_modes": ["heat", "off"]}
    house = [Device("climate.a", "Hall", "heat", attributes), HOUSE[0]]
    assert [(item.request, item.as_call.call, item.response) for item in build_examples(house, rows, 7)] == [
        ("66 degrees for Hall", "climate.set_temperature(climate.a, temperature=66)", "Now 66."),
        ("dim Bedroom Light to 12", "light.turn_on(light.bedroom, brightness=12)", "Now 12."),
        ("Hall to heat", 'climate.set_hvac_mode(climate.a, hvac_mode="heat")', "Now heat."),
    ]


def test_a_value_that_is_said_otherwise() -> None:
    """A duration is called in English and said in the language of the examples."""
    (example,) = build_examples([Device("timer.egg", "Eieruhr", "idle")], read_examples(shipped_file("de")), 8)
    assert example.as_call.call == 'timer.start(timer.egg, duration="5 minutes")'
    assert (example.request, example.response) == (
        "Starte Eieruhr für 5 Minuten",
        "Ich starte Eieruhr für 5 Minuten.",
    )


def test_an_area(tmp_path: Path) -> None:
    """The area with the most devices that can is meant, in the middle of the commands."""
    areas = {name: Group(f"area.{name}", (name.title(),)) for name in ("den", "hall")}
    house = [
        Device(f"light.{number}", f"Lamp {number}", "on", groups=(areas["hall" if number else "den"],))
        for number in range(3)
    ]
    examples = build_examples(house, read_examples(shipped_file("en")), DEFAULT_EXAMPLES)
    assert [item.as_call.call for item in examples] == [
        "light.turn_on(light.1)",
        "light.turn_off(area.hall)",
        "light.turn_off(light.2)",
    ]
    assert (examples[1].request, examples[1].response) == (
        "turn off the lights in the Hall",
        "Turning off the lights in the Hall.",
    )


def test_the_number_of_examples() -> None:
    """There are as many as wanted and never more."""
    rows = read_examples(shipped_file("en"))
    assert [len(build_examples(HOUSE, rows, limit)) for limit in (0, 1, 2, 5, 16)] == [0, 1, 2, 4, 7]


@pytest.mark.parametrize("domain", sorted({service.domain for service in CATALOGUE if not service.covers}))
def test_examples_are_calls_that_the_house_takes(domain: str) -> None:
    """Every example of every domain passes the check of its own service."""
    attributes = {"hvac_modes": ["heat"], "min_temp": 5, "max_temp": 90, "options": ["a"]}
    device = Device(f"{domain}.a", "A", "on", attributes)
    examples = build_examples([device], read_examples(shipped_file("de")), 16)
    assert examples
    for example in examples:
        assert example.service is not None
        assert example.service.service_data(example.arguments, device)["entity_id"] == device.entity_id


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("light,a,light.turn_on,b\n", "has no column type"),
        (f"{HEADER}light,,light.turn_on,b\n", "line 2: type, request and response must not be empty"),
        (f"{HEADER}\nlight,a,light.explode,b\n", "light.explode is not a home service of light"),
        (f"{HEADER}switch,a,light.turn_on,b\n", "light.turn_on is not a home service of switch"),
        (f"{HEADER}light,a <colour>,light.turn_on,b\n", "light.turn_on does not take <colour>"),
        (f"{HEADER}climate,a,climate.set_temperature,b\n", "climate.set_temperature needs <temperature>"),
        (f"{HEADER}sensor,a <brightness>,,b\n", "<brightness> needs a tool"),
        (f"{HEADER}area,a <name>,light.turn_off,b\n", "an example about an area needs a tool"),
        (f"{HEADER}sensor,a <brightness=1>,,b\n", "<brightness> needs a tool"),
        ("x" * (MAX_FILE_BYTES + 1), "has more than"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, text: str, reason: str) -> None:
    """The line and what is wrong with it are named."""
    with pytest.raises(ExamplesError, match=reason.replace("(", r"\(")):
        read_examples(own(tmp_path, text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A picture, a folder and a file that is missing are told as such."""
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\xe0")
    for path in (tmp_path / "picture.csv", tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(ExamplesError):
            read_examples(path)


async def test_the_users_own_file(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes the place of ours at once, also with a byte order mark; a broken one is told once and ours are used."""
    monkeypatch.setattr(hass.config, "config_dir", str(tmp_path))
    ours = await async_examples(hass, "en")
    assert len(ours.rows) > 10
    path = user_file(hass, "en")
    path.parent.mkdir()
    path.write_text(f"\ufeff{HEADER}light,kill the <name>,light.turn_off,It is dark.\n", encoding="utf-8")
    assert [row.request for row in (await async_examples(hass, "en")).rows] == ["kill the <name>"]
    assert (await async_examples(hass, "de")).rows == tuple(read_examples(shipped_file("de")))

    path.write_text("broken", encoding="utf-8")
    os.utime(path, (1, 1))
    for _ in range(2):
        broken = await async_examples(hass, "en")
    assert broken.rows == ours.rows
    assert broken.error is not None
    assert caplog.text.count("examples_en.csv") == 1


def test_examples_of_assist() -> None:
    """The same examples as Assist's tools, only those that are offered, with the names of devices."""
    examples = build_examples(HOUSE, read_examples(shipped_file("en")), DEFAULT_EXAMPLES)
    offered = ["HassTurnOn", "HassTurnOff", "HassLightSet", "HassClimateSetTemperature"]
    items = list(response_examples(examples, offered))
    assert [item["tool"] for item in items] == [
        None,
        {"name": "HassLightSet", "arguments": {"name": "Bedroom Light", "brightness": 40}},
        {"name": "HassClimateSetTemperature", "arguments": {"name": "Hall Thermostat", "temperature": 21}},
        {"name": "HassTurnOn", "arguments": {"name": "Movie"}},
        {"name": "HassTurnOn", "arguments": {"name": "Kitchen Light"}},
        {"name": "HassTurnOff", "arguments": {"name": "Bedroom Light"}},
    ]
    assert function_call(items[3]["tool"]) == '<functioncall> {"name": "HassTurnOn", "arguments": {"name": "Movie"}}'
    assert function_call(None) == ""
    assert assist_call(examples[0], offered) is None
