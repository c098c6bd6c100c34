"""Which models are on this machine, under which names, and how more of them get here."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from home_llm.models import (
    BASE_ID,
    EMBEDDED_ID,
    EMBEDDED_NAME,
    HOME_ID,
    CatalogueEntry,
    Gguf,
    ModelError,
    Progress,
    StoredModel,
    Wanted,
    Weights,
    file_identity,
    find_entry,
    read_gguf,
    repository_of,
)
from home_llm.runtime.finder import Finder
from home_llm.runtime.state import NotReadyError, UnknownModelError
from home_llm.settings import Settings

_HUBS = ("https://", "http://", "hf.co/", "huggingface.co/")
_LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine.

    Attributes:
        name: what it is called in lists.
        names: every name that it is found by.
        tag: what tells it from others of its name: `latest`, or its quant where the name alone means another.
        path: the file to load.
        size: bytes of all its files.
        digest: SHA-256 in hex of its content, or of the file's identity where the content's is not known.
        entry: what the catalogue says of it, if it does.
        adapter: its own, without which the file is another model.
    """

    name: str
    names: tuple[str, ...]
    tag: str
    path: Path
    size: int
    digest: str
    entry: CatalogueEntry | None = None
    adapter: Path | None = None

    @property
    def tagged(self) -> str:
        """The name with its tag, as Ollama writes it."""
        return self.name if ":" in self.name else f"{self.name}:{self.tag}"

    @property
    def modified(self) -> datetime:
        """When the file was written."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    @property
    def facts(self) -> Gguf:
        """What the file's header says."""
        return _facts(self.path, self.path.stat().st_mtime_ns)

    def is_made_of(self, weights: Weights) -> bool:
        """Return whether these weights are the same file with the same adapter."""
        return self.adapter == weights.adapter and _same_file(self.path, weights.path)


class Library:
    """The models on this machine.

    Args:
        finder: finds and gets them.
        settings: how they are loaded.
        memory: tells how many bytes are free.
        last: tells the weights that were loaded last, which may be a file from anywhere.
        home: tells those of the configured model, which may be too.
    """

    def __init__(
        self,
        finder: Finder,
        settings: Settings,
        *,
        memory: Callable[[], int],
        last: Callable[[], Weights | None],
        home: Callable[[], Weights | None],
    ) -> None:
        self._finder = finder
        self._settings = settings
        self._last = last
        self._home = home
        self._memory = memory
        self._embedded: tuple[Weights, ...] = ()
        self._pulling = threading.Lock()
        self._closed = threading.Event()
        self._cancel: threading.Event | None = None

    def models(self) -> list[LocalModel]:
        """Return the models: the one that was loaded last first, then the embedded one, then the downloaded ones."""
        found: list[LocalModel] = []
        taken: set[str] = set()
        for model in self._unique():
            first = model.name not in taken
            taken.add(model.name)
            found.append(model if first else replace(model, tag=_quant_tag(model)))
        return found

    def find(self, name: str) -> LocalModel:
        """Return the model of this name; the case does not matter, nor does `:latest`.

        Raises:
            UnknownModelError: there is none.
        """
        wanted, models = same_name(name), self.models()
        for model in models:
            if wanted in map(same_name, (model.tagged, *model.names)):
                return model
        known = ", ".join(model.name for model in models)
        raise UnknownModelError(f"There is no model {name!r} on this machine. There are: {known}.")

    def file_names(self) -> list[str]:
        """Return the names of the models as those of files are: with `_` for the `/` of a repository."""
        names = (model.name if model.tag == "latest" else model.tagged for model in self.models())
        return [name.replace("/", "_") for name in names]

    def pull(self, name: str, on_progress: Callable[[Progress], None], cancel: threading.Event) -> LocalModel:
        """Download a model, and return it; one that is here already is returned at once.

        Args:
            name: of the catalogue, or `owner/repository` on the hub; a quant may follow a colon.
            on_progress: called a few times a second.
            cancel: set to stop; what has come stays, and the next call goes on with it.

        Raises:
            ModelError: it cannot be had.
            StoppedError: `cancel` was set.
            NotReadyError: another model is being pulled.
        """
        try:
            return self.find(name)
        except UnknownModelError:
            pass
        if not self._pulling.acquire(blocking=False):
            raise NotReadyError("Another model is being pulled. Pull this one when that is done.", 60)
        try:
            self._cancel = cancel
            if self._closed.is_set():
                cancel.set()
            weights = self._finder.download(
                self._wanted(name), memory=self._memory() + self._in_use(), on_progress=on_progress, cancel=cancel
            )
        finally:
            self._cancel = None
            self._pulling.release()
        return next(model for model in self.models() if model.path == weights.path)

    @staticmethod
    def check(name: str) -> None:
        """See that a name is one that can be pulled, without asking the hub.

        Raises:
            ModelError: it is not.
        """
        repository_of(name)

    def close(self) -> None:
        """Stop a download."""
        self._closed.set()
        if (cancel := self._cancel) is not None:
            cancel.set()

    def _wanted(self, name: str) -> Wanted:
        settings = self._settings
        return Wanted(
            model=name,
            quant=settings.quant,
            context_size=settings.context_size,
            cache_type=settings.cache_type,
        )

    def _in_use(self) -> int:
        """Return the bytes of the model that another one would take the place of; it is most likely loaded."""
        last = self._last()
        return 0 if last is None else last.size

    def _unique(self) -> Iterator[LocalModel]:
        """Yield each model once: the one that was loaded last has its own name beside those of the store."""
        last = self._last()
        if last is not None and not last.path.is_file():
            last = None
        known = list(self._known())
        home = self._home()
        if home is not None and home.path.is_file() and not any(each.is_made_of(home) for each in known):
            known.append(_of_weights(home, self._settings.names))
        if last is not None:
            twin = next((model for model in known if model.is_made_of(last)), None)
            names = self._settings.names if last.id in self._settings.names else ()
            yield _of_weights(last, names if twin is None else (*twin.names, *names))
        for model in known:
            if last is None or not model.is_made_of(last):
                yield model

    def _known(self) -> Iterator[LocalModel]:
        if not self._embedded:
            # Where it is missing or damaged, that is said to whoever wants it.
            with contextlib.suppress(ModelError):
                self._embedded = (self._finder.embedded(), self._finder.embedded(BASE_ID))
        if self._embedded:
            home, base = self._embedded
            # `embedded` means the one that answers, where one of them does.
            if home.adapter is not None:
                yield _of_weights(home, (EMBEDDED_ID, HOME_ID))
                yield _of_weights(base, (BASE_ID, EMBEDDED_NAME, EMBEDDED_ID))
            else:
                yield _of_weights(base, (EMBEDDED_ID, HOME_ID, BASE_ID, EMBEDDED_NAME))
        # Of several quants the largest is meant by the name alone, as when it is loaded.
        for model in sorted(self._finder.stored(), key=lambda model: (model.repository, -model.size)):
            yield _of_stored(model)


