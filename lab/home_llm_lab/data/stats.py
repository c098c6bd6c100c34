"""What is in a dataset, counted while it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .making import Tally


@dataclass(slots=True)
class Stats:
    """Counts of a dataset, by split."""

    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    # SHA-256 of each file.
    digests: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    _sets: dict[str, dict[str, set[Any]]] = field(default_factory=dict)
    _things: dict[str, list[int]] = field(default_factory=dict)

    def see(self, line: Mapping[str, Any]) -> None:
        """Count a line."""
        split = line["split"]
        counts = self._counts.setdefault(
            split, {name: Counter() for name in ("total", "kind", "act", "language", "persona", "turns", "calls")}
        )
        sets = self._sets.setdefault(split, {name: set() for name in ("houses", "templates", "names", "wordings")})
        self._things.setdefault(split, []).append(line["things"])
        sets["houses"].add((line["language"], line["house"]))
        sets["names"].update(names_in(line["prompt"]))
        counts["total"]["moments"] += 1
        counts["total"]["characters of prompts"] += len(line["prompt"])
        for conversation in line["conversations"]:
            answer = conversation["messages"][-1]["content"]
            counts["total"]["conversations"] += 1
            counts["total"]["characters of last answers"] += len(answer)
            counts["kind"][conversation["kind"]] += 1
            counts["act"][conversation["act"]] += 1
            counts["language"][conversation["language"]] += 1
            counts["persona"][line["persona"]] += 1
            counts["turns"][str(len(conversation["messages"]) // 2)] += 1
            counts["calls"][str(answer.count("\n"))] += 1
            sets["templates"].update(conversation["templates"])
            sets["wordings"].add("\n".join(message["content"] for message in conversation["messages"][::2]).casefold())

    @property
    def conversations(self) -> int:
        """Return how many conversations there are in all splits."""
        return sum(counts["total"]["conversations"] for counts in self._counts.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "conversations": self.conversations,
            "seconds": round(self.seconds, 1),
            "per_second": round(self.conversations / self.seconds, 1) if self.seconds else None,
            "sha256": self.digests,
            "splits": {split: self._split(split) for split in sorted(self._counts)},
            "shared_with_train": self._shared(),
            "kinds": self._kinds(),
        }

    def _split(self, split: str) -> dict[str, Any]:
        counts = self._counts[split]
        things = sorted(self._things[split])
        return {
            **counts["total"],
            "houses": len(self._sets[split]["houses"]),
            "devices": {"least": things[0], "median": things[len(things) // 2], "most": things[-1]},
            "templates": len(self._sets[split]["templates"]),
            "wordings": len(self._sets[split]["wordings"]),
            **{
                name: dict(counts[name].most_common())
                for name in ("act", "language", "persona", "turns", "calls", "kind")
            },
        }

    def _shared(self) -> dict[str, dict[str, Any]]:
        """Return what the other splits have in common with training."""
        train = self._sets.get("train", {})
        return {
            split: {name: len(found & train.get(name, set())) for name, found in sets.items()}
            for split, sets in sorted(self._sets.items())
            if split != "train"
        }

    def _kinds(self) -> dict[str, Any]:
        """Return for each kind what was kept and what was thrown away, with why."""
        tally = self.tally
        names = sorted({*tally.kept, *tally.nothing, *(kind for kind, _ in tally.rejected)})
        found: dict[str, Any] = {}
        for name in names:
            reasons = Counter({reason: count for (kind, reason), count in tally.rejected.items() if kind == name})
            found[name] = {
                "kept": tally.kept[name],
                "nothing": tally.nothing[name],
                "rejected": reasons.total(),
                "reasons": {
                    reason: {"count": count, "sample": tally.samples[name, reason]}
                    for reason, count in reasons.most_common()
                },
            }
        return found


def names_in(prompt: str) -> set[str]:
    """Return the names of devices and their aliases in a prompt, in small letters."""
    _, _, devices = prompt.partition("\nDevices:\n")
    # The sun has the same name everywhere.
    lines = (line for line in devices.splitlines() if not line.startswith("sun."))
    quoted = (line.partition(" '")[2].partition("'")[0] for line in lines)
    return {name.strip().casefold() for names in quoted for name in names.split(", ") if name.strip()}
