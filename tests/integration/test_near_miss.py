"""Whether a call means what was said: when to ask back, and, more often, when not to."""

from __future__ import annotations

import pytest

from custom_components.home_llm.near_miss import Doubt, Named, doubt, same

HOUSE = {
    named.target: named
    for named in (
        Named("light.bedroom_lamp", "light", ("Bedroom Lamp",), ("Bedroom",)),
        Named("light.kitchen", "light", ("Kitchen Light", "Cooker light"), ("Kitchen", "Galley")),
        Named("light.kitchen_table", "light", ("Kitchen Table Light",), ("Kitchen",)),
        Named("light.ceiling", "light", ("Ceiling Light",), ("Bathroom",)),
        Named("light.led_strip", "light", ("LED Strip",), ("Living Room",)),
        Named("light.lamp_1", "light", ("Lamp 1",)),
        Named("light.lamp_2", "light", ("Lamp 2",)),
        Named("switch.coffee", "switch", ("Coffee Maker",), ("Kitchen",)),
        Named("media_player.tv", "media_player", ("TV",)),
        Named("climate.hall", "climate", ("Hall Thermostat",), ("Hall",)),
        Named("cover.garage", "cover", ("Garage Door",)),
        Named("cover.blinds", "cover", ("Blinds",), ("Living Room",)),
        Named("lock.front", "lock", ("Front Door",)),
        Named("scene.movie", "scene", ("Movie Night",)),
        Named("vacuum.robot", "vacuum", ("Robbie",)),
        Named("sensor.outside", "sensor", ("Outside Temperature",)),
        Named("light.schlafzimmer", "light", ("Schlafzimmerlampe",), ("Schlafzimmer",)),
        Named("light.kueche", "light", ("Küchenlicht",), ("Küche",)),
        Named("light.salon", "light", ("Lampe du salon",), ("Salon",)),
        Named("light.dormitorio", "light", ("Luz del dormitorio",), ("Dormitorio",)),
        Named("light.sypialnia", "light", ("Lampka w sypialni",), ("Sypialnia",)),
    )
}
GROUPS = {
    "area.kitchen": ("Kitchen", "Galley"),
    "area.bedroom": ("Bedroom",),
    "area.living_room": ("Living Room",),
    "area.bathroom": ("Bathroom",),
    "floor.ground": ("Ground floor", "Downstairs"),
}

