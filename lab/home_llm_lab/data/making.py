"""Make the examples of a house: random ones, each executed, those that fail counted."""

from __future__ import annotations

import functools
import random
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from home_llm_lab.example import Example
from home_llm_lab.homes import hide, make_house, restate
from home_llm_lab.house import House
from home_llm_lab.kinds.registry import Kind, load_kinds, make_example
from home_llm_lab.virtual.world import World

from .verify import RejectedError, Verified, Verifier

# How many tries there are for each example that is wanted, and for each that still is where a kind was given.
_TRIES = 4
PERSONAS, _PERSONA_WEIGHTS = ("al", "robo", "blackbeard"), (0.9, 0.05, 0.05)


_TEMPER = 0.65
# How often each family of kinds is wanted, by what their names begin with.
_SHARES = {"act": 0.41, "tell": 0.19, "refuse": 0.16, "follow": 0.06, "ask": 0.075, "talk": 0.085, "fail": 0.02}


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

    def reject(self, kind: str, reason: str, sample: str) -> None:
        """Count something that was thrown away."""
        self.rejected[kind, reason] += 1
        self.samples.setdefault((kind, reason), sample)

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
                # The same words as in the moment before, of something that is not there any more.
                residence.become(hide(restate(house, rng), rng))
            line = await _moment(await Verifier.begin(residence), plan, rng, tally)
            if line["conversations"]:
                lines.append(line)
    return Made(tuple(lines), tally)


async def _moment(verifier: Verifier, plan: Plan, rng: random.Random, tally: Tally) -> Mapping[str, Any]:
    """Return the line of a house in one moment."""
    house = verifier.residence.house
    persona = rng.choices(PERSONAS, _PERSONA_WEIGHTS)[0]
    maker = _Maker(house, plan, rng, persona, tally)
    found: dict[str, Mapping[str, Any]] = {}
    for _ in range(plan.conversations * _TRIES):
        if len(found) >= plan.conversations:
            break
        example = maker.example()
        if example is None:
            continue
        try:
            verified = await verifier.verify(example)
            rejected = verifier.written(example.tempting) if example.tempting else None
        except RejectedError as error:
            tally.reject(example.kind, str(error), _sample(example, house))
            continue
        conversation = _conversation(example, verified, verifier, house)
        if rejected is not None:
            conversation["rejected"] = rejected
        said = [message["content"] for message in conversation["messages"][::2]]
        if found.setdefault("\n".join([conversation["tail"], *said]).casefold(), conversation) is conversation:
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


@dataclass(slots=True)
class _Maker:
    """Makes examples of all kinds for a house in one moment, as often as they are wanted."""

    house: House
    plan: Plan
    rng: random.Random
    persona: str
    tally: Tally
    # How often each kind found nothing here, or failed.
    _nothing: Counter[str] = field(default_factory=Counter)

    def example(self) -> Example | None:
        """Return an example, or None where nothing came of some tries.

        The family is drawn first, and kept: what is rare in houses would otherwise be rarer still in the data.
        """
        if self.plan.kind is not None:
            return self._try(self.plan.kind)
        families = _families()
        kinds = families[self.rng.choices(list(families), [_SHARES.get(name, 0.02) for name in families])[0]]
        for _ in range(_TRIES * 2):
            left = [kind for kind in kinds if self._nothing[kind.name] < 2]
            if not left:
                return None
            # What is common anyway is found in every house, and what is rare in few: weights are drawn together.
            name = self.rng.choices(left, [kind.weight**_TEMPER for kind in left])[0].name
            if (made := self._try(name)) is not None:
                return made
        return None

    def _try(self, name: str) -> Example | None:
        """Return an example of a kind, or None where the house has nothing of it, or the kind fails."""
        held_out = self.plan.split == "test"
        try:
            made = make_example(self.house, self.rng, held_out=held_out, name=name, persona=self.persona)
        except Exception as error:  # noqa: BLE001 - one kind with a fault is counted, and all others go on
            self._nothing[name] += 1
            reason = f"raises {type(error).__name__}"
            known = (name, reason) in self.tally.samples
            self.tally.reject(name, reason, "" if known else traceback.format_exc(limit=-4))
            return None
        if made is None:
            self._nothing[name] += 1
            self.tally.nothing[name] += 1
        return made


@functools.cache
def _families() -> Mapping[str, list[Kind]]:
    """Return the kinds by what their names begin with."""
    found: dict[str, list[Kind]] = {}
    for kind in load_kinds().values():
        found.setdefault(kind.name.partition("_")[0], []).append(kind)
    return found


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
