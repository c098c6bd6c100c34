"""The runtime: which model is loaded, in what state, with which adapters, and for how long."""

from home_llm.runtime.adapters import AdapterRequestError, LoadedAdapter
from home_llm.runtime.embedding import Embeddings
from home_llm.runtime.library import Library, LocalModel, same_name
from home_llm.runtime.runtime import Runtime
from home_llm.runtime.state import NotReadyError, State, Status, UnknownModelError
from home_llm.runtime.watchdog import LAST_LINES, Watchdog

__all__ = [
    "LAST_LINES",
    "AdapterRequestError",
    "Embeddings",
    "Library",
    "LoadedAdapter",
    "LocalModel",
    "NotReadyError",
    "Runtime",
    "State",
    "Status",
    "UnknownModelError",
    "Watchdog",
    "same_name",
]
