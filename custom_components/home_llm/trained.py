"""Which models were trained to control a house, and in which words, by their names.

Free of Home Assistant.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Training(StrEnum):
    """Whether a model was trained to control a house from such a prompt."""

    AUTO = "auto"
    TUNED = "tuned"
    UNTUNED = "untuned"


class Dialect(StrEnum):
    """How a house is told to a model and how it writes calls; each is a tool markup of a Home LLM server."""

    # Ours: for our own models, and for those that nobody has trained for this.
    COMPACT = "home"
    # The older Home models: JSON objects in a fenced block, and at first only services with their entities in it.
    JSON = "home-json"
    BLOCK = "home-block"


# Our own models: home-135m, Home-0.5B-Q4_K_M.gguf.
_OURS = re.compile(r"(?<![a-z0-9])home[-_](\d+m|0\.\d+b)(?![a-z0-9])", re.IGNORECASE)
# Those that were fine-tuned on prompts of acon96/home-llm, whoever repackaged them: Home-3B-v3-GGUF, home-llama-3.2-3b.
_OLDER = re.compile(r"(?<![a-z0-9])(home-(\d+b|llama|functiongemma|dolphin|smollm)|stablehome|tinyhome)", re.IGNORECASE)
_BLOCK = re.compile(r"home-(3b-v1(?!\d)|dolphin)", re.IGNORECASE)
# It writes the calls of its base model.
_OF_ITS_BASE = re.compile(r"functiongemma", re.IGNORECASE)


def is_tuned(training: Training, model: str | None) -> bool:
    """Return whether a model knows its prompt from its training, by its name where nobody says."""
    if training is not Training.AUTO:
        return training is Training.TUNED
    return bool(model and (_OURS.search(model) or _OLDER.search(model)))


def dialect_of(training: Training, model: str | None) -> Dialect:
    """Return what a model was trained on; ours for everything that is no older Home model."""
    if training is Training.UNTUNED or not model or not _OLDER.search(model) or _OF_ITS_BASE.search(model):
        return Dialect.COMPACT
    return Dialect.BLOCK if _BLOCK.search(model) else Dialect.JSON
