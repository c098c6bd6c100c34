"""The models room: which weights, where they come from, and whether they fit. Knows no engine and no API."""

from .catalogue import MARKUPS, CatalogueEntry, catalogue, find_entry
from .download import Progress
from .embedded import EMBEDDED_ID, EMBEDDED_NAME, EMBEDDED_QUANT, EMBEDDED_SHA256, embedded_model
from .errors import GgufError, ModelError, StoppedError
from .gguf import Gguf, read_gguf
from .hub import DEFAULT_URL, Backoff, Hub, Repository
from .memory import PLANNED_CONTEXT, available_memory, memory_needed, planned_context
from .quants import (
    AUTO,
    AUTO_QUANTS,
    NONE,
    Candidate,
    RemoteFile,
    find_candidates,
    gigabytes,
    parse_quant,
)
from .resolve import Wanted, Weights, resolve
from .store import Store, StoredFile, StoredModel

__all__ = [
    "AUTO",
    "AUTO_QUANTS",
    "DEFAULT_URL",
    "EMBEDDED_ID",
    "EMBEDDED_NAME",
    "EMBEDDED_QUANT",
    "EMBEDDED_SHA256",
    "MARKUPS",
    "NONE",
    "PLANNED_CONTEXT",
    "Backoff",
    "Candidate",
    "CatalogueEntry",
    "Gguf",
    "GgufError",
    "Hub",
    "ModelError",
    "Progress",
    "RemoteFile",
    "Repository",
    "StoppedError",
    "Store",
    "StoredFile",
    "StoredModel",
    "Wanted",
    "Weights",
    "available_memory",
    "catalogue",
    "embedded_model",
    "find_candidates",
    "find_entry",
    "gigabytes",
    "memory_needed",
    "parse_quant",
    "planned_context",
    "read_gguf",
    "resolve",
]