# What is said, and what is called: no doubt about any of these.
FINE = [
    ("en", "turn on the bedroom lamp", "light.bedroom_lamp"),
    ("en", "turn on the bedroom light", "light.bedroom_lamp"),
    ("en", "switch on the lamp in the bedroom please", "light.bedroom_lamp"),
    ("en", "turn on the lamp", "light.bedroom_lamp"),
    ("en", "turn on the lamp now", "light.bedroom_lamp"),
    ("en", "could you make the lamp a bit brighter", "light.bedroom_lamp"),
    ("en", "it is too dark in here", "light.bedroom_lamp"),
    ("en", "set the kitchen light to 40 percent", "light.kitchen"),
    ("en", "set kitchen lights to 40%", "light.kitchen"),
    ("en", "dim the cooker light", "light.kitchen"),
    ("en", "turn on the kitchen", "light.kitchen"),
    ("en", "turn on the light in the galley", "light.kitchen"),
    ("en", "lights on in the kitchen", "area.kitchen"),
    ("en", "turn off the bedroom lights and the TV", "media_player.tv"),
    ("en", "turn off the bedroom lights and the TV", "area.bedroom"),
    ("en", "turn off the kitchen and bedroom lights", "light.kitchen"),
    ("en", "turn off the kitchen and bedroom lights", "light.bedroom_lamp"),
    ("en", "turn on the bathroom light", "light.ceiling"),
    ("en", "turn on the ceiling light", "light.ceiling"),
    ("en", "turn on lamp 2", "light.lamp_2"),
    ("en", "set lamp 2 to 40", "light.lamp_2"),
    ("en", "turn the led strip red", "light.led_strip"),
    ("en", "turn on everything but the kitchen light", "light.bedroom_lamp"),
    ("en", "all lights off except in the kitchen", "area.bedroom"),
    ("en", "make me a coffee", "switch.coffee"),
    ("en", "start the coffee machine", "switch.coffee"),
    ("en", "turn on the telly", "media_player.tv"),
    ("en", "louder", "media_player.tv"),
    ("en", "turn up the volume in the living room", "media_player.tv"),
    ("en", "it's cold in here, set it to 22 degrees", "climate.hall"),
    ("en", "I am freezing", "climate.hall"),
    ("en", "set the heating to 21", "climate.hall"),
    ("en", "set the hall temperature to 21.5 degrees", "climate.hall"),
    ("en", "open the garage", "cover.garage"),
    ("en", "close the shades in the living room", "cover.blinds"),
    ("en", "is the front door locked? lock it", "lock.front"),
    ("en", "movie time", "scene.movie"),
    ("en", "start the movie night scene", "scene.movie"),
    ("en", "vacuum the kitchen", "vacuum.robot"),
    ("en", "clean up", "vacuum.robot"),
    ("en", "downstairs lights off", "floor.ground"),
    ("en", "turn off the lights on the ground floor", "floor.ground"),
    ("en", "turn on the bed room lamp", "light.bedroom_lamp"),
    ("en", "turn off the bedrom lamp", "light.bedroom_lamp"),
    ("de", "mach die Schlafzimmerlampe an", "light.schlafzimmer"),
    ("de", "schalte das Licht im Schlafzimmer aus", "light.schlafzimmer"),
    ("de", "Küchenlichter an", "light.kueche"),
    ("de", "Licht in der Küche auf 30 Prozent", "light.kueche"),
    ("de", "es ist zu dunkel", "light.kueche"),
    ("fr", "allume la lampe du salon", "light.salon"),
    ("fr", "éteins la lumière dans le salon s'il te plaît", "light.salon"),
    ("es", "enciende la luz del dormitorio", "light.dormitorio"),
    ("es", "apaga la lámpara en el dormitorio por favor", "light.dormitorio"),
    ("pl", "włącz lampkę w sypialni", "light.sypialnia"),
    ("pl", "zgaś światło w sypialni", "light.sypialnia"),
]
# As people say it. Who is asked back too often stops talking to the house.
CASUAL = [
    ("en", "hey turn the bedroom lamp on would you", "light.bedroom_lamp"),
    ("en", "I'd like the bedroom lamp at thirty percent", "light.bedroom_lamp"),
    ("en", "bedroom lamp half brightness", "light.bedroom_lamp"),
    ("en", "lamp off", "light.bedroom_lamp"),
    ("en", "kill the kitchen lights", "light.kitchen"),
    ("en", "could we have some light in the kitchen", "light.kitchen"),
    ("en", "brighten up the kitchen a little", "light.kitchen"),
    ("en", "time for dinner, dim the kitchen light", "light.kitchen"),
    ("en", "light up the bathroom", "light.ceiling"),
    ("en", "bathroom light to maximum", "light.ceiling"),
    ("en", "put the strip on", "light.led_strip"),
    ("en", "make the led strip warm white", "light.led_strip"),
    ("en", "leds in the living room blue please", "light.led_strip"),
    ("en", "kick off the coffee", "switch.coffee"),
    ("en", "brew some coffee", "switch.coffee"),
    ("en", "pause the movie", "media_player.tv"),
    ("en", "mute the tv", "media_player.tv"),
    ("en", "turn the tv down to 20", "media_player.tv"),
    ("en", "play something on the television", "media_player.tv"),
    ("en", "bump the thermostat up two degrees", "climate.hall"),
    ("en", "heat the hall to 20", "climate.hall"),
    ("en", "set temperature to 19", "climate.hall"),
    ("en", "shut the garage door", "cover.garage"),
    ("en", "garage door to 50 percent", "cover.garage"),
    ("en", "roll down the blinds halfway", "cover.blinds"),
    ("en", "open the living room blinds", "cover.blinds"),
    ("en", "let the sun in", "cover.blinds"),
    ("en", "lock up the front door for the night", "lock.front"),
    ("en", "lock the door", "lock.front"),
    ("en", "unlock front door for the plumber", "lock.front"),
    ("en", "activate movie night", "scene.movie"),
    ("en", "let's watch a movie", "scene.movie"),
    ("en", "have robbie clean the floor", "vacuum.robot"),
    ("en", "send robbie back home", "vacuum.robot"),
    ("en", "start the vacuum cleaner", "vacuum.robot"),
    ("en", "good night, all lights off in the bedroom", "area.bedroom"),
    ("en", "I'm leaving the kitchen", "area.kitchen"),
    ("en", "turn the living room lights down", "area.living_room"),
    ("en", "everything off downstairs", "floor.ground"),
    ("en", "please switch off lamp one", "light.lamp_1"),
    ("de", "mach bitte im Schlafzimmer das Licht aus", "light.schlafzimmer"),
    ("de", "Lampe im Schlafzimmer auf halbe Helligkeit", "light.schlafzimmer"),
    ("de", "mir ist es in der Küche zu dunkel", "light.kueche"),
    ("de", "kannst du das Licht in der Küche anmachen", "light.kueche"),
    ("fr", "mets la lampe du salon à 30 pour cent", "light.salon"),
    ("fr", "il fait sombre dans le salon", "light.salon"),
    ("fr", "peux-tu allumer le salon", "light.salon"),
    ("es", "baja la luz del dormitorio al 20 por ciento", "light.dormitorio"),
    ("es", "está oscuro en el dormitorio", "light.dormitorio"),
    ("pl", "przyciemnij lampkę w sypialni do 20 procent", "light.sypialnia"),
    ("pl", "ciemno tu, włącz lampkę", "light.sypialnia"),
]
# Something much like it was said: ask back.
NEAR = [
    ("en", "turn on the desk lamp", "light.bedroom_lamp"),
    ("en", "turn on the lamp in the garage", "light.bedroom_lamp"),
    ("en", "turn off the attic lights", "area.bedroom"),
    ("en", "turn on the garden light", "light.kitchen"),
    ("en", "turn on lamp 3", "light.lamp_2"),
    ("en", "turn on the porch light please", "light.ceiling"),
    ("en", "turn on the kitchen ceiling light", "light.ceiling"),
    ("en", "start the party scene", "scene.movie"),
    ("en", "unlock the cellar door", "lock.front"),
    ("en", "open the barn door", "cover.garage"),
    ("de", "mach die Badezimmerlampe an", "light.schlafzimmer"),
    ("de", "Licht im Keller an", "light.kueche"),
    ("fr", "allume la lampe du bureau", "light.salon"),
    ("es", "enciende la luz del garaje", "light.dormitorio"),
    ("pl", "włącz lampkę w łazience", "light.sypialnia"),
]
# Something else was named in full.
OTHER = [
    ("en", "turn on the kitchen light", "light.bedroom_lamp", "light.kitchen"),
    ("en", "turn on the kitchen table light", "light.kitchen", "light.kitchen_table"),
    ("en", "turn on the kitchen table light", "area.kitchen", "light.kitchen_table"),
    ("en", "turn off the lights in the kitchen", "area.bedroom", "area.kitchen"),
    ("en", "turn on lamp 1", "light.lamp_2", "light.lamp_1"),
    ("en", "turn off the TV", "light.kitchen", "media_player.tv"),
    ("en", "what is the outside temperature", "climate.hall", "sensor.outside"),
    ("en", "open the garage door", "lock.front", "cover.garage"),
    ("de", "mach die Schlafzimmerlampe an", "light.kueche", "light.schlafzimmer"),
]


