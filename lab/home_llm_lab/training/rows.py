"""Reading data: a house with its conversations a line, or one chat a line."""

from __future__ import annotations

import gzip
import itertools
import json
import lzma
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from .errors import TrainingError

_ROLES = frozenset({"system", "user", "assistant", "tool"})

Line: TypeAlias = "tuple[int, str]"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to learn.

    Attributes:
        line: where it stands in its file, counted from 1.
        kind: what results are told by.
        messages: as OpenAI has them, the system prompt first where there is one, the assistant's answer last.
        tools: what the chat template is to show, or None. A house's own prompt tells its services.
        shared: the beginning of the system prompt that other conversations have too.
        learn_all: whether every answer is learned, or only the last.
        rejected: a wrong last answer, to learn from the pair, or None.
    """

    line: int
    kind: str
    messages: list[dict[str, Any]]
    tools: list[Any] | None = None
    shared: str = ""
    learn_all: bool = True
    rejected: str | None = None

    @property
    def system(self) -> str:
        """Return the system prompt, empty where there is none."""
        return str(self.messages[0]["content"]) if self.messages[0]["role"] == "system" else ""


class RowError(ValueError):
    """A line is not what a dataset holds."""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a dataset with their numbers; .gz and .xz are unpacked.

    Raises:
        TrainingError: the file cannot be read.
    """
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TrainingError(f"cannot read the dataset {path}: {error}") from error


def read_groups(lines: Iterable[Line]) -> tuple[list[list[Conversation]], list[str]]:
    """Return the conversations of some lines in groups that share a prompt, and what is wrong with the other lines."""
    groups: list[list[Conversation]] = []
    chats: list[Conversation] = []
    errors: list[str] = []
    for number, line in lines:
        try:
            row = json.loads(line)
            if isinstance(row, dict) and "conversations" in row and "prompt" in row:
                groups.extend(_house(number, row))
            elif isinstance(row, dict) and "messages" in row:
                chats.append(_chat(number, row))
            else:
                raise RowError("it has neither prompt and conversations nor messages")
        except (ValueError, KeyError, TypeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            errors.append(f"line {number}: {reason}")
    groups.extend(list(group) for _, group in itertools.groupby(chats, key=lambda chat: chat.system))
    return groups, errors


def _open(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _house(line: int, row: Mapping[str, Any]) -> list[list[Conversation]]:
    """Return the conversations in a house, those of each persona together."""
    prompt = _text(row["prompt"], "prompt")
    groups: dict[str, list[Conversation]] = {}
    for index, item in enumerate(row["conversations"]):
        if not isinstance(item, dict):
            raise RowError(f"conversation {index} is no object")
        tail = _text(item.get("tail") or "", "tail")
        begins = item.get("persona_line")
        base = prompt if begins is None else _text(item.get("system") or row.get("system") or "", "system")
        if not base:
            raise RowError(f"conversation {index} has a persona_line, but no system")
        whole = base if base.endswith(tail) and begins is not None else base + tail
        messages = [{"role": "system", "content": whole}, *_messages(item["messages"])]
        learn_all = item.get("learn", row.get("learn")) != "last"
        shared = whole.removesuffix(tail) if tail else whole
        conversation = Conversation(
            line, str(item.get("kind", "")), messages, None, shared, learn_all, _rejected(item.get("rejected"))
        )
        groups.setdefault(str(begins or ""), []).append(conversation)
    return list(groups.values())


def _chat(line: int, row: Mapping[str, Any]) -> Conversation:
    tools = row.get("tools") or None
    learn_all = row.get("learn") != "last"
    messages = _messages(row["messages"])
    shared = str(messages[0].get("content") or "") if messages[0]["role"] == "system" else ""
    return Conversation(
        line, str(row.get("kind", "")), messages, tools, shared, learn_all, _rejected(row.get("rejected"))
    )


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise RowError("messages is no list, or empty")
    for index, message in enumerate(value):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise RowError(f"message {index} has no role of {', '.join(sorted(_ROLES))}")
        if not isinstance(message.get("content"), str) and not message.get("tool_calls"):
            raise RowError(f"message {index} has no text")
    if value[-1]["role"] != "assistant":
        raise RowError("the last message is not the assistant's")
    return value


def _rejected(value: Any) -> str | None:
    """Return a wrong answer: a text, or one message of the assistant, also as a list."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        value = value.get("content")
    return None if value is None else _text(value, "rejected")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise RowError(f"{name} is no text")
    return value
