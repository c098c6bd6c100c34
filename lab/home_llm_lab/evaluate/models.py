"""Which models are evaluated: by name, by file, with an adapter, or on a server that runs already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class ModelSpecError(ValueError):
    """It cannot be told which model is meant."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model.

    Attributes:
        label: how it is called in tables.
        model: what the server is told: embedded, a name of its list, a file, or a repository.
        adapter: a LoRA adapter in GGUF, or None.
        url: of a server that runs already, in place of starting one.
        examples: whether the prompt is followed by the integration's examples, for models that were not tuned.
    """

    label: str
    model: str = ""
    adapter: Path | None = None
    url: str = ""
    examples: bool = False

    @property
    def flags(self) -> list[str]:
        """The flags of the server for it."""
        return ["--model", self.model, *(["--adapters", str(self.adapter)] if self.adapter else [])]


def read_spec(text: str) -> ModelSpec:
    """Read `[LABEL=]MODEL[+ADAPTER.gguf][@examples]` or `[LABEL=]http://...`.

    Raises:
        ModelSpecError: it is none, or a file is missing.
    """
    label, equals, rest = text.partition("=")
    if not equals or "/" in label:
        label, rest = "", text
    if rest.startswith(("http://", "https://")):
        return ModelSpec(label or rest, url=rest.rstrip("/"))
    rest, _, more = rest.partition("@")
    if more not in ("", "examples"):
        raise ModelSpecError(f"{text}: what follows the @ can only be examples")
    model, _, adapter = rest.partition("+")
    for file in filter(None, (model if model.endswith(".gguf") else "", adapter)):
        if not Path(file).is_file():
            raise ModelSpecError(f"{text}: there is no file {file}")
    if not model:
        raise ModelSpecError(f"{text}: no model is named. Give embedded, a name, or the path of a .gguf file.")
    name = "+".join(Path(part).stem if part.endswith(".gguf") else part for part in (model, adapter) if part)
    return ModelSpec(
        label or name + (" with examples" if more else ""),
        model,
        Path(adapter) if adapter else None,
        examples=bool(more),
    )