def ask(language: str, said: str, target: str) -> Doubt | None:
    """Return the doubt about a call in this house."""
    domain = target.partition(".")[0]
    groups = {
        name: Named(name, domain if domain == "climate" else "light", names, is_group=True)
        for name, names in GROUPS.items()
    }
    # Names of one language at a time, as a house has them.
    local = {"de": "schlafzimmer kueche", "fr": "salon", "es": "dormitorio", "pl": "sypialnia"}
    devices = [
        named
        for named in HOUSE.values()
        if (named.target.partition(".")[2] in " ".join(local.values()).split()) == (language != "en")
    ]
    named = HOUSE.get(target) or groups[target]
    others = [*devices, *(groups.values() if language == "en" else ())]
    return doubt(said, language, named, others)


@pytest.mark.parametrize(("language", "said", "target"), FINE + CASUAL)
def test_no_doubt(language: str, said: str, target: str) -> None:
    """What was named is done, and so is what nobody named."""
    assert ask(language, said, target) is None


@pytest.mark.parametrize(("language", "said", "target"), NEAR)
def test_near(language: str, said: str, target: str) -> None:
    """A name that does not exist is not taken for one that does."""
    assert ask(language, said, target) == Doubt()


@pytest.mark.parametrize(("language", "said", "target", "named"), OTHER)
def test_other(language: str, said: str, target: str, named: str) -> None:
    """What was named in full is not exchanged for something else."""
    found = ask(language, said, target)
    assert found is not None
    assert named in found.named


def test_the_bathroom_lamp() -> None:
    """Where there is only a bedroom lamp, nobody meant it."""
    lamp = HOUSE["light.bedroom_lamp"]
    assert doubt("turn on the bathroom lamp", "en", lamp, [lamp]) == Doubt()
    # Where there is a bathroom, it is the one that was named.
    bathroom = Named("area.bathroom", "light", ("Bathroom",), is_group=True)
    assert doubt("turn on the bathroom lamp", "en", lamp, [lamp, bathroom]) == Doubt(("area.bathroom",))


def test_values_are_no_names() -> None:
    """Words of the other arguments are accounted for."""
    tv = HOUSE["media_player.tv"]
    assert doubt("switch the tv to Netflix", "en", tv, [], ["Netflix"]) is None
    assert doubt("switch the living tv to Netflix", "en", Named("media_player.x", "media_player", ("Bedroom TV",)), [])


def test_other_languages_and_things_with_free_words() -> None:
    """Where the language is not ours, or the device is of a kind that anything may be said to, nothing is doubted."""
    assert doubt("accendi la lampada del bagno", "it", HOUSE["light.bedroom_lamp"], []) is None
    assert doubt("put milk on the list", "en", Named("todo.list", "todo", ("Shopping",)), []) is None


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("kitchen", "kitchens", True),
        ("sypialnia", "sypialni", True),
        ("bedroom", "bedrom", True),
        ("bedroom", "bathroom", False),
        ("left", "loft", False),
        ("lamp1", "lamp2", False),
        ("wohnzimmer", "wohnraum", False),
    ],
)
def test_same(one: str, other: str, equal: bool) -> None:
    """Endings and single letters do not make another word, anything more does."""
    assert same(one, other) is equal
    assert same(other, one) is equal
