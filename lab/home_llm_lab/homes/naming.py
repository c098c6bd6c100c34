"""Names of things as people give them, what else they are called, and the ids that Home Assistant makes of them."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from .vocabulary import Vocabulary, is_held_out

_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "Ł": "l", "æ": "ae", "ø": "o", "œ": "oe"})
_SLOT = re.compile(r"\{(\w+)\}")
_TRIES = 60
# How often a test house takes a name for a word that training never sees, where the whole name could be in training.
_ODD = 0.3


@dataclass(slots=True)
class Namer:
    """Gives names that fit together in one house, and that belong to the split of the house."""

    words: Vocabulary
    rng: random.Random
    held_out: bool
    # The habits of who lives there: whether names begin with the room, and whether capitals are used.
    placed: float = field(init=False)
    lower: bool = field(init=False)
    # Whether things are only called what they are, after their room or not: no brands, pet names, owners or aliases.
    plain: bool = False
    # What is taken: names with their areas, and entity ids.
    _names: dict[str, set[str | None]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)
    # Whether the name that is being drawn has a word in it that training never sees.
    _unseen: bool = False

    def __post_init__(self) -> None:
        """Draw the habits."""
        self.placed = self.rng.choice((0.15, 0.5, 0.5, 0.85))
        self.lower = self.rng.random() < 0.08

    def name(self, kind: str, area_id: str | None, room: str | None, *, placed: float | None = None) -> str:
        """Return a name for a thing that nothing else in its area has.

        Args:
            kind: of the thing.
            area_id: where it is.
            room: what its name may tell.
            placed: how often it does, where that is no habit of the house.
        """
        name = ""
        for attempt in range(_TRIES):
            name = self._cased(self._draw(kind, room, placed, numbered=attempt > _TRIES // 2))
            if self._mine(name) and self._free(name, area_id):
                break
        else:
            name = self._numbered_until_free(name, area_id)
        self._names.setdefault(name.casefold(), set()).add(area_id)
        return name

    def listed(self, *path: str, area_id: str | None = None, rooms: Sequence[str] = ()) -> str | None:
        """Return a name of a list that needs no room, such as that of scenes, or None where nothing is free.

        Some carry a room, an owner or a number all the same, as "Bedroom Relax" does.
        """
        return self.among(self.words.list(*path), area_id, rooms, plain=path[0] == "people")

    def among(
        self, words: Sequence[str], area_id: str | None, rooms: Sequence[str] = (), *, plain: bool = False
    ) -> str | None:
        """Return one of some names, or None where nothing is free."""
        for attempt in range(_TRIES if words else 0):
            name = self.words.choose(self.rng, words, held_out=self.held_out)
            self._unseen = self.words.unseen(name, words)
            if not plain and self.rng.random() < (0.15 if attempt < 5 else 0.7):
                name = self._composed(name, rooms)
            name = name if plain else self._cased(name)
            if self._mine(name) and self._free(name, area_id):
                self._names.setdefault(name.casefold(), set()).add(area_id)
                return name
        return None

    def _composed(self, thing: str, rooms: Sequence[str]) -> str:
        chance = self.rng.random()
        if rooms and chance < 0.6:
            return self._place(thing, self.rng.choice(rooms))
        if chance < 0.85:
            return self._pick("owned").format(person=self._pick(self.words.owners), thing=thing)
        return self._pick("numbered").format(thing=thing, number=self.rng.randint(2, 4))

    def aliases(self, kind: str, area_id: str | None, room: str | None) -> tuple[str, ...]:
        """Return other names, which nothing in the house has."""
        found: list[str] = []
        if self.plain:
            return ()
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            for _ in range(_TRIES):
                alias = self._cased(self._draw(kind, room))
                if self._mine(alias) and alias.casefold() not in self._names:
                    self._names[alias.casefold()] = {area_id, None}
                    found.append(alias)
                    break
        return tuple(found)

    def entity_id(self, domain: str, name: str, room: str | None) -> str:
        """Return a free entity id: mostly made from the name, sometimes with the room, sometimes of other origin."""
        chance = 1.0 if self.plain else self.rng.random()
        if chance < 0.08:
            base = self._opaque()
        elif chance < 0.1:
            # It was called something else when it was set up.
            kind = self.rng.choice(sorted(self.words.words.get("things", {})))
            base = slug(self.words.pick(self.rng, "things", kind, held_out=self.held_out) or kind)
        elif room and chance < 0.4 and slug(room) not in slug(name):
            base = slug(f"{room} {name}")
        else:
            base = slug(name)
        base = base or "unnamed"
        entity_id, count = f"{domain}.{base}", 2
        while entity_id in self._ids:
            entity_id, count = f"{domain}.{base}_{count}", count + 1
        self._ids.add(entity_id)
        return entity_id

    def _draw(self, kind: str, room: str | None, placed: float | None = None, *, numbered: bool = False) -> str:
        rng, words = self.rng, self.words
        self._unseen = False
        if self.plain and not numbered:
            thing = self._pick("things", kind)
            return self._place(thing, room) if room and rng.random() < (0.7 if placed is None else placed) else thing
        chance = rng.random()
        if words.list("nicknames", kind) and chance < (0.45 if kind in ("vacuum", "mower") else 0.06):
            return self._pick("nicknames", kind)
        if words.list("brands", kind) and rng.random() < 0.09:
            thing, styled = self._pick("brands", kind), rng.random() < 0.3
        else:
            thing, styled = self._pick("things", kind), True
        if numbered or rng.random() < 0.05:
            thing = self._pick("numbered").format(thing=thing, number=rng.randint(1, 4))
        chance = rng.random()
        if styled and chance < 0.05:
            return self._pick("owned").format(person=self._pick(self.words.owners), thing=thing)
        if styled and chance < 0.1:
            template = self._pick("described")
            return template.format(thing=thing, thing_lower=thing[:1].lower() + thing[1:])
        if (
            styled
            and room
            and rng.random() < (self.placed if placed is None else placed)
            and room.casefold() not in thing.casefold()
        ):
            return self._place(thing, room)
        return thing

    def _place(self, thing: str, room: str) -> str:
        """Return a name with the room in it."""
        values = {
            "thing": thing,
            "room": room,
            "thing_lower": thing[:1].lower() + thing[1:],
            "room_lower": room.lower(),
            **self.words.forms(room),
        }
        fitting = [text for text in self.words.list("placed") if set(_SLOT.findall(text)) <= set(values)]
        if not fitting:
            return thing
        self._unseen = self._unseen or (is_held_out(room) and room.casefold() not in self.words.common)
        return self.words.choose(self.rng, fitting, held_out=self.held_out).format(**values)

    def _pick(self, *path: str) -> str:
        found = self.words.pick(self.rng, *path, held_out=self.held_out)
        if found is None:
            return path[-1].replace("_", " ").capitalize()
        self._unseen = self._unseen or self.words.unseen(found, self.words.list(*path))
        return found

    def _cased(self, name: str) -> str:
        return name.lower() if self.lower or self.rng.random() < 0.03 else name

    def _mine(self, name: str) -> bool:
        """Return whether a name belongs to the split of this house: no name is in two."""
        if name.casefold() in self.words.common:
            return not self.held_out
        if not self.held_out:
            return not self._unseen and not is_held_out(name)
        # Words that only tests have are few. Too many of them would be no house that anybody lives in.
        return is_held_out(name) or (self._unseen and self.rng.random() < _ODD)

    def _free(self, name: str, area_id: str | None) -> bool:
        """Return whether a name can be given in an area: where nothing is without an area, others may have it."""
        taken = self._names.get(name.casefold())
        return taken is None or (area_id is not None and area_id not in taken and None not in taken)

    def _numbered_until_free(self, name: str, area_id: str | None) -> str:
        return next(
            numbered
            for number in range(2, 10000)
            if self._free(numbered := f"{name} {number}", area_id) and self._mine(numbered)
        )

    def _opaque(self) -> str:
        """Return the kind of id that comes from a device itself."""
        rng = self.rng
        digits = f"{rng.getrandbits(32):08x}"
        return rng.choice(
            (
                f"shelly_1pm_{digits[:4]}",
                f"0x00158d000{digits[:6]}",
                f"tasmota_{digits[:6]}",
                f"zb_{digits[:4]}",
                f"esphome_{digits[:6]}",
                f"{digits[:6]}_{rng.randint(1, 4)}",
                f"tuya_{digits}",
                f"device_{rng.randint(2, 40)}",
            )
        )


def slug(name: str) -> str:
    """Return a name as Home Assistant makes ids of it."""
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain.replace("'", "")).strip("_")
