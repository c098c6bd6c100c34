"""Small talk, general knowledge, sums, time and date."""

from __future__ import annotations

from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.house import Thing
from home_llm_lab.kinds.act_common import Order, reply
from home_llm_lab.kinds.noise import spelled
from home_llm_lab.kinds.refer import words_of
from home_llm_lab.kinds.registry import Scene, kind, some_time
from home_llm_lab.kinds.talk_common import as_said, talk, turn

# What is said, what is answered, and how often.
_SMALL = (
    ("talk_hello", "talk_hello_answer", 4),
    ("talk_bye", "talk_bye_answer", 2),
    ("talk_who", "talk_who_{persona}", 3),
    ("talk_able", "talk_able_answer", 3),
    ("talk_how", "talk_how_answer", 3),
    ("talk_praise", "talk_praise_answer", 2),
    ("talk_thanks", "talk_welcome", 3),
    ("talk_blame", "talk_blame_answer", 1.5),
    ("talk_nothing", "talk_nothing_answer", 2.5),
    ("talk_yes_only", "talk_yes_answer", 0.7),
    ("talk_sorry", "talk_sorry_answer", 1),
    ("talk_sad", "talk_sad_answer", 1.5),
    ("talk_glad", "talk_glad_answer", 1),
    ("talk_cheer", "talk_cheer_answers", 1),
)


def answers(scene: Scene, name: str, said: str, text: str, *, tell_time: str | None = None) -> Example:
    """Return something said with an answer that is only words."""
    return talk(scene, name, turn(scene, said, text, "talk"), tell_time=tell_time)


@kind("talk_small", 2.6)
def talk_small(scene: Scene) -> Example | None:
    """Greetings, thanks, who are you, what can you do."""
    said, answer, _ = scene.rng.choices(_SMALL, [weight for *_, weight in _SMALL])[0]
    if any(words_of(name) <= words_of("stop cancel") for thing in scene.house.exposed for name in thing.names):
        return None
    text = scene.words.answer(answer.format(persona=scene.persona))
    return answers(scene, "talk_small", scene.words.say(said), text)


def night_scene(scene: Scene) -> Thing | None:
    """Return the scene or script of the house that is called for the night."""
    wanted = words_of(scene.words.book.groups["talk_sleep"][0])
    return next(
        (thing for thing in scene.house.inside("all", "scene", "script") if words_of(thing.name) == wanted), None
    )


@kind("talk_good_night", 0.5)
def talk_good_night(scene: Scene) -> Example | None:
    """Say good night, where a scene of that name may be meant."""
    thing = night_scene(scene)
    if thing is None:
        if any(words_of("night") <= words_of(thing.name) for thing in scene.house.inside("all", "scene", "script")):
            return None
        return answers(scene, "talk_good_night", scene.words.say("talk_sleep"), scene.words.answer("talk_sleep_answer"))
    if f"did_{thing.domain}" not in scene.words.book.groups:
        return None
    call = Call(f"{thing.domain}.turn_on", thing.entity_id)
    made = Order(
        (),
        {},
        (call,),
        {thing.entity_id: {"state": "activated"}},
        f"did_{thing.domain}",
        {"name": thing.name},
        (thing,),
    )
    said = as_said(scene, scene.words.say("talk_scene_night"))
    return talk(scene, "talk_good_night", Turn(said, reply(scene, [made]), made.calls, made.effects))


@kind("talk_joke", 0.5)
def talk_joke(scene: Scene) -> Example | None:
    """Tell a joke."""
    return answers(scene, "talk_joke", scene.words.say("talk_joke"), scene.words.answer("talk_jokes"))


@kind("talk_fact", 2)
def talk_fact(scene: Scene) -> Example | None:
    """Ask for something that everybody knows."""
    said, _, answer = scene.words.say("talk_facts").partition(" => ")
    return answers(scene, "talk_fact", said, answer)


@kind("talk_sum", 0.7)
def talk_sum(scene: Scene) -> Example | None:
    """Ask for a small sum."""
    rng = scene.rng
    what = rng.choice(("plus", "plus", "minus", "times", "divided"))
    if what == "times":
        first, second = rng.randint(2, 12), rng.randint(2, 12)
        value = first * second
    elif what == "divided":
        value, second = rng.randint(2, 12), rng.randint(2, 10)
        first = value * second
    else:
        first, second = rng.randint(1, 60), rng.randint(1, 40)
        if what == "minus":
            first, second = max(first, second), min(first, second)
        value = first - second if what == "minus" else first + second
    in_words = scene.words.book.language == "en" and rng.random() < 0.3
    said = scene.words.say(
        f"talk_{what}",
        a=spelled(first) if in_words else str(first),
        b=spelled(second) if in_words else str(second),
    )
    return answers(scene, "talk_sum", said, scene.words.answer("talk_result", value=str(value)))


@kind("talk_time", 1.1)
def talk_time(scene: Scene) -> Example | None:
    """Ask for time or date, which the prompt tells or not."""
    rng, groups = scene.rng, scene.words.book.groups
    asked = rng.choices(("time", "date", "weekday", "year", "month"), (4, 2, 2, 0.5, 0.5))[0]
    said = scene.words.say(f"talk_{asked}_ask")
    if rng.random() < 0.35:
        return answers(
            scene, "talk_time", said, scene.words.answer("talk_no_time" if asked == "time" else "talk_no_date")
        )
    moment = some_time(rng)
    month = groups["talk_months"][moment.month - 1]
    values = {
        "time": moment.strftime("%H:%M"),
        "date": scene.words.answer("talk_date", month=month, day=str(moment.day), year=str(moment.year)),
        "weekday": groups["talk_weekdays"][moment.weekday()],
        "year": str(moment.year),
        "month": month,
    }
    text = scene.words.answer(f"talk_{asked}_answer", **{asked: values[asked]})
    return answers(scene, "talk_time", said, text, tell_time=moment.isoformat(timespec="minutes"))
