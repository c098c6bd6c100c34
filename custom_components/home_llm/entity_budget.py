"""Which devices the prompt tells of where not all of them fit.

Free of Home Assistant. Most of the room goes to devices that are always the same, whatever is said, so that the server
has read them before. The rest goes to those that matter now: what the command names, what is in the room of the
speaker, what was used last. They stand behind the others, so that only they are read anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .home_format import line_order, render_device
from .service_catalogue import Device
from .tokens import estimate_tokens

# The part of the room that does not depend on what is said.
CORE_SHARE = 0.6
# An answer and a conversation take these parts of a context, at most.
ANSWER_SHARE = 1 / 4
HISTORY_SHARE = 1 / 8
SMALLEST_BUDGET = 128

# What people speak about most, first. All others follow.
_DOMAINS = ("light", "switch", "cover", "climate", "lock", "media_player", "fan", "vacuum", "scene", "script", "sensor")

_WORD = re.compile(r"\w+")
# Words that share their beginning mean the same: light and lights, K\u00fcche and K\u00fcchenlicht.
_SHORTEST_STEM = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of the moment in which devices are chosen.

    Attributes:
        command: what was said.
        area_id: the area of who said it.
        names: more names of a device, by entity id: its aliases and those of its area.
        areas: the area of a device, by entity id.
        recent: entities that were used lately, the last one first.
    """

    command: str = ""
    area_id: str | None = None
    names: Mapping[str, Collection[str]] = field(default_factory=dict)
    areas: Mapping[str, str | None] = field(default_factory=dict)
    recent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """The devices of a prompt: those that are always there, those that matter now, and how many are left out."""

    core: list[Device]
    late: list[Device]
    dropped: int

    @property
    def in_order(self) -> list[Device]:
        """Return all devices that are kept, in the order of their lines."""
        return [*self.core, *self.late]

    @property
    def devices(self) -> list[Device]:
        """Return all devices that are kept, sorted by entity id."""
        return sorted([*self.core, *self.late], key=lambda device: device.entity_id)


def default_budget(context_size: int | None, max_tokens: int, spent: int) -> int | None:
    """Return about how many tokens the devices may take, or None where the context is not known.

    Args:
        context_size: of the model.
        max_tokens: that an answer may have.
        spent: what instructions, services and examples take.
    """
    if context_size is None:
        return None
    answer = min(max_tokens, int(context_size * ANSWER_SHARE))
    return max(SMALLEST_BUDGET, int(context_size * (1 - HISTORY_SHARE)) - answer - spent)


def choose(devices: Iterable[Device], budget: int | None, moment: Callable[[], Moment]) -> Kept:
    """Return the devices that fit into so many tokens; the moment is looked at only where not all do."""
    devices = sorted(devices, key=line_order)
    cost = {device.entity_id: 1 + estimate_tokens(render_device(device)) for device in devices}
    if budget is None or sum(cost.values()) <= budget:
        return Kept(devices, [], 0)
    core = _fill(_by_domain(devices), cost, int(budget * CORE_SHARE))
    chosen = {device.entity_id for device in core}
    now = moment()
    scores = {device.entity_id: _score(device, now) for device in devices}
    rest = sorted(
        (device for device in devices if device.entity_id not in chosen and scores[device.entity_id] > 0),
        key=lambda device: (-scores[device.entity_id], device.entity_id),
    )
    late = _fill(rest, cost, budget - sum(cost[entity_id] for entity_id in chosen))
    return Kept(core, late, len(devices) - len(core) - len(late))


def _fill(devices: Iterable[Device], cost: Mapping[str, int], budget: int) -> list[Device]:
    """Return the first devices that fit, in the order of their lines."""
    kept = []
    for device in devices:
        if cost[device.entity_id] <= budget:
            budget -= cost[device.entity_id]
            kept.append(device)
    return sorted(kept, key=line_order)


def _by_domain(devices: Sequence[Device]) -> list[Device]:
    """Return devices such that each domain has its first one before any has its second."""
    rank = {domain: index for index, domain in enumerate(_DOMAINS)}
    seen: dict[str, int] = {}
    places = {}
    for device in devices:
        seen[device.domain] = seen.get(device.domain, -1) + 1
        # Three lamps for one of anything else: lamps are what people speak about.
        turn = seen[device.domain] // (3 if device.domain == "light" else 1)
        places[device.entity_id] = (turn, rank.get(device.domain, len(rank)), device.entity_id)
    return sorted(devices, key=lambda device: places[device.entity_id])


def _score(device: Device, moment: Moment) -> float:
    """Return how much a device matters now; nothing is worth more than its name."""
    said = _words(moment.command)
    names = [device.name, *moment.names.get(device.entity_id, ()), device.domain]
    named = max((_share(_words(name), said) for name in names), default=0.0)
    placed = _share(_words(device.area or ""), said)
    here = moment.area_id is not None and moment.areas.get(device.entity_id) == moment.area_id
    recent = 0.0
    if device.entity_id in moment.recent:
        recent = 1 - moment.recent.index(device.entity_id) / len(moment.recent)
    return 8 * named + 4 * placed + 2 * here + recent


def _words(text: str) -> set[str]:
    """Return the words of a text without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return set(_WORD.findall("".join(char for char in plain if not unicodedata.combining(char)).replace("_", " ")))


def _share(words: Collection[str], said: Collection[str]) -> float:
    """Return which part of some words was said."""
    return sum(any(_same(word, other) for other in said) for word in words) / len(words) if words else 0.0


def _same(word: str, other: str) -> bool:
    """Return whether two words are forms of one."""
    if word == other:
        return True
    short, long = sorted((word, other), key=len)
    return len(short) >= _SHORTEST_STEM and (long.startswith(short) or long.endswith(short))
