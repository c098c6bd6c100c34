"""The data that is evaluated: houses with their prompts, tools and conversations, one house a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from home_llm_lab.example import Act

from .calls import Call, CallError, read_answer

ACTS = ("act", "tell", "ask", "refuse", "talk")


class DataError(ValueError):
    """A file of data cannot be used; the text names the line."""


@dataclass(frozen=True, slots=True)
class Task:
    """A conversation, the last answer of which is graded.

    Attributes:
        number: of the house in its file.
        kind: which generator made it.
        act: what kind of answer is right.
        language: that is spoken.
        system: the system prompt.
        tools: in OpenAI's shape.
        messages: the conversation up to the last thing that the user said.
        expected: the calls that are right.
        reply: a sentence that is right.
        alternatives: other calls that are as right.
        says: what the answer has to contain, where the sentence alone is not the measure.
        never: what it must not contain.
        cluster: what the same wordings have in common: the template of what was asked, or the words.
        where: areas and floors of devices by entity id, where the data tell.
        examples: what the integration shows to models that were not tuned, where the data tell.
    """

    number: int
    kind: str
    act: Act
    language: str
    system: str
    tools: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, str]]
    expected: tuple[Call, ...]
    reply: str
    alternatives: tuple[tuple[Call, ...], ...] = ()
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    cluster: str = ""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    examples: Sequence[Mapping[str, str]] = ()

    @property
    def said(self) -> str:
        """What the user said last."""
        return self.messages[-1]["content"]


def read_tasks(path: Path) -> Iterator[Task]:
    """Yield the tasks of a file, in an order in which a server can reuse what it has read.

    Raises:
        DataError: the file is missing, or a line is not a house with conversations.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _tasks(path, number, line)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def house_tasks(house: Mapping[str, Any], number: int = 0) -> list[Task]:
    """Return the tasks of a house, those with the same prompt one behind the other.

    Raises:
        KeyError: something is missing.
        ValueError: something is not as it should be.
    """
    tasks = [_task(house, conversation, number) for conversation in house["conversations"]]
    return sorted(tasks, key=lambda task: task.system)


def _tasks(path: Path, number: int, line: str) -> list[Task]:
    try:
        return house_tasks(json.loads(line), number)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}, line {number}, is no house with conversations: {error!r}") from error


def _task(house: Mapping[str, Any], conversation: Mapping[str, Any], number: int) -> Task:
    tools = house["tools"]
    messages = list(conversation["messages"])
    if len(messages) < 2 or messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        raise ValueError("a conversation ends with what a user says and the assistant's answer")
    calls, reply = _answer(messages[-1]["content"], tools)
    act = conversation.get("act") or ("act" if calls else "talk")
    if act not in ACTS:
        raise ValueError(f"there is no act {act!r}")
    said = messages[-2]["content"]
    templates = conversation.get("templates") or ()
    return Task(
        number=number,
        kind=conversation["kind"],
        act=cast("Act", act),
        language=conversation.get("language") or house.get("language", "en"),
        system=conversation.get("system") or house["prompt"] + (conversation.get("tail") or ""),
        tools=tools,
        messages=messages[:-1],
        expected=tuple(calls),
        reply=reply,
        alternatives=tuple(tuple(_answer(text, tools)[0]) for text in conversation.get("accept", ())),
        says=tuple(conversation.get("says", ())),
        never=tuple(conversation.get("never", ())),
        cluster=next(iter(templates), said.casefold()),
        where=house.get("where", {}),
        examples=house.get("examples", ()),
    )


def _answer(text: str, tools: Sequence[Mapping[str, Any]]) -> tuple[list[Call], str]:
    try:
        return read_answer(text, tools)
    except CallError as error:
        raise ValueError(f"{text!r}: {error}") from error
