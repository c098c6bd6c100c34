"""What is running: gets the weights, loads the model, and tells how far it is."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from home_llm.chat import Chat
from home_llm.engine import Totals
from home_llm.llama import ModelLoadError
from home_llm.models import (
    BASE_ID,
    EMBEDDED_ID,
    ModelError,
    StoppedError,
    Wanted,
    Weights,
    available_memory,
)
from home_llm.runtime.adapter_choice import AdapterChoice
from home_llm.runtime.embedding import Embeddings
from home_llm.runtime.finder import Finder, configured_name
from home_llm.runtime.idle import IdleTimer
from home_llm.runtime.library import Library, LocalModel, embedded_as
from home_llm.runtime.loading import Loaded, Recipe, load
from home_llm.runtime.offload import borrowed_memory, helpers
from home_llm.runtime.prepared import Preparer
from home_llm.runtime.starting import Starter
from home_llm.runtime.state import NotReadyError, State, Status, StatusBoard
from home_llm.settings import Settings

_LOGGER = logging.getLogger(__name__)

_RETRY_SECONDS = 30.0
_PATIENCE_SECONDS = 5.0

# How long a request waits for a model that was unloaded because nobody wanted it, and a change of the model for answers
# under way. Clients give up after a minute or two.
_WAKE_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


class Runtime:
    """Loads the configured model in the background, and others on request. Safe for several threads.

    Args:
        settings: the settings.
        embedded: where the embedded model is, when not in its Python package.
        memory: tells how many bytes of memory are free.

    Attributes:
        library: the models of this machine.
        adapters: those beside the model.
    """

    def __init__(
        self, settings: Settings, *, embedded: Path | None = None, memory: Callable[[], int] = available_memory
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._stop = threading.Event()
        self._board = StatusBoard(Status(State.LOADING, "Starting.", configured_name(settings)))
        room = self._all_memory
        self._finder = Finder(settings, memory=room, report=self._board.show, cancel=self._stop, embedded=embedded)
        self.library = Library(
            self._finder, settings, memory=room, last=lambda: self._weights, home=lambda: self._starter.home
        )
        self._starter = Starter(
            settings,
            self._finder,
            self._board,
            load=lambda weights, how: self._load(self._recipe(weights, how)),
            release=self._release,
            is_loaded=lambda: self._loaded is not None,
        )
        self.adapters = AdapterChoice(
            settings,
            home=lambda: self._starter.home,
            weights=lambda: self._weights,
            recipe=lambda: self._current,
            swap=self._swap,
        )
        self._preparer = Preparer(settings.data_dir / "cache" / "recoded", report=self._board.show, cancel=self._stop)
        # The model that was loaded last, which can be loaded again.
        self._weights: Weights | None = None
        # One load, unload or change of adapters at a time; readers never take it.
        self._changing = threading.Lock()
        # Guards what follows, and is notified when a model that was asleep has woken up or could not.
        self._turn = threading.Condition()
        self._loaded: Loaded | None = None
        self._totals: tuple[Totals, Totals] | None = None
        self._asleep: Recipe | None = None
        self._waking = False
        self._used = time.monotonic()
        self._idle: IdleTimer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Get and load the configured model in the background, and try again where that can help."""
        self._run(self._bring_up)

    def close(self) -> None:
        """Stop a download, end every generation, free the model."""
        self._stop.set()
        self.library.close()
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
        return self._board.status

    def chat(self) -> Chat:
        """Return the model that answers; one that fell asleep is loaded again, and waited for.

        Raises:
            NotReadyError: there is none now.
        """
        return self._awake().chat

    def embeddings(self) -> Embeddings:
        """Return what makes vectors; a model that fell asleep is loaded again, and waited for.

        Raises:
            NotReadyError: there is no model now.
        """
        return self._awake().embeddings

    def present(self) -> Chat | None:
        """Return the model that is loaded, without waking or waiting for one."""
        loaded = self._loaded
        return None if loaded is None else loaded.chat

    @property
    def is_asleep(self) -> bool:
        """Whether the model was unloaded because nobody wanted it, and comes back with the next request."""
        return self._asleep is not None

    def _awake(self) -> Loaded:
        with self._turn:
            if self._loaded is None and self._asleep is not None:
                if not self._waking:
                    self._waking = True
                    self._run(self._wake_up)
                self._turn.wait_for(lambda: not self._waking, timeout=_WAKE_SECONDS)
            self._used = time.monotonic()
            if self._loaded is not None:
                return self._loaded
            raise self._board.not_ready(waking=self._waking)

    def health(self) -> dict[str, Any]:
        """Return the body of `/health`."""
        return self.status.health

    def model_facts(self) -> dict[str, Any]:
        """Return what `/v1/models` tells of the loaded model; empty when none is."""
        return {} if (loaded := self._loaded) is None else loaded.facts

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._settings

    @property
    def labels(self) -> dict[str, list[str]]:
        """The names and tags that the settings give the model that answers, where it is theirs."""
        recipe, home, settings = self._current, self._starter.home, self._settings
        if recipe is None or home is None or recipe.weights.path != home.path:
            return {}
        labels = {"aliases": list(settings.names), "tags": list(settings.tag_list)}
        return {name: words for name, words in labels.items() if words}

    def totals(self) -> tuple[Totals, Totals] | None:
        """Return what the last model has done, also when that is gone: vectors and ranks, and everything else.

        None when there has been none.
        """
        return self._totals

    def answers_with(self, model: LocalModel) -> bool:
        """Return whether requests are answered by this model, now or once it has woken."""
        return (recipe := self._current) is not None and model.is_made_of(recipe.weights)

    def stop_generations(self) -> None:
        """Cancel every generation."""
        if (chat := self.present()) is not None:
            chat.engine.cancel_all()

    def load(self, name: str, *, context_size: int | None = None, patient: bool = False) -> None:
        """Load a model of this machine in place of the running one; waits until it is done.

        A `patient` one waits for the answers under way, and does nothing where the model is there already.

        Raises:
            UnknownModelError: there is no such model here.
            NotReadyError: another load is under way, or answers take too long.
            ModelError, ModelLoadError: it cannot be loaded; the one before is gone, `/health` says why.
        """
        settings = self._settings
        if context_size is not None:
            settings = dataclasses.replace(settings, context_size=context_size)
        model = self.library.find(name)
        file = embedded_as(name) if EMBEDDED_ID in model.names else str(model.path)
        wanted = Wanted(file, context_size=settings.context_size, cache_type=settings.cache_type)
        if patient and (running := self._loaded) is not None and not running.wait_until_idle(_ANSWER_SECONDS):
            raise NotReadyError(f"{running.recipe.weights.id} answers others. Ask for another model later.", 10)
        with self._change():
            if patient and self.answers_with(model):
                return
            self._release()
            try:
                weights = self._finder.find(wanted)
                shown = weights.id if file in (EMBEDDED_ID, BASE_ID) else name
                weights = dataclasses.replace(weights, id=shown, entry=weights.entry or model.entry)
                self._load(self._recipe(weights, settings))
            except (ModelError, ModelLoadError) as error:
                self._board.show(Status(State.ERROR, str(error), name))
                raise

    def unload(self) -> None:
        """Free the model; it is loaded again by `load` or at the next start, and not by requests.

        Raises:
            NotReadyError: another load is under way.
        """
        with self._change():
            self._release()
            self._board.show(Status(State.UNLOADED, "The model has been unloaded.", self.status.model))

    def rest(self) -> bool:
        """Free the model when no request runs, and return whether that was so; the next request loads it again."""
        for _ in range(20):
            if self._fall_asleep(0, "because a client asked for it"):
                if self._idle is not None:
                    self._idle.stop()
                return True
            # The engine ends what it does just after its last word.
            time.sleep(0.05)
        return False

    def rests_in(self) -> float | None:
        """Return the seconds after which the model will be freed unless a request comes; None is never."""
        seconds, now = self._settings.idle_unload * 60, time.monotonic()
        return seconds + (self._idle_since() or now) - now if seconds else None

    def _swap(self, change: Callable[[Loaded], Loaded]) -> None:
        """Have what is made of the loaded model take its place.

        Raises:
            NotReadyError: there is no model now, or another load is under way; and what `change` raises.
        """
        self.chat()
        with self._change():
            if self._loaded is None:
                raise self._board.not_ready(waking=self._waking)
            changed = change(self._loaded)
            with self._turn:
                self._loaded = changed

    @property
    def _current(self) -> Recipe | None:
        """How the model was made that answers, now or once it has woken."""
        with self._turn:
            return self._asleep if self._loaded is None else self._loaded.recipe

    def _recipe(self, weights: Weights, settings: Settings) -> Recipe:
        """Return how to load weights.

        Raises:
            ModelError: an adapter of the settings cannot be used.
            StoppedError: the server is stopping.
        """
        return Recipe(self._preparer.prepared(weights), settings, self.adapters.at_start(weights))

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Hold the right to load and unload; a request does not wait for a download of hours."""
        if not self._changing.acquire(timeout=_PATIENCE_SECONDS):
            raise NotReadyError(f"The model is being changed already. {self.status.message}", 30)
        try:
            yield
        finally:
            self._changing.release()

    def _run(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="loader", daemon=True)
        self._thread.start()

    def _bring_up(self) -> None:
        """Get the configured model and load it, as often as it takes."""
        self._attempt(self._starter.prepare)
        delay = _RETRY_SECONDS
        while not self._stop.is_set():
            error = self._attempt(self._starter.bring_up)
            if not isinstance(error, ModelError) or not error.retryable:
                return
            delay = min(error.retry_after or delay, 600.0)
            self._stop.wait(delay)
            delay *= 2

    def _wake_up(self) -> None:
        """Load the model again that was unloaded because nobody wanted it; when that fails, the next request tries."""

        def work() -> None:
            if self._loaded is None and self._asleep is not None and not self._stop.is_set():
                self._load(self._asleep)

        self._attempt(work)
        with self._turn:
            self._waking = False
            self._turn.notify_all()

    def _attempt(self, work: Callable[[], None]) -> Exception | None:
        """Do what changes the model, and show and return what went wrong."""
        try:
            with self._changing:
                work()
        except StoppedError as error:
            return error
        except (ModelError, ModelLoadError) as error:
            if not self._stop.is_set():
                self._board.report(error)
            return error
        except Exception as error:
            _LOGGER.exception("Loading the model failed")  # must not leave "loading" on the page for ever
            self._board.report(error)
            return error
        return None

    def _load(self, recipe: Recipe) -> None:
        name = recipe.weights.id

        def report(share: float) -> bool:
            self._board.show(Status(State.LOADING, f"Loading {name}: {share:.0%}.", name))
            return not self._stop.is_set()

        report(0)
        loaded = load(recipe, memory=self._memory(), on_progress=report)
        self._weights = recipe.weights
        with self._turn:
            before, self._loaded, self._asleep = self._loaded, loaded, None
            self._totals = loaded.totals
            self._used = time.monotonic()
            self._board.show(Status(State.OK, loaded.message, name))
        if before is not None:
            before.retire(_ANSWER_SECONDS)
        if self._idle is not None:
            self._idle.stop()
        minutes = self._settings.idle_unload
        reason = f"after {minutes:g} min without a request"
        self._idle = IdleTimer(minutes * 60, self._idle_since, lambda: self._fall_asleep(minutes * 60, reason))
        self._idle.start()

    def _idle_since(self) -> float | None:
        """Return when the last request ended; None while one runs."""
        since = self._used if self._loaded is None else self._loaded.idle_since
        return None if since is None else max(since, self._used)

    def _fall_asleep(self, seconds: float, reason: str) -> bool:
        """Free the model that nobody has wanted for so long; return whether there is nothing more to wait for."""
        if not self._changing.acquire(blocking=False):
            return False
        try:
            with self._turn:
                loaded, since = self._loaded, self._idle_since()
                if loaded is None:
                    return True
                if since is None or time.monotonic() - since < seconds:
                    # A request has come just now.
                    return False
                self._loaded, self._asleep = None, loaded.recipe
                name = loaded.recipe.weights.id
                message = f"{name} was unloaded {reason}."
                self._board.show(Status(State.UNLOADED, f"{message} The next request loads it again by itself.", name))
            _LOGGER.info("%s", message)
            loaded.close()
            return True
        finally:
            self._changing.release()

    def _all_memory(self) -> int:
        """Return the bytes that are free here and on other devices."""
        return self._memory() + borrowed_memory(helpers(self._settings))

    def _release(self) -> None:
        self._board.meanwhile = ""
        if self._idle is not None:
            self._idle.stop()
        with self._turn:
            loaded, self._loaded, self._asleep = self._loaded, None, None
        if loaded is not None:
            loaded.close()
