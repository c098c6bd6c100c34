"""Questions about who is at home and where, and about what no prompt tells."""

from __future__ import annotations

from home_llm_lab.example import Example
from home_llm_lab.house import Thing
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import UNKNOWN, bare, grammar, listed, some_device, state_word, tells


def people(scene: Scene) -> list[Thing]:
    """Return the people of the house that the assistant knows of."""
    return [thing for thing in scene.house.exposed if thing.domain == "person"]


@kind("tell_who", 2.4)
def tell_who(scene: Scene) -> Example | None:
    """Ask who is at home, who is away, or whether anybody is."""
    known = [thing for thing in people(scene) if thing.state not in UNKNOWN]
    if not known:
        return None
    home = [thing.name for thing in known if thing.state == "home"]
    away = [thing.name for thing in known if thing.state != "home"]
    group, yes = scene.rng.choices(
        (
            ("talk_who_home", None),
            ("talk_who_away", None),
            ("talk_anyone_home", bool(home)),
            ("talk_nobody_home", not home),
            ("talk_everyone_home", not away),
            ("talk_how_many_home", None),
        ),
        (5, 2, 3, 1.5, 1.5, 1),
    )[0]
    if group == "talk_how_many_home":
        fact = scene.words.answer(
            {0: "talk_count_home_none", 1: "talk_count_home_one"}.get(len(home), "talk_count_home"),
            value=str(len(home)),
        )
    elif group == "talk_who_away" or (group == "talk_everyone_home" and away):
        fact = _they(scene, away, "away")
    else:
        fact = _they(scene, home, "home")
        if group == "talk_everyone_home":
            fact = scene.words.answer("talk_everybody_home_answer")
    return tells(scene, "tell_who", scene.words.say(group), fact, yes)


def _they(scene: Scene, names: list[str], where: str) -> str:
    if not names:
        return scene.words.answer(f"talk_nobody_{where}_answer")
    group = f"talk_one_{where}" if len(names) == 1 else f"talk_several_{where}"
    return scene.words.answer(group, people=listed(scene, names))


@kind("tell_person", 2.6)
def tell_person(scene: Scene) -> Example | None:
    """Ask whether somebody is at home, or where they are."""
    found = people(scene)
    if not found:
        return None
    thing = scene.rng.choice(found)
    home = thing.state == "home"
    group, yes = scene.rng.choices(
        (("talk_is_person_home", home), ("talk_is_person_away", not home), ("talk_where_person", None)), (4, 1, 3)
    )[0]
    said = scene.words.say(group, person=scene.rng.choice(thing.names))
    if thing.state in UNKNOWN:
        return tells(scene, "tell_person", said, scene.words.answer("talk_person_unknown", people=thing.name))
    if home or thing.state == "not_home":
        fact = scene.words.answer("talk_one_home" if home else "talk_one_away", people=thing.name)
    else:
        fact = scene.words.answer("talk_person_zone", people=thing.name, zone=state_word(scene, thing.state))
    return tells(scene, "tell_person", said, fact, yes)


@kind("tell_nobody_known", 0.6)
def tell_nobody_known(scene: Scene) -> Example | None:
    """Ask who is at home where the house does not know of people."""
    if any(thing.domain in ("person", "device_tracker") for thing in scene.house.exposed):
        return None
    said = scene.words.say(scene.rng.choice(("talk_who_home", "talk_anyone_home")))
    return tells(scene, "tell_nobody_known", said, scene.words.answer("talk_no_people"))


@kind("tell_not_known", 1.6)
def tell_not_known(scene: Scene) -> Example | None:
    """Ask since when, by whom, or how much: nothing in a prompt tells it."""
    domains = ("light", "switch", "fan", "media_player", "cover", "climate", "vacuum", "lock", "humidifier")
    things = scene.house.inside("all", *domains)
    found = some_device(scene, things)
    if found is None:
        return None
    thing, called = found
    metered = any(other.device_class in ("power", "energy") for other in scene.house.exposed)
    group = scene.rng.choice(
        {
            "cover": ("talk_ask_when_opened", "talk_ask_made"),
            "lock": ("talk_ask_made",),
            "light": ("talk_ask_since", "talk_ask_made", "talk_ask_color"),
        }.get(thing.domain, ("talk_ask_since", "talk_ask_made") if metered else ("talk_ask_since", "talk_ask_use"))
    )
    said = scene.words.say(group, the_name=called, name=bare(called), **grammar(scene, called))
    return tells(scene, "tell_not_known", said, scene.words.answer("talk_do_not_know"))
