"""Read the queue of a Home LLM server or a llama-server: from its Prometheus metrics, or from its slots.

Free of Home Assistant.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

_PROCESSING = "llamacpp:requests_processing"
_DEFERRED = "llamacpp:requests_deferred"


@dataclass(frozen=True, slots=True)
class Queue:
    """The requests that a server has taken on.

    Attributes:
        running: those that it answers now.
        waiting: those that wait for others.
    """

    running: int
    waiting: int

    @property
    def length(self) -> int:
        """Return how many requests there are."""
        return self.running + self.waiting


def read_queue(text: str) -> Queue | None:
    """Return the queue of a server, or None where its metrics do not tell of one."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        # Labels, which one model more would add, do not matter to a sum.
        name = name.partition("{")[0]
        if name in (_PROCESSING, _DEFERRED):
            try:
                values[name] = values.get(name, 0) + float(value.split()[0])
            except (IndexError, ValueError):
                return None
    if _PROCESSING not in values:
        return None
    return Queue(int(values[_PROCESSING]), int(values.get(_DEFERRED, 0)))


def read_slots(text: str) -> Queue | None:
    """Return the queue as the slots of a llama-server show it, which do not tell who waits."""
    try:
        slots = json.loads(text)
    except ValueError:
        return None
    if not isinstance(slots, list):
        return None
    return Queue(sum(isinstance(slot, dict) and slot.get("is_processing") is True for slot in slots), 0)
