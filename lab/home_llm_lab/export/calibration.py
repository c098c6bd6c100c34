"""Texts of the kind that a model is used for, from the lab's own data, to measure the importance of weights with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from .base import field, open_gguf
from .errors import ExportError

_TEXTS = 48


def read_texts(data: Path, model: Path, count: int = _TEXTS) -> list[str]:
    """Return conversations of a data file, one a house, as the model's own chat template writes them.

    Args:
        data: houses with their conversations, one a line.
        model: a GGUF model with a chat template.
        count: the most texts.

    Raises:
        ExportError: the file is missing or has a broken row, or the model has no chat template.
    """
    source = field(open_gguf(model), "tokenizer.chat_template", "")
    if not source:
        raise ExportError(f"{model} has no chat template. Give one with --chat-template.")
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)
    texts: list[str] = []
    try:
        with data.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if len(texts) >= count:
                    break
                try:
                    texts.append(template.render(messages=_messages(json.loads(line)), add_generation_prompt=False))
                except (ValueError, KeyError, IndexError, TypeError) as error:
                    raise ExportError(f"{data}, line {number}, is no house with conversations: {error!r}") from error
    except OSError as error:
        raise ExportError(f"{data} cannot be read: {error.strerror}") from error
    return texts


def _messages(house: dict[str, Any]) -> list[dict[str, str]]:
    conversation = house["conversations"][0]
    system = conversation.get("system") or house["prompt"] + (conversation.get("tail") or "")
    return [{"role": "system", "content": system}, *conversation["messages"]]
