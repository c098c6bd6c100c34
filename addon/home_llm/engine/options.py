"""How to run a model."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from home_llm.engine.adapters import AdapterUse
from home_llm.llama import CacheType, Model, state_size

_LOGGER = logging.getLogger(__name__)

# A recurrent memory takes megabytes for each sequence, used or not. So much of it is fine, and so many sequences are
# needed: two that run, and two that are kept.
_STATES_BUDGET = 256 << 20
_FEWEST_SEQUENCES = 4


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model.

    Attributes:
        n_ctx: tokens of context, shared by everything that runs and is cached.
        threads: most threads to compute with; 0 is all that this process may use.
        n_batch: most tokens of one decode.
        n_parallel: most requests that run together.
        n_cached: sequences that are kept for their prefixes beside those.
        cache_type: how the KV cache is kept; see `Context`.
        parking_budget: most bytes of memory for prefixes that wait outside the cells.
        prefixes: folder for prefixes that survive a restart; None keeps none.
        prefixes_budget: most bytes of them.
        identity: of the weights, so that no prefix of others is taken for theirs.
        speculate: guess at repeated phrases, where that is measured to pay.
        adapters: LoRA adapters to begin with.
    """

    n_ctx: int
    threads: int = 0
    n_batch: int = 512
    n_parallel: int = 8
    n_cached: int = 16
    cache_type: CacheType = "f16"
    parking_budget: int = 256 << 20
    prefixes: Path | None = None
    prefixes_budget: int = 256 << 20
    identity: str = ""
    speculate: bool = True
    adapters: tuple[AdapterUse, ...] = ()


def affordable(model: Model, options: EngineOptions) -> EngineOptions:
    """Return the options with as few sequences as the states of a recurrent memory leave room for."""
    state = state_size(model)
    most = max(_STATES_BUDGET // state, _FEWEST_SEQUENCES) if state else 0
    if not 0 < most < options.n_parallel + options.n_cached:
        return options
    _LOGGER.info("Each sequence takes %d MB: %d are kept, at most %d run together", state >> 20, most, most // 2)
    n_parallel = min(options.n_parallel, most // 2)
    return replace(options, n_parallel=n_parallel, n_cached=most - n_parallel)
