"""Which models look at pictures, as the servers that tell it write it.

Free of Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SEEING = frozenset({"image", "multimodal", "vision"})


def sees(model: Mapping[str, Any], listing: Mapping[str, Any]) -> bool | None:
    """Return whether a model of a list looks at pictures, or None where nothing tells.

    Args:
        model: an entry of `data` of the list.
        listing: the whole list. llama-server keeps what a model can do in a second one beside `data`.
    """
    known = [known for known in map(_sees, _descriptions(model, listing)) if known is not None]
    return any(known) if known else None


def _descriptions(model: Mapping[str, Any], listing: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that may describe a model."""
    yield model
    if isinstance(architecture := model.get("architecture"), Mapping):
        yield architecture
    others = listing.get("models")
    for other in others if isinstance(others, list) else ():
        if isinstance(other, Mapping) and model.get("id") in (other.get("model"), other.get("name")):
            yield other


def _sees(description: Mapping[str, Any]) -> bool | None:
    """Return what one object says: a list of names, or names with yes or no."""
    for field in ("input_modalities", "modalities", "capabilities"):
        match description.get(field):
            case list() as names:
                return not _SEEING.isdisjoint(name for name in names if isinstance(name, str))
            case Mapping() as answers if told := _SEEING & answers.keys():
                return any(answers[name] is True for name in told)
    return None
