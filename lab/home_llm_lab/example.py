"""What is said in a house, what the assistant answers, and what should have changed then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

# What the right answer does: changes something, tells something, asks back, says that it cannot, or only talks.
Act: TypeAlias = Literal["act", "tell", "ask", "refuse", "talk"]

# What of a device tells that it has changed; everything else follows from these.
Change: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the model writes it: the service, the target, the rest by name in the order of the catalogue."""

    service: str
    target: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """A command and its answer.

    Attributes:
        said: the words of the user.
        calls: what the model should call, in order.
        reply: the sentence that follows, the shortest that a person would want to hear.
        effects: what should be different afterwards, by entity id: `state` and the attributes of Home Assistant that
            matter. It is meant independently of the calls, from what was said: verification compares both. A value
            may be a range, as a tuple of its ends.
        act: what kind of answer is right.
        error: what Home Assistant answers to the calls, where they fail; the next turn then has no words of the user.
    """

    said: str
    reply: str
    calls: tuple[Call, ...] = ()
    effects: Mapping[str, Change] = field(default_factory=dict)
    act: Act = "act"
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation.

    Attributes:
        kind: which generator made it; results are told by kind.
        turns: the conversation, the last turn the one that is learned and graded; every turn is executed.
        templates: keys of the phrase templates that the words came from: splits are disjoint by them.
        area_id: where the satellite stands that was spoken to, None for a text chat.
        persona: al, blackbeard or robo.
        language: of the conversation; None is that of the house.
        tell_time: whether the prompt ends with day and time, as ISO time, or None.
        timeless: whether it must not, because the answer is that the time is not known.
        tempting: a wrong last answer that a careless model would give: data has it as `rejected`, for training on
            pairs. It is written and never carried out.
    """

    kind: str
    turns: tuple[Turn, ...]
    templates: tuple[str, ...] = ()
    area_id: str | None = None
    persona: str = "al"
    language: str | None = None
    tell_time: str | None = None
    timeless: bool = False
    tempting: Turn | None = None
