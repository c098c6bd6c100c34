"""Several orders in one sentence, and sentences that correct themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from home_llm_lab.example import Call, Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_able import able, dimmable, is_door
from home_llm_lab.kinds.act_area import lights
from home_llm_lab.kinds.act_common import (
    ORDERS,
    Order,
    Subject,
    bare,
    command,
    example,
    finish,
    fitting,
    frame,
    join,
    on,
    one,
    utter,
)
from home_llm_lab.kinds.act_cover import moved, word_groups
from home_llm_lab.kinds.act_light import brightness_effect
from home_llm_lab.kinds.act_numbers import say_number
from home_llm_lab.kinds.act_switch import switched
from home_llm_lab.kinds.refer import refer_group
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.phrases.template import TemplateError


def _some_order(scene: Scene, names: Sequence[str]) -> Order | None:
    weights = [ORDERS[name][0] for name in names]
    name = scene.rng.choices(list(names), weights)[0]
    return ORDERS[name][1](scene)


def orders(scene: Scene, count: int, taken: Sequence[Thing] = ()) -> list[Order]:
    """Return some orders that have nothing to do with each other; fewer where the house has not so many."""
    names = [name for name, (weight, _) in ORDERS.items() if weight]
    found: list[Order] = []
    touched = {thing.entity_id for thing in taken}
    for _ in range(count * 4):
        if len(found) == count:
            break
        made = _some_order(scene, names)
        if made is None or touched & set(made.effects) or len(made.calls) > 1:
            continue
        touched |= set(made.effects)
        found.append(made)
    return found


@kind("act_several_different", 5.9)
def several_different(scene: Scene) -> Example | None:
    """Give two to four orders at once, each of its own."""
    count = scene.rng.choices((2, 3, 4), (0.75, 0.2, 0.05))[0]
    found = orders(scene, count)
    if len(found) < 2:
        return None
    said = _together(scene, found)
    return None if said is None else example(scene, "act_several_different", said, found)


def _together(scene: Scene, found: Sequence[Order]) -> str | None:
    """Return orders as one sentence, or as two."""
    told = [command(scene, made) for made in found]
    if scene.rng.random() < 0.12:
        # Two sentences, each said in whatever way.
        parts = [utter(scene, made) for made in found]
        whole = [part if part.endswith(("?", ".", "!")) else f"{part}." for part in parts if part]
        return " ".join(part[:1].upper() + part[1:] for part in whole) if len(whole) == len(found) else None
    commands = [part.rstrip("?.!") for part in told if part]
    if len(commands) < len(found):
        return None
    said = scene.words.say("act_and", first=", ".join(commands[:-1]), last=commands[-1])
    return finish(scene, frame(scene, said))


@kind("act_several_alike", 7)
def several_alike(scene: Scene) -> Example | None:
    """Do the same to two, three or four devices."""
    count = scene.rng.choices((2, 3, 4), (0.7, 0.23, 0.07))[0]
    makers = (_alike_switched, _alike_switched, _alike_covers, _alike_locks, _alike_brightness)
    found = scene.rng.choice(makers)(scene, count)
    if len(found) < 2:
        return None
    names = [made.values["thing"] for made in found]
    if len({name.casefold() for name in names}) < len(names):
        return None
    said = utter(scene, _joined(scene, found, names))
    return None if said is None else example(scene, "act_several_alike", said, found)


def _joined(scene: Scene, found: Sequence[Order], names: Sequence[str]) -> Order:
    thing = _listed(scene, names)
    values = {**found[0].values, "thing": thing, "bare": bare(scene, thing), "it": "them", "is": "are"}
    return replace(found[0], values=values)


def _listed(scene: Scene, names: Sequence[str]) -> str:
    if len(names) == 2 and scene.rng.random() < 0.1:
        return scene.words.answer("both_and", first=names[0], last=names[1])
    return join(scene, names)


def _alike(scene: Scene, things: Sequence[Thing], count: int) -> list[Subject]:
    found: list[Subject] = []
    for thing in things:
        if len(found) == count:
            break
        subject = one(scene, [thing], apart=False)
        if subject is not None:
            found.append(subject)
    return found


def _alike_switched(scene: Scene, count: int) -> list[Order]:
    which = scene.rng.choice(("on", "off"))
    domains = scene.rng.choice((("light",), ("light",), ("switch",), ("light", "switch", "fan", "media_player")))
    things = [thing for domain in domains for thing in able(scene, f"{domain}.turn_{which}")]
    scene.rng.shuffle(things)
    return [
        order_of(scene, subject, (f"act_{which}",), f"{subject.things[0].domain}.turn_{which}", which)
        for subject in _alike(scene, things, count)
    ]


def order_of(scene: Scene, subject: Subject, groups: tuple[str, ...], service: str, which: str) -> Order:
    """Return the order to turn something on or off."""
    made = on(scene, subject, groups, Call(service), lambda thing: switched(thing, which))
    if made is None:
        raise ValueError("there is no subject")
    return made


def _alike_covers(scene: Scene, count: int) -> list[Order]:
    which = scene.rng.choice(("open", "close"))
    position = 100 if which == "open" else 0
    things = [thing for thing in able(scene, f"cover.{which}_cover") if not is_door(thing) and thing.kind != "awning"]
    found: list[Order] = []
    for subject in _alike(scene, things, count):
        groups = word_groups(subject.things[0], which)
        call = Call(f"cover.{which}_cover")
        made = on(scene, subject, groups, call, lambda thing: moved(thing, position), clause=f"did_{which}")
        if made is not None and (not found or set(made.groups) == set(found[0].groups)):
            found.append(made)
    return found


def _alike_locks(scene: Scene, count: int) -> list[Order]:
    which = scene.rng.choice(("lock", "lock", "lock", "unlock"))
    found: list[Order] = []
    for subject in _alike(scene, able(scene, f"lock.{which}"), count):
        made = on(scene, subject, (f"act_{which}",), Call(f"lock.{which}"), lambda _: {"state": f"{which}ed"})
        if made is not None:
            found.append(made)
    return found


def _alike_brightness(scene: Scene, count: int) -> list[Order]:
    percent = scene.rng.choice((10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100))
    found: list[Order] = []
    said = say_number(scene, "percent", percent)
    for subject in _alike(scene, able(scene, "light.turn_on", dimmable), count):
        made = on(
            scene,
            subject,
            ("act_brightness",),
            Call("light.turn_on", None, {"brightness": percent}),
            lambda _: brightness_effect(percent),
            clause="did_brightness",
            values={"percent": said},
            told={"percent": str(percent)},
        )
        if made is not None:
            found.append(made)
    return found


@kind("act_several_areas", 2.4)
def several_areas(scene: Scene) -> Example | None:
    """Turn the lights of two or three rooms on or off."""
    which = scene.rng.choice(("on", "off"))
    found: list[Order] = []
    for _ in range(6):
        made = lights(scene, ("area",), which)
        if made is None or ("area" not in made.values and "thing" not in made.values):
            continue
        if made.calls[0].target not in [other.calls[0].target for other in found]:
            found.append(made)
    del found[scene.rng.choices((2, 3), (0.75, 0.25))[0] :]
    if len(found) < 2:
        return None
    places = [refer_group(scene, str(made.calls[0].target), here=False) for made in found]
    if None in places:
        return None
    said = join(scene, [place for place in places if place])
    text = utter(scene, replace(found[0], groups=(f"act_lights_{which}",), values={"in_area": said}))
    return None if text is None else example(scene, "act_several_areas", text, found)


@kind("act_opposite", 1.7)
def opposite(scene: Scene) -> Example | None:
    """Turn one thing on and another off."""
    first = scene.rng.choice(("on", "off"))
    second = "off" if first == "on" else "on"
    things = [thing for domain in ("light", "switch", "fan") for thing in able(scene, f"{domain}.turn_{first}")]
    scene.rng.shuffle(things)
    subjects = _alike(scene, things, 2)
    if len(subjects) < 2:
        return None
    found = [
        order_of(scene, subject, (f"act_{which}",), f"{subject.things[0].domain}.turn_{which}", which)
        for subject, which in zip(subjects, (first, second), strict=True)
    ]
    values = {"first": subjects[0].said, "last": subjects[1].said}
    values |= {f"bare_{key}": bare(scene, said) for key, said in values.items()}
    return example(scene, "act_opposite", _said(scene, f"act_{first}_{second}", values), found)


def _said(scene: Scene, group: str, values: dict[str, str]) -> str:
    free = f"{group}_free"
    counts = (fitting(scene, group, values), fitting(scene, free, values))
    if not any(counts):
        raise TemplateError(f"no template of {scene.words.book.language}/{group} is filled")
    chosen = scene.rng.choices((group, free), counts)[0]
    said = scene.words.say(chosen, **values)
    return finish(scene, said if chosen == free else frame(scene, said))


@kind("act_corrected", 2.9)
def corrected(scene: Scene) -> Example | None:
    """Begin an order, and mean another one: only the last one counts."""
    wrong = orders(scene, 1)
    if not wrong:
        return None
    right = orders(scene, 1, taken=wrong[0].things)
    if not right:
        return None
    told = [command(scene, made) for made in (wrong[0], right[0])]
    if not all(told):
        return None
    first, last = (str(text).rstrip("?.!") for text in told)
    group = "act_correction" if scene.rng.random() < 0.7 else "act_correction_whole"
    if group == "act_correction" and scene.rng.random() < 0.3:
        # It breaks off in the middle.
        words = first.split()
        first = " ".join(words[: max(2, len(words) - scene.rng.randint(1, 2))])
    said = scene.words.say(group, first=first, last=last)
    return example(scene, "act_corrected", finish(scene, said), right)


@kind("act_other_one", 2.1)
def other_one(scene: Scene) -> Example | None:
    """Name a device, and then the one that is meant."""
    which = scene.rng.choice(("on", "off"))
    domain = scene.rng.choice(("light", "light", "switch"))
    subjects = _alike(scene, able(scene, f"{domain}.turn_{which}"), 2)
    if len(subjects) < 2:
        return None
    made = order_of(scene, subjects[1], (f"act_{which}",), f"{domain}.turn_{which}", which)
    values = {"first": subjects[0].said, "last": subjects[1].said, "bare_last": bare(scene, subjects[1].said)}
    return example(scene, "act_other_one", finish(scene, scene.words.say(f"act_other_{which}", **values)), [made])
