"""The models room: which weights, where they come from, and whether they fit. Knows no engine and no API."""

from .adapters import AdapterFile, check_base, file_identity, read_adapter
from .catalogue import MARKUPS, CatalogueEntry, catalogue, find_entry
from .context import PLANNED_CONTEXT, ContextPlan, MemoryNeed, plan_context
from .download import SPARE_DISK, Progress
from .embedded import BASE_ID, EMBEDDED_ID, EMBEDDED_NAME, EMBEDDED_QUANT, EMBEDDED_SHA256, HOME_ID, embedded_model
from .errors import GgufError, ModelError, StoppedError
from .gguf import Gguf, read_gguf
from .hub import DEFAULT_URL, Backoff, Hub, Repository
from .memory import available_memory, gigabytes
from .quants import (
    AUTO,
    AUTO_QUANTS,
    NONE,
    Candidate,
    RemoteFile,
    find_candidates,
    parse_quant,
)
from .recoding import recode, worth_recoding
from .resolve import Recoded, Wanted, Weights, is_here, repository_of, resolve
from .speed import Processor, repacks
from .store import Store, StoredFile, StoredModel

__all__ = [
    "AUTO",
    "AUTO_QUANTS",
    "BASE_ID",
    "DEFAULT_URL",
    "EMBEDDED_ID",
    "EMBEDDED_NAME",
    "EMBEDDED_QUANT",
    "EMBEDDED_SHA256",
    "HOME_ID",
    "MARKUPS",
    "NONE",
    "PLANNED_CONTEXT",
    "SPARE_DISK",
    "AdapterFile",
    "Backoff",
    "Candidate",
    "CatalogueEntry",
    "ContextPlan",
    "Gguf",
    "GgufError",
    "Hub",
    "MemoryNeed",
    "ModelError",
    "Processor",
    "Progress",
    "Recoded",
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
    "check_base",
    "embedded_model",
    "file_identity",
    "find_candidates",
    "find_entry",
    "gigabytes",
    "is_here",
    "parse_quant",
    "plan_context",
    "read_adapter",
    "read_gguf",
    "recode",
    "repacks",
    "repository_of",
    "resolve",
    "worth_recoding",
]
