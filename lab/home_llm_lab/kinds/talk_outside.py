"""Questions about the weather and the sun."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, number, reading, state_word, tells

_RAIN = frozenset({"rainy", "pouring", "lightning-rainy", "snowy-rainy"})
_SNOW = frozenset({"snowy", "snowy-rainy"})
_CLOUDS = frozenset({"cloudy", "partlycloudy", "rainy", "pouring", "snowy", "snowy-rainy", "lightning-rainy"})


def _one(scene: Scene, domain: str) -> Thing | None:
    found = [thing for thing in scene.house.exposed if thing.domain == domain and thing.state not in UNKNOWN]
    return found[0] if len(found) == 1 else None


def outside_temperature(scene: Scene) -> tuple[float, str] | None:
    """Return how warm it is outside and how that is said, where only the weather tells it."""
    weather = _one(scene, "weather")
    value = weather.attributes.get("temperature") if weather else None
    others = [
        thing
        for thing in scene.house.exposed
        if thing.device_class == "temperature"
        and any(word in name.casefold() for name in thing.names for word in ("outside", "outdoor"))
    ]
    if not isinstance(value, (int, float)) or others:
        return None
    return float(value), scene.words.answer("talk_degrees", value=number(value))


@kind("tell_weather", 3)
def tell_weather(scene: Scene) -> Example | None:
    """Ask for the weather."""
    weather = _one(scene, "weather")
    if weather is None:
        return None
    state = state_word(scene, weather.state)
    value = weather.attributes.get("temperature")
    plain = scene.words.answer("talk_weather_state", state=state)
    asked: list[tuple[str, str, bool | None, float]] = [
        ("talk_ask_rain", plain, weather.state in _RAIN, 1),
        ("talk_ask_sunny", plain, weather.state == "sunny", 0.6),
        ("talk_ask_snow", plain, weather.state in _SNOW, 0.3),
        ("talk_ask_cloudy", plain, weather.state in _CLOUDS, 0.3),
    ]
    if isinstance(value, (int, float)):
        whole = scene.words.answer("talk_weather", state=state, value=number(value))
        asked.append(("talk_ask_weather", whole, None, 4))
    else:
        asked.append(("talk_ask_weather", plain, None, 3))
    if outside := outside_temperature(scene):
        fact = scene.words.answer("talk_weather_temperature", value=number(outside[0]))
        asked.append(("talk_ask_weather_temperature", fact, None, 2))
    humidity = weather.attributes.get("humidity")
    if isinstance(humidity, (int, float)):
        fact = scene.words.answer("talk_weather_humidity", value=number(humidity))
        asked.append(("talk_ask_weather_humidity", fact, None, 0.5))
    group, fact, yes, _ = scene.rng.choices(asked, [weight for *_, weight in asked])[0]
    return tells(scene, "tell_weather", scene.words.say(group), fact, yes)


@kind("tell_no_weather", 0.8)
def tell_no_weather(scene: Scene) -> Example | None:
    """Ask for weather that the house does not know: the forecast, or any where nothing measures it."""
    if not any(thing.domain == "weather" for thing in scene.house.exposed) and scene.rng.random() < 0.6:
        fact = scene.words.answer("talk_no_weather")
        group = scene.rng.choice(("talk_ask_weather", "talk_ask_weather", "talk_ask_rain"))
        return tells(scene, "tell_no_weather", scene.words.say(group), fact)
    fact = scene.words.answer("talk_no_forecast")
    return tells(scene, "tell_no_weather", scene.words.say("talk_ask_forecast"), fact)


@kind("tell_sun", 0.4)
def tell_sun(scene: Scene) -> Example | None:
    """Ask whether the sun is up."""
    sun = _one(scene, "sun")
    if sun is None:
        return None
    up = sun.state == "above_horizon"
    asked_up = scene.rng.random() < 0.5
    fact = scene.words.answer("talk_sun_up" if up else "talk_sun_down")
    return tells(
        scene, "tell_sun", scene.words.say("talk_ask_sun_up" if asked_up else "talk_ask_sun_down"), fact, up == asked_up
    )


@kind("tell_outside_sensor", 0.5)
def tell_outside_sensor(scene: Scene) -> Example | None:
    """Ask how warm it is outside where one sensor tells it."""
    found = [
        thing
        for thing in scene.house.exposed
        if thing.domain == "sensor"
        and thing.device_class == "temperature"
        and any(word in name.casefold() for name in thing.names for word in ("outside", "outdoor"))
    ]
    weather = any(thing.domain == "weather" for thing in scene.house.exposed)
    if scene.words.book.language != "en" or len(found) != 1 or found[0].state in UNKNOWN or weather:
        return None
    said = scene.words.say("talk_ask_weather_temperature")
    return tells(scene, "tell_outside_sensor", said, scene.words.answer("talk_outside", value=reading(found[0])))