def embedded_as(name: str) -> str:
    """Return the embedded model with what it has learned, or its base where that was named."""
    return BASE_ID if same_name(name) in (BASE_ID, same_name(EMBEDDED_NAME)) else EMBEDDED_ID


def same_name(name: str) -> str:
    """Return a name without what does not matter: case, the hub's address, and the tag `latest`."""
    plain = name.strip().lower()
    for prefix in _HUBS:
        plain = plain.removeprefix(prefix)
    return plain.removesuffix(_LATEST)


def _of_stored(model: StoredModel) -> LocalModel:
    entry = find_entry(model.repository)
    return LocalModel(
        name=entry.id if entry else model.repository,
        names=_names((model.id,), model.repository, model.quant, entry),
        tag="latest",
        path=model.path,
        size=model.size,
        digest=model.sha256,
        entry=entry,
    )


def _of_weights(weights: Weights, more: Iterable[str]) -> LocalModel:
    digest, size = weights.sha256 or _digest(file_identity(weights.path)), weights.size
    if weights.adapter is not None:
        digest = _digest(f"{digest}|{file_identity(weights.adapter)}")
        size += weights.adapter.stat().st_size
    return LocalModel(
        name=weights.id,
        names=_names((weights.id, *more), weights.repository, weights.quant, weights.entry),
        tag="latest",
        path=weights.path,
        size=size,
        digest=digest,
        entry=weights.entry,
        adapter=weights.adapter,
    )


def _names(own: tuple[str, ...], repository: str, quant: str, entry: CatalogueEntry | None) -> tuple[str, ...]:
    """Return every name of a model; text-generation-webui's clients write `_` for the `/` of a repository."""
    bases = [base for base in (*own, repository, entry.id if entry else "") if base]
    tagged = [f"{base}:{quant}" for base in bases if quant and ":" not in base]
    names = (*bases, *tagged)
    return tuple(dict.fromkeys((*names, *(name.replace("/", "_") for name in names))))


def _quant_tag(model: LocalModel) -> str:
    return model.facts.quant.lower() or model.digest[:12]


def _digest(identity: str) -> str:
    return sha256(identity.encode()).hexdigest()


def _same_file(one: Path, other: Path) -> bool:
    return one == other or one.resolve() == other.resolve()


@functools.lru_cache(maxsize=64)
def _facts(path: Path, _written: int) -> Gguf:
    return read_gguf(path)
