"""Orders: what is meant, how it is said, and what the assistant answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from home_llm_lab.example import Call, Change, Example, Turn
from home_llm_lab.grammar import form_of
from home_llm_lab.house import Thing
from home_llm_lab.kinds.refer import has_own_name, refer, refer_apart, tidy
from home_llm_lab.kinds.registry import Scene, kind
from home_llm_lab.kinds.talk_common import dressed, plural
from home_llm_lab.phrases.template import slots as slots_of

# How often an imperative is put into a frame such as "could you ..., please", and anything gets a filler before it.
_FRAMED, _FILLED = 0.35, 0.07
# How often it is tried to say a place apart from the device: "turn the lamp on in the bedroom".
_APART = 0.12
# What telegrams leave out before a noun.
_ARTICLES = {"en": ("the ", "my "), "de": ("die ",)}
# How much more often something is said as an imperative than otherwise.
_PLAIN = 1.7


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that is to be done.

    Attributes:
        groups: of templates that say it. Those of NAME are imperatives, those of NAME_free anything else.
        values: what fills the slots of the templates.
        calls: what is right.
        effects: what is meant.
        clause: the group of what the assistant says of it, as a clause in lower case without full stop.
        told: what fills the slots of the clause.
        things: what it is about, to keep several orders apart.
        place: where that is, where it is not said with the device: it goes to the end or to the beginning.
    """

    groups: tuple[str, ...]
    values: Mapping[str, str]
    calls: tuple[Call, ...]
    effects: Mapping[str, Change]
    clause: str
    told: Mapping[str, str] = field(default_factory=dict)
    things: tuple[Thing, ...] = ()
    place: str = ""


OrderMaker: TypeAlias = Callable[[Scene], Order | None]

# The orders that can be given together with others, each with how often.
ORDERS: dict[str, tuple[float, OrderMaker]] = {}


def order(name: str, weight: float, *, together: float | None = None) -> Callable[[OrderMaker], OrderMaker]:
    """Register a maker of orders as a kind of command, and for commands of several orders.

    Args:
        name: of the kind, without act_.
        weight: how often it is wanted alone.
        together: how often it is wanted with others, like alone where it is None.
    """

    def register(make: OrderMaker) -> OrderMaker:
        ORDERS[name] = (weight if together is None else together, make)

        @kind(f"act_{name}", weight)
        def _make(scene: Scene) -> Example | None:
            made = make(scene)
            return None if made is None else as_example(scene, f"act_{name}", made)

        return make

    return register


def as_example(scene: Scene, name: str, made: Order) -> Example | None:
    """Return an order as a whole example, or None where this split has no words for it."""
    said = utter(scene, made)
    return None if said is None else example(scene, name, said, [made])


