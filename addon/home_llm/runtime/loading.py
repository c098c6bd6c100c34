"""From weights on disk to a chat that answers."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from home_llm.chat import Chat
from home_llm.engine import Engine, EngineOptions, Totals
from home_llm.llama import CacheType, Model, ModelLoadError, cpu_variant, own_pooling
from home_llm.models import ContextPlan, Gguf, MemoryNeed, Weights, plan_context
from home_llm.runtime.adapters import LoadedAdapter, model_file, read_adapters
from home_llm.runtime.embedding import Embeddings
from home_llm.runtime.offload import borrowed_memory, helpers, planned_layers
from home_llm.settings import Settings

_LOGGER = logging.getLogger(__name__)

# Bytes for prefixes outside of the cells: half of the memory that is left, within these. The least is what the working
# memory has to spare, and holds the prompt of a small house.
_LEAST_PARKING = 64 << 20
_MOST_PARKING = 256 << 20

# How long a request has the model in its hands before it runs, at most.
_BEGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What it takes to load a model, now or again.

    Attributes:
        weights: which file.
        settings: how.
        adapters: those beside the model.
    """

    weights: Weights
    settings: Settings
    adapters: tuple[LoadedAdapter, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that answers.

    Attributes:
        recipe: what it was made of.
        chat: what answers.
        plan: the context's size and why.
        embeddings: what makes vectors.
        own_adapters: what belongs to the file that was loaded, and is applied whatever clients choose beside it.
    """

    recipe: Recipe
    chat: Chat
    plan: ContextPlan
    embeddings: Embeddings
    own_adapters: tuple[LoadedAdapter, ...] = ()

    @property
    def message(self) -> str:
        """One or two sentences for `/health`."""
        size = self.chat.engine.n_ctx
        text = f"{self.recipe.weights.id} is ready with a context of {size} tokens ({self.plan.reason})."
        return f"{text} {self.plan.warning}".rstrip()

    @property
    def facts(self) -> dict[str, Any]:
        """What `/v1/models` tells under `meta`."""
        model = self.chat.model
        return {
            "n_ctx": self.chat.engine.n_ctx,
            "n_ctx_reason": self.plan.reason,
            "n_ctx_train": model.n_ctx_train,
            "n_params": model.n_params,
            "n_vocab": model.n_vocab,
            "size": model.size,
            "description": model.description,
        }

    @property
    def idle_since(self) -> float | None:
        """When the last request ended, as `time.monotonic` tells it; None while one runs."""
        since, embedded = self.chat.engine.idle_since, self.embeddings.idle_since
        return None if since is None or embedded is None else max(since, embedded)

    @property
    def totals(self) -> tuple[Totals, Totals]:
        """What it has done: vectors and ranks, and everything else."""
        return self.embeddings.totals, self.chat.engine.totals

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no request runs, at most so long; return whether that is so."""
        end = time.monotonic() + seconds
        while self.idle_since is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def retire(self, seconds: float) -> None:
        """Close it once the requests that have it have ended, or so many seconds have passed."""
        # A request that was given this model may not have begun yet.
        time.sleep(_BEGIN_SECONDS)
        self.wait_until_idle(seconds)
        self.close()

    def close(self) -> None:
        """End every generation, save the prefixes, free the memory."""
        self.chat.engine.close()
        self.embeddings.close()
        self.chat.model.close()


def _cache_type(settings: Settings, facts: Gguf, *, elsewhere: bool) -> CacheType:
    """Return how to keep the KV cache: as the settings say, or as it is fastest without loss (ADR 0013)."""
    wanted = settings.cache_type
    if wanted != "auto":
        return wanted
    if elsewhere:
        # Not every device reads keys and values of different types.
        return "f16"
    return "q8_0/f16" if facts.keys_bear_q8_0 else "f16"


def load(recipe: Recipe, *, memory: int, on_progress: Callable[[float], bool]) -> Loaded:
    """Load a model.

    Args:
        recipe: what and how.
        memory: bytes that are free on this machine.
        on_progress: called with the share that is loaded; when it returns False, loading ends.

    Raises:
        ModelError: an adapter is not there or for other models, or the memory is too small for the context.
        ModelLoadError: llama.cpp refused a file, or `on_progress` ended it.
    """
    try:
        return _load(recipe, memory=memory, on_progress=on_progress)
    except ModelLoadError as error:
        settings = recipe.settings
        if settings.gpu_layers != -1 or settings.rpc_servers or not helpers(settings) or not on_progress(0):
            raise
        # Nobody asked for the graphics by name: what they cannot do the processor does.
        _LOGGER.warning("The graphics cannot compute %s (%s): the processor does", recipe.weights.id, error)
        recipe = replace(recipe, settings=replace(settings, gpu_layers=0))
        return _load(recipe, memory=memory, on_progress=on_progress)


def _load(recipe: Recipe, *, memory: int, on_progress: Callable[[float], bool]) -> Loaded:
    weights, settings = recipe.weights, recipe.settings
    facts = weights.facts
    # Files may have changed since they were chosen.
    adapters = read_adapters([(adapter.file.path, adapter.scale) for adapter in recipe.adapters], weights)
    file = model_file(weights)
    applied = (*file.adapters, *adapters)
    size = file.size + sum(adapter.file.size for adapter in applied)
    found = helpers(settings)
    memory += borrowed_memory(found)
    cache_type = _cache_type(settings, facts, elsewhere=bool(found))
    need = MemoryNeed(size, facts.kv_bytes_per_token, cache_type)
    plan = plan_context(weights.id, settings.context_size, need, trained=facts.context_length, memory=memory)
    spare = memory - need.total(plan.size)
    if plan.warning:
        _LOGGER.warning("%s", plan.warning)
    layers = planned_layers(settings.gpu_layers, facts.layers, need.total(plan.size), found)
    model = Model(file.path, gpu_layers=layers, on_progress=on_progress)
    try:
        engine = Engine(
            model,
            EngineOptions(
                n_ctx=plan.size,
                threads=settings.threads,
                n_parallel=settings.parallel,
                cache_type=cache_type,
                parking_budget=min(max(spare // 2, _LEAST_PARKING), _MOST_PARKING),
                prefixes=settings.data_dir / "cache" / "prefixes",
                identity=file.identity,
                adapters=tuple(adapter.use for adapter in applied),
            ),
        )
    except ModelLoadError:
        model.close()
        raise
    embeddings = Embeddings(
        model,
        n_ctx=engine.n_ctx,
        threads=settings.threads,
        pooling=own_pooling(model) if settings.pooling == "auto" else settings.pooling,
        ranks=facts.ranks,
    )
    chat = Chat(engine, markup=weights.markup, seed=None if settings.seed < 0 else settings.seed)
    loaded = Loaded(replace(recipe, adapters=adapters), chat, plan, embeddings, file.adapters)
    _LOGGER.info("%s %s", loaded.message, model.description)
    if variant := cpu_variant():
        _LOGGER.info("llama.cpp computes with its build for %s", variant)
    if layers:
        names = ", ".join(f"{device.name} ({device.description})" for device in found)
        _LOGGER.info("%d of %d layers are computed on %s", layers, facts.layers + 1, names)
    for adapter in applied:
        _LOGGER.info("The adapter %s is loaded with the scale %g", adapter.file.path, adapter.scale)
    return loaded
