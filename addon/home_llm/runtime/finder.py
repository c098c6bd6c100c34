"""Which weights are meant by a setting or by a client's name for them, and getting them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from home_llm.engine.threads import usable_cores
from home_llm.models import (
    BASE_ID,
    EMBEDDED_ID,
    EMBEDDED_NAME,
    HOME_ID,
    Backoff,
    Hub,
    Processor,
    Progress,
    Store,
    StoredModel,
    Wanted,
    Weights,
    find_entry,
    is_here,
    repacks,
    resolve,
)
from home_llm.runtime.state import State, Status
from home_llm.settings import Settings


class Finder:
    """Finds weights in the store, on this machine or on the hub.

    Args:
        settings: the settings.
        memory: tells how many bytes are free.
        report: told what is being done.
        cancel: ends a download when it is set.
        embedded: where the embedded model is, when not in its Python package.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        memory: Callable[[], int],
        report: Callable[[Status], None],
        cancel: threading.Event,
        embedded: Path | None = None,
    ) -> None:
        self._settings = settings
        self._store = Store(settings.data_dir)
        self._hub = Hub(settings.hub_url, settings.hub_token, backoff=Backoff(attempts=4))
        self._memory = memory
        self._report = report
        self._cancel = cancel
        self._embedded = embedded
        # Where layers are computed elsewhere, it is not this processor that is short.
        elsewhere = settings.gpu_layers != 0 and settings.rpc_servers
        self._processor = None if elsewhere else Processor(settings.threads or usable_cores(), repacks())

    def stored(self) -> list[StoredModel]:
        """Return the models that have been downloaded."""
        return self._store.models()

    def embedded(self, name: str = EMBEDDED_ID) -> Weights:
        """Return the embedded model: with what it has learned, or under the name of its base without that.

        Raises:
            ModelError: it is missing or damaged.
        """
        return self._resolve(Wanted(name), 0, lambda _: None, self._cancel)

    def configured(self, settings: Settings) -> Wanted:
        """Return what the settings want."""
        return Wanted(
            model=settings.wanted_model,
            quant=settings.quant,
            file=settings.file,
            context_size=settings.context_size,
            cache_type=settings.cache_type,
        )

    def is_here(self, wanted: Wanted) -> bool:
        """Return whether the weights are on this machine.

        Raises:
            ModelError: the name means no model.
        """
        return is_here(wanted, self._store)

    def find(self, wanted: Wanted) -> Weights:
        """Return the weights, downloading them where they are not here.

        Raises:
            ModelError: they cannot be had, or do not fit the memory.
            StoppedError: `cancel` was set.
        """
        named = self._settings.names if wanted == self.configured(self._settings) else ()
        name = named[0] if named else shown_name(wanted.model)
        self._report(Status(State.LOADING, f"Looking for {name}.", name))

        def on_progress(progress: Progress) -> None:
            message = f"Downloading {progress.file}: {progress.percent:.0f}%."
            self._report(Status(State.DOWNLOADING, message, name, progress))

        weights = self._resolve(wanted, self._memory(), on_progress, self._cancel)
        self._store.use(weights.path)
        return replace(weights, id=name) if named else weights

    def tidy(self, weights: Weights) -> None:
        """Remove other quants of the repository where the disk is short."""
        if weights.repository:
            self._store.tidy(weights.repository)

    def download(
        self, wanted: Wanted, *, memory: int, on_progress: Callable[[Progress], None], cancel: threading.Event
    ) -> Weights:
        """Return weights for later, downloading them where they are not here; nothing is shown in the state.

        Args:
            wanted: what.
            memory: bytes that there will be for them.
            on_progress: called a few times a second.
            cancel: ends the download when it is set.

        Raises:
            ModelError: they cannot be had, or do not fit the memory.
            StoppedError: `cancel` was set.
        """
        return self._resolve(wanted, memory, on_progress, cancel)

    def _resolve(
        self, wanted: Wanted, memory: int, on_progress: Callable[[Progress], None], cancel: threading.Event
    ) -> Weights:
        return resolve(
            wanted,
            store=self._store,
            hub=self._hub,
            memory_available=memory,
            on_progress=on_progress,
            cancel=cancel,
            embedded_path=self._embedded,
            processor=self._processor,
        )


def configured_name(settings: Settings) -> str:
    """Return the name of the configured model as it can be shown."""
    return settings.names[0] if settings.names else shown_name(settings.wanted_model)


def shown_name(model: str) -> str:
    """Return a model setting as it can be shown: a path by its file name."""
    if model in (EMBEDDED_ID, HOME_ID, BASE_ID):
        entry = find_entry(model)
        return HOME_ID if entry and entry.adapter_path else EMBEDDED_NAME
    return Path(model).stem if model.endswith(".gguf") else model
