"""Which weights are meant by a setting or by a client's name for them, and getting them."""

import threading
from collections.abc import Callable
from pathlib import Path

from home_llm.models import (
    EMBEDDED_ID,
    EMBEDDED_NAME,
    Backoff,
    Hub,
    Progress,
    Store,
    Wanted,
    Weights,
    resolve,
)
from home_llm.runtime.state import State, Status, UnknownModelError
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
        self._store = Store(settings.data_dir)
        self._hub = Hub(settings.hub_url, settings.hub_token, backoff=Backoff(attempts=4))
        self._memory = memory
        self._report = report
        self._cancel = cancel
        self._embedded = embedded

    def names(self) -> list[str]:
        """Return the names of the models on this machine."""
        return [EMBEDDED_NAME, *(model.id for model in self._store.models())]

    def configured(self, settings: Settings) -> Wanted:
        """Return what the settings want."""
        return Wanted(
            model=settings.wanted_model,
            quant=settings.quant,
            file=settings.file,
            context_size=settings.context_size,
            cache_type=settings.cache_type,
        )

    def on_disk(self, name: str, settings: Settings, last: Weights | None) -> Wanted:
        """Return what to find for a name that a client gave; nothing is downloaded for it.

        Args:
            name: embedded, of a stored model, or of the one that was loaded last.
            settings: how it will be loaded.
            last: the weights that were loaded last.

        Raises:
            UnknownModelError: there is no such model here.
        """
        paths = {model.id: str(model.path) for model in self._store.models()}
        if last is not None:
            paths.setdefault(last.id, str(last.path))
        paths |= dict.fromkeys((EMBEDDED_ID, EMBEDDED_NAME), EMBEDDED_ID)
        if name not in paths:
            known = list(dict.fromkeys([*([last.id] if last else []), *self.names()]))
            raise UnknownModelError(f"There is no model {name!r} on this machine. There are: {', '.join(known)}.")
        return Wanted(model=paths[name], context_size=settings.context_size, cache_type=settings.cache_type)

    def find(self, wanted: Wanted) -> Weights:
        """Return the weights, downloading them where they are not here.

        Raises:
            ModelError: they cannot be had, or do not fit the memory.
            StoppedError: `cancel` was set.
        """
        name = shown_name(wanted.model)
        self._report(Status(State.LOADING, f"Looking for {name}.", name))

        def on_progress(progress: Progress) -> None:
            message = f"Downloading {progress.file}: {progress.percent:.0f}%."
            self._report(Status(State.DOWNLOADING, message, name, progress))

        return resolve(
            wanted,
            store=self._store,
            hub=self._hub,
            memory_available=self._memory(),
            on_progress=on_progress,
            cancel=self._cancel,
            embedded_path=self._embedded,
        )


def shown_name(model: str) -> str:
    """Return a model setting as it can be shown: a path by its file name."""
    if model == EMBEDDED_ID:
        return EMBEDDED_NAME
    return Path(model).stem if model.endswith(".gguf") else model
