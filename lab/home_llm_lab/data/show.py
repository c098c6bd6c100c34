"""Show what a kind makes, for who writes kinds."""

from __future__ import annotations

from collections.abc import Sequence

from home_llm_lab.kinds.registry import load_kinds

from .making import Made, Plan
from .work import Workers

_EXAMPLES, _HOUSES = 3, 40


def show(kind: str, languages: Sequence[str], seed: int) -> None:
    """Print three examples of a kind, or of every one, and what was thrown away."""
    kinds = sorted(load_kinds()) if kind == "all" else [kind]
    plans = [
        Plan(seed * 1_000_000 + number, "train", languages[number % len(languages)], 1, 1, name)
        for name in kinds
        for number in range(_HOUSES)
    ]
    with Workers(2 if len(kinds) > 1 else 1) as workers:
        made = workers.make(plans)
        for name in kinds:
            _show(name, [next(made) for _ in range(_HOUSES)])


def _show(name: str, made: Sequence[Made]) -> None:
    lines = [line for item in made for line in item.lines]
    nothing = sum(item.tally.nothing[name] for item in made)
    rejected = sum(sum(item.tally.rejected.values()) for item in made)
    print(f"== {name}: in {len(lines)} of {_HOUSES} houses; nothing {nothing} times, thrown away {rejected}")
    for line in lines[:_EXAMPLES]:
        conversation = line["conversations"][0]
        print(f"-- house {line['house']} ({line['language']}, {line['persona']}){conversation['tail']!r}")
        for message in conversation["messages"]:
            print("   " + ("> " if message["role"] == "user" else "") + message["content"].replace("\n", "\n   "))
        print(f"   [{conversation['act']}] {conversation['effects']}")
    for reason, sample in {key: text for item in made for key, text in item.tally.samples.items()}.items():
        print(f"!! {reason[1]}\n   {sample}")
