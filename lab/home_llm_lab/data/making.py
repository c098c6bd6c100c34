"""Make the examples of a house: random ones, each executed, those that fail counted."""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from home_llm_lab.example import Example
from home_llm_lab.homes import make_house, restate
from home_llm_lab.house import House
from home_llm_lab.kinds.registry import load_kinds, make_example
from home_llm_lab.virtual.world import World

from .verify import RejectedError, Verified, Verifier

# How many tries there are for each example that is wanted, and for each that still is where a kind was given.
_TRIES = 4
PERSONAS, _PERSONA_WEIGHTS = ("al", "robo", "blackbeard"), (0.9, 0.05, 0.05)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made of a house.

    Attributes:
        seed: of the house and everything in it.
        split: train, valid or test.
        language: of the house.
        conversations: how many in each moment.
        moments: how many moments; 0 for two or three.
        kind: only this one, or None for all as often as they are wanted.
    """

    seed: int
    split: str
    language: str
    conversations: int = 25
    moments: int = 0
    kind: str | None = None


@dataclass(slots=True)
class Tally:
    """What became of the tries, by kind."""

    kept: Counter[str] = field(default_factory=Counter)
    # The house had nothing of the kind.
    nothing: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    # One of each kind and reason, for who wrote the kind.
    samples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        self.kept += other.kept
        self.nothing += other.nothing
        self.rejected += other.rejected
        self.samples = {**other.samples, **self.samples}


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a house: a line for each moment, and the count of what failed."""

    lines: tuple[Mapping[str, Any], ...]
    tally: Tally


async def make(world: World, plan: Plan) -> Made:
    """Return the examples of a house."""
    rng = random.Random(f"examples/{plan.split}/{plan.language}/{plan.seed}")
    house = make_house(plan.seed, plan.language, held_out=plan.split == "test")
    tally = Tally()
    lines: list[Mapping[str, Any]] = []
    async with world.open(house) as residence:
        for number in range(plan.moments or rng.choice((2, 2, 3))):
            if number:
                house = restate(house, rng)
                residence.become(house)
            line = await _moment(await Verifier.begin(residence), plan, rng, tally)
            if line["conversations"]:
                lines.append(line)
    return Made(tuple(lines), tally)


async def _moment(verifier: Verifier, plan: Plan, rng: random.Random, tally: Tally) -> Mapping[str, Any]:
    """Return the line of a house in one moment."""
    house = verifier.residence.house
    persona = rng.choices(PERSONAS, _PERSONA_WEIGHTS)[0]
    found: dict[str, Mapping[str, Any]] = {}
    for _ in range(plan.conversations * _TRIES):
        if len(found) >= plan.conversations:
            break
        example = _try(house, plan, rng, persona, tally)
        if example is None:
            continue
        try:
            verified = await verifier.verify(example)
        except RejectedError as error:
            key = (example.kind, str(error))
            tally.rejected[key] += 1
            tally.samples.setdefault(key, _sample(example, house))
            continue
        conversation = _conversation(example, verified, verifier, house)
        key_of_words = "\n".join(
            [conversation["tail"], *(message["content"] for message in conversation["messages"][::2])]
        ).casefold()
        if key_of_words not in found:
            found[key_of_words] = conversation
            tally.kept[example.kind] += 1
    return {
        "house": house.seed,
        "language": house.language,
        "split": plan.split,
        "persona": persona,
        "things": len(house.exposed),
        "prompt": verifier.speaking.prompt(persona, house.language),
        "tools": verifier.speaking.openai_tools,
        "conversations": list(found.values()),
    }


def _try(house: House, plan: Plan, rng: random.Random, persona: str, tally: Tally) -> Example | None:
    """Return an example, or None where the house has nothing of its kind, or the kind fails."""
    name = plan.kind or _choose(rng)
    try:
        made = make_example(house, rng, held_out=plan.split == "test", name=name, persona=persona)
    except Exception as error:  # noqa: BLE001 - one kind with a fault is counted, and all others go on
        key = (name, f"raises {type(error).__name__}")
        tally.rejected[key] += 1
        tally.samples.setdefault(key, traceback.format_exc(limit=-4))
        return None
    if made is None:
        tally.nothing[name] += 1
    return made


def _choose(rng: random.Random) -> str:
    """Return the name of a kind, as often as it is wanted."""
    kinds = load_kinds()
    return rng.choices(list(kinds), [kind.weight for kind in kinds.values()])[0]


def _conversation(example: Example, verified: Verified, verifier: Verifier, house: House) -> dict[str, Any]:
    language = example.language or house.language
    found: dict[str, Any] = {
        "kind": example.kind,
        "act": example.turns[-1].act,
        "language": language,
        "tail": verifier.speaking.tail(example.area_id, example.tell_time, language),
        "persona_line": None,
        "messages": verified.messages,
        "effects": verified.effects,
        "templates": example.templates,
    }
    return {**found, "learn": "last"} if verified.only_last else found


def _sample(example: Example, house: House) -> str:
    """Return an example as its author wants to see it."""
    lines = [f"house {house.seed} ({house.language}), spoken to in {example.area_id}"]
    for turn in example.turns:
        calls = "; ".join(f"{call.service}({call.target}, {dict(call.arguments)})" for call in turn.calls)
        lines.append(f"  {turn.said!r} -> [{turn.act}] {calls} / {turn.reply!r} / meant {dict(turn.effects)}")
    return "\n".join(lines)
