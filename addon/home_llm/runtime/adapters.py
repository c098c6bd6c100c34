"""Which adapters are meant: by their numbers, as llama-server has it, or by name, as text-generation-webui has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from home_llm.engine import AdapterUse
from home_llm.models import AdapterFile, Weights, check_base, file_identity, read_adapter

_SUFFIX = ".gguf"


class AdapterRequestError(ValueError):
    """There is no such adapter; the text lists those there are."""


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """An adapter beside the model.

    Attributes:
        file: what it is.
        scale: how strongly it is applied; 0 is not at all.
    """

    file: AdapterFile
    scale: float

    @property
    def use(self) -> AdapterUse:
        """The same for the engine."""
        return AdapterUse(self.file.path, self.scale, self.file.identity)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What is loaded for weights.

    Attributes:
        path: the file.
        size: its bytes, with those of its other parts.
        identity: what tells its content from others'.
        adapters: what belongs to it: always applied, and none of the adapters that clients see and number.
    """

    path: Path
    size: int
    identity: str
    adapters: tuple[LoadedAdapter, ...]


def read_adapters(chosen: Sequence[tuple[Path, float]], weights: Weights) -> tuple[LoadedAdapter, ...]:
    """Read the headers of adapters, given as paths and scales.

    Raises:
        ModelError: one is not there, or not for this model.
    """
    return tuple(LoadedAdapter(_checked(path, weights), scale) for path, scale in chosen)


def model_file(weights: Weights) -> ModelFile:
    """Return what to load for weights: the files made of them, or the weights' own where those are gone again.

    Raises:
        ModelError: the adapter is not for these weights.
    """
    recoded = weights.recoded
    if recoded is None or not (recoded.model.is_file() and recoded.adapter.is_file()):
        identity = weights.sha256 or file_identity(weights.path)
        return ModelFile(weights.path, weights.size, identity, own_adapters(weights))
    adapters = read_adapters([(recoded.adapter, 1.0)], weights)
    return ModelFile(recoded.model, recoded.model.stat().st_size, recoded.model.name, adapters)


def own_adapters(weights: Weights) -> tuple[LoadedAdapter, ...]:
    """Return the adapter that comes with weights, where there is one.

    Raises:
        ModelError: it is not for these weights.
    """
    return () if weights.adapter is None else read_adapters([(weights.adapter, 1.0)], weights)


def _checked(path: Path, weights: Weights) -> AdapterFile:
    adapter = read_adapter(path, weights.facts.architecture)
    check_base(adapter, weights.path, weights.facts)
    return adapter


def rescaled(adapters: Sequence[LoadedAdapter], scales: Mapping[int, float]) -> tuple[LoadedAdapter, ...]:
    """Return the adapters with other scales, by their numbers; what is not named gets 0.

    Raises:
        AdapterRequestError: there is no adapter of that number.
    """
    for number in scales:
        if not 0 <= number < len(adapters):
            known = ", ".join(f"{index} ({adapter.file.name})" for index, adapter in enumerate(adapters))
            there_are = f"There are: {known}." if known else "None is loaded: the setting adapters names some."
            raise AdapterRequestError(f"There is no adapter {number}. {there_are}")
    return tuple(replace(adapter, scale=scales.get(index, 0.0)) for index, adapter in enumerate(adapters))


def available(configured: Sequence[tuple[Path, float]], folder: Path) -> dict[str, Path]:
    """Return the adapters that can be named: those of the settings, and the files of a folder."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX and path.is_file())
    except OSError:
        files = []
    return {path.name: path for path in (*files, *(path for path, _ in configured))}


def named(
    names: Sequence[str], configured: Sequence[tuple[Path, float]], folder: Path
) -> tuple[tuple[Path, float], ...]:
    """Return what is to be loaded for names: all of the settings, so that their numbers stay, and what is named.

    What is named gets the scale of the settings, or 1; the rest gets 0.

    Raises:
        AdapterRequestError: there is no adapter of that name.
    """
    known = available(configured, folder)
    wanted: dict[Path, float] = dict.fromkeys((path for path, _ in configured), 0.0)
    for name in names:
        path = known.get(name) or known.get(name + _SUFFIX)
        if path is None:
            there_are = f"There are: {', '.join(known)}." if known else f"Put GGUF files of adapters into {folder}."
            raise AdapterRequestError(f"There is no adapter {name!r}. {there_are}")
        wanted[path] = dict(configured).get(path, 0.0) or 1.0
    return tuple(wanted.items())
