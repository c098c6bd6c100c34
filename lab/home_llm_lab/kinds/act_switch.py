"""Turning one device on or off."""

from __future__ import annotations

from collections.abc import Callable

from home_llm_lab.example import Call
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able
from home_llm_lab.kinds.act_common import Order, on, one, order
from home_llm_lab.kinds.registry import Scene

# Switches that are a lamp, which people speak of like one.
_LAMPS = frozenset({"fairy_lights"})
# Switches that are only a hole in the wall: nobody fires up a socket.
_PLAIN = frozenset({"plug", "switch", "outlet"})


def word_groups(thing: Thing, which: str) -> tuple[str, ...]:
    """Return the groups of words that turn a device on or off."""
    match thing.domain:
        case "light":
            return (f"act_{which}", f"act_{which}_light")
        case "switch" if thing.kind in _LAMPS:
            return (f"act_{which}", f"act_{which}_light")
        case "switch" if thing.kind in _PLAIN:
            return (f"act_{which}",)
        case "switch" | "fan" | "humidifier" | "water_heater":
            return (f"act_{which}", f"act_{which}_machine")
        case "input_boolean":
            return (f"act_{which}_mode", f"act_{which}")
        case "siren":
            # A siren that goes off is heard.
            return (f"act_{which}_siren",)
        case _:
            return (f"act_{which}",)


def _switched(scene: Scene, *domains: str, test: Callable[[Thing], bool] = bool) -> Order | None:
    """Return the order to turn a device of some domain on, or off, those more often that are not so yet."""
    which = scene.rng.choice(("on", "off"))
    things = [thing for domain in domains for thing in able(scene, f"{domain}.turn_{which}", test)]
    scene.rng.shuffle(things)
    if scene.rng.random() < 0.6:
        things.sort(key=lambda thing: (thing.state in ("off", "idle", "standby")) == (which == "off"))
    if not things:
        return None
    groups = word_groups(things[0], which)
    call = Call(f"{things[0].domain}.turn_{which}")
    return on(scene, one(scene, things[:1]), groups, call, lambda thing: switched(thing, which))


def switched(thing: Thing, which: str) -> dict[str, str]:
    """Return what is different once a device is on or off."""
    if thing.domain == "media_player" and which == "on" and thing.state != "off":
        # It is already, whatever it does.
        return {"state": thing.state}
    return {"state": which}


@order("switch_light", 21, together=13)
def switch_light(scene: Scene) -> Order | None:
    """Turn a lamp on or off."""
    return _switched(scene, "light")


@order("switch_switch", 11, together=6)
def switch_switch(scene: Scene) -> Order | None:
    """Turn a switch on or off, and what hangs on it."""
    return _switched(scene, "switch")


@order("switch_toggle", 8.5, together=2)
def switch_toggle(scene: Scene) -> Order | None:
    """Turn a mode on or off."""
    return _switched(scene, "input_boolean")


@order("switch_fan", 7.6, together=3)
def switch_fan(scene: Scene) -> Order | None:
    """Turn a fan on or off."""
    return _switched(scene, "fan")


@order("switch_media", 7.4, together=3)
def switch_media(scene: Scene) -> Order | None:
    """Turn a television, a radio or a speaker on or off."""
    return _switched(scene, "media_player")


@order("switch_humidifier", 6.4, together=1)
def switch_humidifier(scene: Scene) -> Order | None:
    """Turn a humidifier on or off."""
    return _switched(scene, "humidifier")


@order("switch_siren", 3.4, together=0.2)
def switch_siren(scene: Scene) -> Order | None:
    """Turn a siren on or off."""
    return _switched(scene, "siren")