def example(scene: Scene, name: str, said: str, orders: Sequence[Order]) -> Example:
    """Return an example of words that mean some orders."""
    effects: dict[str, Change] = {}
    for made in orders:
        effects.update(made.effects)
    calls = tuple(call for made in orders for call in made.calls)
    return Example(name, (Turn(said, reply(scene, orders), calls, effects),), area_id=scene.area_id)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an order is on: a device, or several in one place.

    Attributes:
        said: how it is spoken of, with its article.
        target: how calls name it.
        things: the devices that are meant.
        name: how the answer calls it, without article.
        place: where it is, where that is said apart.
    """

    said: str
    target: str
    things: tuple[Thing, ...]
    name: str
    place: str = ""


def one(scene: Scene, things: Sequence[Thing], *, apart: bool = True) -> Subject | None:
    """Return the first of some devices that can be referred to, its place sometimes apart where that is allowed."""
    for thing in things[:4]:
        if apart and scene.rng.random() < _APART and (parts := refer_apart(scene, thing)):
            return Subject(parts[0], thing.entity_id, (thing,), thing.name, parts[1])
        said = refer(scene, thing)
        if said is not None:
            return Subject(said, thing.entity_id, (thing,), thing.name)
    return None


def on(
    scene: Scene,
    subject: Subject | None,
    groups: Sequence[str],
    call: Call,
    effect: Callable[[Thing], Change],
    *,
    clause: str | None = None,
    values: Mapping[str, str] | None = None,
    told: Mapping[str, str] | None = None,
) -> Order | None:
    """Return an order on something, or None where it is None.

    Args:
        scene: where it is said.
        subject: the device or the devices.
        groups: of templates, as in Order.
        call: without its target.
        effect: what is different then of a device.
        clause: as in Order, by the service where it is None.
        values: what fills slots beside the subject.
        told: what fills slots of the answer beside the subject.
    """
    if subject is None:
        return None
    return Order(
        tuple(groups),
        {**spoken_of(scene, subject), **(values or {})},
        (replace(call, target=subject.target),),
        {thing.entity_id: effect(thing) for thing in subject.things},
        clause or f"did_{call.service.partition('.')[2]}",
        {"name": subject.name, **(told or {})},
        subject.things,
        subject.place,
    )


def spoken_of(scene: Scene, subject: Subject) -> dict[str, str]:
    """Return the slots that speak of a subject: thing, bare (without article), and what agrees with them: it, is."""
    many = plural(subject.said) or (len(subject.things) > 1 and not subject.said.startswith(("every ", "each ")))
    agreeing = {"it": "them", "is": "are"} if many else {"it": "it", "is": "is"}
    return {"thing": subject.said, "bare": bare(scene, subject.said), **agreeing}


def bare(scene: Scene, said: str) -> str:
    """Return a noun phrase without its article, as telegrams have it."""
    for article in _ARTICLES.get(scene.words.book.language, ()):
        said = said.removeprefix(article)
    return said


def fitting(scene: Scene, group: str, values: Mapping[str, str]) -> int:
    """Return how many templates of a group this split can use."""
    templates = scene.words.book.templates(group, held_out=scene.words.held_out)
    return sum(all(slot in values or form_of(slot)[0] in values for slot in slots_of(text)) for text in templates)


def command(scene: Scene, made: Order) -> str | None:
    """Return an order as a plain imperative, or None where there is none."""
    groups = [(group, fitting(scene, group, made.values)) for group in made.groups]
    chosen = _pick(scene, groups)
    return None if chosen is None else _placed(scene, scene.words.say(chosen, **made.values), made.place)


def _placed(scene: Scene, said: str, place: str) -> str:
    """Return an order with the place at its end, or before it."""
    if not place:
        return said
    if scene.rng.random() < 0.15:
        return scene.words.answer("place_first", place=place, said=said)
    return f"{said} {place}"


def utter(scene: Scene, made: Order) -> str | None:
    """Return an order as somebody says it, or None where this split has no words for it."""
    plain = [(group, _PLAIN * fitting(scene, group, made.values)) for group in made.groups]
    free = [(f"{group}_free", fitting(scene, f"{group}_free", made.values)) for group in made.groups]
    chosen = _pick(scene, [*plain, *free] if not made.place or scene.rng.random() < 0.15 else plain)
    if chosen is None:
        return None
    said = _placed(scene, scene.words.say(chosen, **made.values).rstrip("?" if made.place else ""), made.place)
    return finish(scene, said if chosen.endswith("_free") else frame(scene, said))


def frame(scene: Scene, said: str) -> str:
    """Return an imperative, sometimes made polite, a question, or long."""
    if scene.rng.random() < _FRAMED and fitting(scene, "act_frame", {"command": said}):
        return scene.words.say("act_frame", command=said)
    return said


def finish(scene: Scene, said: str) -> str:
    """Return a sentence with or without a filler, signs and a capital letter."""
    rng = scene.rng
    if rng.random() < _FILLED and fitting(scene, "act_filler", {"said": said}):
        said = scene.words.say("act_filler", said=said)
    said = said.strip(" ,")
    said = said.replace(" ,", ",").replace(" ?", "?").replace(" .", ".")
    style = rng.random()
    if style < 0.35:
        return said.rstrip("?.!")
    if style > 0.45:
        said = said[:1].upper() + said[1:]
    if said.endswith(("?", ".", "!")) or style > 0.8:
        return said
    return said + ("!" if rng.random() < 0.06 else ".")


def reply(scene: Scene, orders: Sequence[Order]) -> str:
    """Return what the assistant says: one sentence, orders of the same sort told together."""
    told: list[tuple[str, dict[str, str], list[str]]] = []
    for made in orders:
        rest = {key: value for key, value in made.told.items() if key != "name"}
        names = [made.told["name"]] if "name" in made.told else []
        if told and names and told[-1][:2] == (made.clause, rest):
            told[-1][2].extend(names)
        else:
            told.append((made.clause, rest, names))
    language = scene.words.book.language
    people = {thing.name for made in orders for thing in made.things if has_own_name(thing, language)}
    clauses = []
    for group, rest, names in told:
        values = {**rest, "name": join(scene, names)} if names else rest
        clause = tidy(scene, scene.words.answer(group, **values), *names[:1], *rest.values())
        clauses.append(clause.replace(f"the {names[0]}", names[0]) if names and names[0] in people else clause)
    return wrap(scene, sentence(join(scene, clauses)))


def sentence(text: str) -> str:
    """Return clauses as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def wrap(scene: Scene, said: str) -> str:
    """Return a sentence as the persona says it."""
    return dressed(scene, said, "act") if f"talk_dress_{scene.persona}" in scene.words.book.groups else said


def join(scene: Scene, parts: Sequence[str]) -> str:
    """Return parts as an enumeration."""
    if len(parts) < 2:
        return "".join(parts)
    return scene.words.answer("join_and", first=", ".join(parts[:-1]), last=parts[-1])


def _pick(scene: Scene, groups: Sequence[tuple[str, float]]) -> str | None:
    """Return one of some groups, those with many templates more often; None where none has any."""
    weights = [weight for _, weight in groups]
    return scene.rng.choices([name for name, _ in groups], weights)[0] if sum(weights) else None
