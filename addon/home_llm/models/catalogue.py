"""The catalogue: which models are known to be of use for this job, and how each wants to be spoken to."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from .errors import ModelError

# The tool markups a model may have been trained on; chat/markups has one file for each.
MARKUPS: Final = frozenset(
    {
        "home-block",
        "home-json",
        "functioncall",
        "hermes",
        "llama3",
        "mistral",
        "mistral-args",
        "gemma",
        "gemma4",
        "functiongemma",
        "gpt-oss",
        "smollm",
        "qwen-coder",
        "granite",
        "phi",
        "lfm2",
        "none",
    }
)

# The adapters of the project's own models, which are small enough to come with the app.
ADAPTERS: Final = Path(str(files(__package__))) / "adapters"


@dataclass(frozen=True)
class CatalogueEntry:
    """A model of the catalogue.

    Attributes:
        repository: `owner/name` on the hub; "" where its weights are not on one (`note` says what to do).
        markup: how the model writes tool calls, one of `MARKUPS`.
        generation: for Home models "v1", "v2", … ; "" for others.
        memory: GB of free memory below which it is not worth trying; 0 where that is not known.
        note: what else a person should know before choosing it, or "".
        adapter: the file in `models/adapters` that makes the weights this model, or "". Where it is not there, the
            model is its base.
        quant: the one to download where none is chosen; "" leaves it to the memory.
    """

    id: str
    title: str
    repository: str
    family: str
    licence: str
    languages: tuple[str, ...]
    markup: str
    good_for: str
    generation: str = ""
    memory: float = 0
    note: str = ""
    adapter: str = ""
    quant: str = ""

    @property
    def adapter_path(self) -> Path | None:
        """The adapter's file, where there is one."""
        path = ADAPTERS / self.adapter
        return path if self.adapter and path.is_file() else None


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return every entry, in the order in which to show them."""
    text = (files(__package__) / "catalogue.yaml").read_text("utf-8")
    return tuple(parse_catalogue(yaml.safe_load(text)))


def parse_catalogue(data: Any) -> Iterable[CatalogueEntry]:
    """Check the catalogue's data and yield its entries. Raises ValueError that names the entry at fault."""
    seen: set[str] = set()
    for item in data:
        entry = CatalogueEntry(**(item | {"languages": tuple(item["languages"])}))
        if entry.id in seen or entry.id != entry.id.lower():
            raise ValueError(f"{entry.id}: every id is there once and in lower case")
        if entry.markup not in MARKUPS:
            raise ValueError(f"{entry.id}: unknown markup {entry.markup!r}")
        seen.add(entry.id)
        yield entry


def find_entry(name: str) -> CatalogueEntry | None:
    """Return the entry with that id or repository, whatever its case."""
    wanted = name.lower()
    found = (entry for entry in catalogue() if wanted and wanted in (entry.id, entry.repository.lower()))
    return next(found, None)


def unknown_model(name: str) -> ModelError:
    """Make the error for a model that is neither in the catalogue nor a path nor a repository."""
    ids = [entry.id for entry in catalogue()]
    close = difflib.get_close_matches(name.lower(), ids, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known are: {', '.join(ids)}."
    return ModelError(
        f"There is no model called {name!r}. {hint} Or give a Hugging Face repository as owner/name, or the "
        "path of a .gguf file."
    )
