"""What is running: gets the weights, loads the model, and tells how far it is."""

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from home_llm import __version__
from home_llm.chat import Chat
from home_llm.engine import Engine, EngineOptions, Totals
from home_llm.llama import Model, ModelLoadError
from home_llm.models import (
    EMBEDDED_ID,
    EMBEDDED_NAME,
    Backoff,
    Hub,
    ModelError,
    Progress,
    StoppedError,
    Store,
    Wanted,
    Weights,
    available_memory,
    planned_context,
    resolve,
)
from home_llm.settings import Settings

_LOGGER = logging.getLogger(__name__)

_RETRY_SECONDS = 30.0
_PATIENCE_SECONDS = 5.0


class State(StrEnum):
    """What `/health` calls `status`."""

    OK = "ok"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    ERROR = "error"
    UNLOADED = "unloaded"


class NotReadyError(Exception):
    """No model can answer now; the text says why.

    Attributes:
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownModelError(Exception):
    """There is no such model on this machine; the text lists those there are."""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the runtime.

    Attributes:
        state: what it is doing.
        message: the same as a sentence that a person can act on.
        model: the name of the model, as clients see it.
        progress: of a download.
    """

    state: State
    message: str
    model: str | None = None
    progress: Progress | None = None


class Runtime:
    """Loads the configured model in the background, and others on request. Safe for several threads.

    Args:
        settings: the settings.
        embedded: where the embedded model is, when not in its Python package.
    """

    def __init__(self, settings: Settings, *, embedded: Path | None = None) -> None:
        self._settings = settings
        self._store = Store(settings.data_dir)
        self._hub = Hub(settings.hub_url, settings.hub_token, backoff=Backoff(attempts=4))
        self._embedded = embedded
        self._status = Status(State.LOADING, "Starting.", _name(settings.wanted_model))
        self._chat: Chat | None = None
        # The model that was loaded last, which can be loaded again.
        self._weights: Weights | None = None
        self._stop = threading.Event()
        # One load or unload at a time; readers never take it.
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Get and load the configured model in the background, and try again where that can help."""
        self._thread = threading.Thread(target=self._bring_up, name="loader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop a download, end every generation, free the model."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        if self._changing.acquire(timeout=2):
            try:
                self._release()
            finally:
                self._changing.release()

    @property
    def status(self) -> Status:
        """What the runtime is doing."""
        return self._status

    def chat(self) -> Chat:
        """Return the model that answers.

        Raises:
            NotReadyError: there is none now.
        """
        chat = self._chat
        if chat is not None:
            return chat
        status = self._status
        raise NotReadyError(status.message, 5 if status.state is State.LOADING else 30)

    def health(self) -> dict[str, Any]:
        """Return the body of `/health`."""
        status = self._status
        progress = status.progress
        download = None
        if progress is not None:
            download = {
                "file": progress.file,
                "done": progress.done,
                "total": progress.total,
                "percent": progress.percent,
            }
        return {
            "status": status.state.value,
            "model": status.model,
            "message": status.message,
            "download": download,
            "version": __version__,
        }

    def model_facts(self) -> dict[str, Any]:
        """Return what `/v1/models` tells of the loaded model; empty when none is."""
        chat = self._chat
        if chat is None:
            return {}
        model = chat.model
        return {
            "n_ctx": chat.engine.n_ctx,
            "n_ctx_train": model.n_ctx_train,
            "n_params": model.n_params,
            "n_vocab": model.n_vocab,
            "size": model.size,
            "description": model.description,
        }

    def totals(self) -> Totals | None:
        """Return what the engine has done since the model was loaded; None when none is."""
        chat = self._chat
        return None if chat is None else chat.engine.totals

    def model_names(self) -> list[str]:
        """Return the names of the models on this machine, the running one first."""
        current = [self._status.model] if self._chat is not None and self._status.model else []
        return list(dict.fromkeys([*current, EMBEDDED_NAME, *(model.id for model in self._store.models())]))

    def stop_generations(self) -> None:
        """Cancel every generation."""
        chat = self._chat
        if chat is not None:
            chat.engine.cancel_all()

    def load(self, name: str, *, context_size: int | None = None) -> None:
        """Load a model of this machine in place of the running one; waits until it is done.

        Raises:
            UnknownModelError: there is no such model here.
            NotReadyError: another load is under way.
            ModelError, ModelLoadError: it cannot be loaded; the one before is gone, `/health` says why.
        """
        settings = self._settings
        if context_size is not None:
            settings = dataclasses.replace(settings, context_size=context_size)
        wanted = self._wanted_on_disk(name, settings)
        with self._change():
            self._release()
            try:
                weights = self._resolve(wanted)
                self._load(weights if name == EMBEDDED_ID else dataclasses.replace(weights, id=name), settings)
            except (ModelError, ModelLoadError) as error:
                self._status = Status(State.ERROR, str(error), name)
                raise

    def unload(self) -> None:
        """Free the model; it is loaded again by `load` or at the next start.

        Raises:
            NotReadyError: another load is under way.
        """
        with self._change():
            self._release()
            self._status = Status(State.UNLOADED, "The model has been unloaded.", self._status.model)

    def _wanted_on_disk(self, name: str, settings: Settings) -> Wanted:
        """Return what to resolve for a name that a client gave; nothing is downloaded for it.

        Raises:
            UnknownModelError: there is no such model here.
        """
        paths = {model.id: str(model.path) for model in self._store.models()}
        if name in (EMBEDDED_ID, EMBEDDED_NAME):
            return Wanted(model=EMBEDDED_ID, context_size=settings.context_size)
        if name in paths:
            return Wanted(model=paths[name], context_size=settings.context_size)
        if self._weights is not None and name == self._weights.id:
            return Wanted(model=str(self._weights.path), context_size=settings.context_size)
        known = ", ".join(self.model_names())
        raise UnknownModelError(f"There is no model {name!r} on this machine. There are: {known}.")

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Hold the right to load and unload; a request does not wait for a download of hours."""
        if not self._changing.acquire(timeout=_PATIENCE_SECONDS):
            raise NotReadyError(f"Another model is on its way. {self._status.message}", 30)
        try:
            yield
        finally:
            self._changing.release()

    def _bring_up(self) -> None:
        """Get the configured model and load it, as often as it takes."""
        settings = self._settings
        wanted = Wanted(
            model=settings.wanted_model,
            quant=settings.quant,
            file=settings.file,
            context_size=settings.context_size,
        )
        delay = _RETRY_SECONDS
        while not self._stop.is_set():
            try:
                with self._changing:
                    if self._chat is None:
                        self._load(self._resolve(wanted), settings)
                return
            except StoppedError:
                return
            except ModelError as error:
                self._report(error)
                if not error.retryable:
                    return
                delay = min(error.retry_after or delay, 600.0)
            except ModelLoadError as error:
                if not self._stop.is_set():
                    self._report(error)
                return
            except Exception as error:
                # A fault of ours must not leave "loading" on the page for ever.
                _LOGGER.exception("Loading the model failed")
                self._report(error)
                return
            self._stop.wait(delay)
            delay *= 2

    def _report(self, error: Exception) -> None:
        _LOGGER.error("%s", error)
        self._status = Status(State.ERROR, str(error), self._status.model)

    def _resolve(self, wanted: Wanted) -> Weights:
        name = _name(wanted.model)
        self._status = Status(State.LOADING, f"Looking for {name}.", name)
        return resolve(
            wanted,
            store=self._store,
            hub=self._hub,
            memory_available=available_memory(),
            on_progress=self._on_progress(name),
            cancel=self._stop,
            embedded_path=self._embedded,
        )

    def _on_progress(self, name: str) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            message = f"Downloading {progress.file}: {progress.percent:.0f}%."
            self._status = Status(State.DOWNLOADING, message, name, progress)

        return report

    def _load(self, weights: Weights, settings: Settings) -> None:
        def report(share: float) -> bool:
            self._status = Status(State.LOADING, f"Loading {weights.id}: {share:.0%}.", weights.id)
            return not self._stop.is_set()

        report(0)
        model = Model(weights.path, on_progress=report)
        try:
            n_ctx = planned_context(settings.context_size, model.n_ctx_train)
            engine = Engine(
                model,
                EngineOptions(
                    n_ctx=n_ctx,
                    threads=settings.threads,
                    cache_type=settings.cache_type,
                    prefixes=settings.data_dir / "cache" / "prefixes",
                    identity=_identity(weights),
                ),
            )
        except ModelLoadError:
            model.close()
            raise
        self._chat = Chat(engine)
        self._weights = weights
        self._status = Status(State.OK, f"{weights.id} is ready.", weights.id)
        _LOGGER.info("%s is ready: %s, context of %d tokens", weights.id, model.description, engine.n_ctx)

    def _release(self) -> None:
        chat, self._chat = self._chat, None
        if chat is not None:
            chat.engine.close()
            chat.model.close()


def _identity(weights: Weights) -> str:
    """Return what tells these weights from all others."""
    if weights.sha256:
        return weights.sha256
    status = weights.path.stat()
    return f"{weights.path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _name(model: str) -> str:
    """Return a model setting as it can be shown: a path by its file name."""
    if model == EMBEDDED_ID:
        return EMBEDDED_NAME
    return Path(model).stem if model.endswith(".gguf") else model
