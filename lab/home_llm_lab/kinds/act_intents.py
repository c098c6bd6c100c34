"""Orders in the words of Home Assistant's own matcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from home_llm_lab.example import Call, Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, colored, dimmable, is_door, number
from home_llm_lab.kinds.act_common import Order, Subject, example, finish, on
from home_llm_lab.kinds.act_cover import moved
from home_llm_lab.kinds.act_groups import LIGHTS, group_of
from home_llm_lab.kinds.act_light import COLORS, brightness_effect, shown
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.intent_sentences import Meant, available, color_words, sentence
from home_llm_lab.kinds.refer import refer_by_name
from home_llm_lab.kinds.registry import Scene, kind

_PERCENTS = (10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 65, 70, 75, 80, 90)
# Of which about half find words.
_WEIGHT = 36


@dataclass(frozen=True, slots=True)
class _Task:
    """An order, and what the matcher must take its words for."""

    made: Order
    meant: Meant


def _named(scene: Scene, service: str, test: Callable[[Thing], bool] = bool) -> tuple[Subject, str] | None:
    """Return a device that its name fits alone, and the name as somebody says it."""
    for thing in able(scene, service, test)[:4]:
        if refer_by_name(scene, thing) is not None:
            return Subject(thing.name, thing.entity_id, (thing,), thing.name), thing.name
    return None


def _one(intent: str, subject: tuple[Subject, str], combination: str = "name_only", **number_: int) -> Meant:
    """Return what a sentence about one device is to say."""
    thing = subject[0].things[0]
    texts = {"name": subject[1], **({"number": str(next(iter(number_.values())))} if number_ else {})}
    return Meant(intent, combination, thing.domain, {"name": thing.entity_id, **number_}, texts)


def _task(made: Order | None, meant: Meant) -> _Task | None:
    return None if made is None else _Task(made, meant)


def _switch(scene: Scene) -> _Task | None:
    """Turn a device on or off."""
    which = scene.rng.choice(("on", "off"))
    domain = scene.rng.choice(("light", "light", "switch", "fan", "media_player", "input_boolean"))
    found = _named(scene, f"{domain}.turn_{which}")
    if found is None:
        return None
    made = on(scene, found[0], (), Call(f"{domain}.turn_{which}"), lambda thing: switched(thing, which))
    return _task(made, _one(f"HassTurn{which.capitalize()}", found))


def _lights(scene: Scene) -> _Task | None:
    """Turn the lights of an area on or off, or all lights off."""
    which = scene.rng.choice(("on", "off"))
    everywhere = which == "off" and scene.rng.random() < 0.25
    subject = group_of(scene, LIGHTS, f"light.turn_{which}", kinds=("all",) if everywhere else ("area",))
    if subject is None:
        return None
    made = on(scene, subject, (), Call(f"light.turn_{which}"), lambda thing: switched(thing, which))
    intent = f"HassTurn{which.capitalize()}"
    if everywhere:
        return _task(made, Meant(intent, "domain_all", "light", {}, {}))
    area_id = subject.target.partition(".")[2]
    area = scene.house.area(area_id)
    return (
        None
        if area is None
        else _task(made, Meant(intent, "area_domain", "light", {"area": area_id}, {"area": area.name}))
    )


def _brightness(scene: Scene) -> _Task | None:
    """Set the brightness of a lamp."""
    found, percent = _named(scene, "light.turn_on", dimmable), scene.rng.choice(_PERCENTS)
    if found is None:
        return None
    call = Call("light.turn_on", None, {"brightness": percent})
    told = {"percent": str(percent)}
    made = on(scene, found[0], (), call, lambda _: brightness_effect(percent), clause="did_brightness", told=told)
    return _task(made, _one("HassLightSet", found, "name_brightness", brightness=percent))


def _color(scene: Scene) -> _Task | None:
    """Give a lamp a colour."""
    found, color = _named(scene, "light.turn_on", colored), scene.rng.choice(list(COLORS))
    words = None if found is None else color_words(scene.house.language, color, scene.rng)
    if found is None or words is None:
        return None
    call = Call("light.turn_on", None, {"color": color})
    told = {"color": scene.words.first(f"color_{color}")}
    made = on(
        scene, found[0], (), call, lambda thing: {"state": "on", **shown(thing, color)}, clause="did_color", told=told
    )
    thing = found[0].things[0]
    texts = {"name": found[1], "color": words}
    return _task(made, Meant("HassLightSet", "name_color", "light", {"name": thing.entity_id, "color": color}, texts))


def _cover(scene: Scene) -> _Task | None:
    """Open or close a cover that is no way into the house."""
    which = scene.rng.choice(("open", "close"))
    found = _named(scene, f"cover.{which}_cover", lambda thing: not is_door(thing))
    if found is None:
        return None
    position = 100 if which == "open" else 0
    made = on(
        scene, found[0], (), Call(f"cover.{which}_cover"), lambda thing: moved(thing, position), clause=f"did_{which}"
    )
    return _task(made, _one("HassTurnOn" if which == "open" else "HassTurnOff", found))


def _position(scene: Scene) -> _Task | None:
    """Move a cover to a position."""
    found, percent = _named(scene, "cover.set_cover_position"), scene.rng.choice(_PERCENTS)
    if found is None or is_door(found[0].things[0]):
        return None
    call = Call("cover.set_cover_position", None, {"position": percent})
    told = {"percent": str(percent)}
    made = on(scene, found[0], (), call, lambda thing: moved(thing, percent), clause="did_position", told=told)
    return _task(made, _one("HassSetPosition", found, position=percent))


def _temperature(scene: Scene) -> _Task | None:
    """Set a thermostat."""
    degrees = scene.rng.randint(17, 24) if scene.house.metric else scene.rng.randint(62, 76)

    def takes(thing: Thing) -> bool:
        low, high = number(thing, "min_temp"), number(thing, "max_temp")
        return low is not None and high is not None and low <= degrees <= high and thing.state != "off"

    found = _named(scene, "climate.set_temperature", takes)
    if found is None:
        return None
    call = Call("climate.set_temperature", None, {"temperature": degrees})
    told = {"degrees": str(degrees)}
    made = on(scene, found[0], (), call, lambda _: {"temperature": degrees}, clause="did_temperature", told=told)
    return _task(made, _one("HassClimateSetTemperature", found, "name_temperature", temperature=degrees))


def _media(scene: Scene) -> _Task | None:
    """Pause a player, or let it play on."""
    which, state, then = scene.rng.choice((("pause", "playing", "paused"), ("play", "paused", "playing")))
    found = _named(scene, f"media_player.media_{which}", lambda thing: thing.state == state)
    if found is None:
        return None
    made = on(
        scene, found[0], (), Call(f"media_player.media_{which}"), lambda _: {"state": then}, clause=f"did_{which}"
    )
    return _task(made, _one("HassMediaPause" if which == "pause" else "HassMediaUnpause", found))


def _volume(scene: Scene) -> _Task | None:
    """Set the volume of a player."""
    found = _named(scene, "media_player.volume_set", lambda thing: thing.state not in ("off", "standby"))
    percent = scene.rng.choice(_PERCENTS)
    if found is None:
        return None
    call = Call("media_player.volume_set", None, {"volume": percent})
    effect = {"volume_level": (percent / 100 - 0.005, percent / 100 + 0.005)}
    made = on(scene, found[0], (), call, lambda _: effect, clause="did_volume", told={"percent": str(percent)})
    return _task(made, _one("HassSetVolume", found, volume_level=percent))


def _vacuum(scene: Scene) -> _Task | None:
    """Start a robot, or send it home."""
    which, intent, state = scene.rng.choice(
        (("start", "HassVacuumStart", "cleaning"), ("return_to_base", "HassVacuumReturnToBase", None))
    )
    found = _named(scene, f"vacuum.{which}")
    if found is None or (state is None and found[0].things[0].state == "docked"):
        return None
    effect = {"state": state} if state else {"state": "returning"}
    made = on(scene, found[0], (), Call(f"vacuum.{which}"), lambda _: effect, clause=f"did_vacuum_{which}")
    return _task(made, _one(intent, found))


# What the templates of a language say well; in some the verbs or the articles of others do not fit together.
_PLAIN = (_switch, _switch, _switch, _cover, _media, _vacuum)
_TASKS: dict[str, tuple[Callable[[Scene], _Task | None], ...]] = {
    "en": (*_PLAIN, _lights, _lights, _brightness, _color, _position, _temperature, _volume),
    "de": (*_PLAIN, _brightness, _color, _position, _temperature, _volume),
    "es": (*_PLAIN, _color, _position),
    "fr": (*_PLAIN, _brightness, _volume),
    "pl": (*_PLAIN, _brightness, _color, _position),
}


@kind("act_intents", _WEIGHT)
def in_words_of_the_matcher(scene: Scene) -> Example | None:
    """Give an order in a sentence that Home Assistant's matcher would understand as well."""
    if not available():
        return None
    task = scene.rng.choice(_TASKS[scene.house.language])(scene)
    if task is None:
        return None
    found = sentence(scene.house, task.meant, scene.rng, held_out=scene.words.held_out)
    if found is None:
        return None
    said, key = found
    scene.words.used.append(key)
    return example(scene, "act_intents", finish(scene, said), [task.made])
