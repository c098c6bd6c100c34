"""Our own models as this machine reads them fastest, made once and kept."""

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from home_llm.llama import numbers
from home_llm.models import (
    SPARE_DISK,
    GgufError,
    ModelError,
    Recoded,
    Weights,
    file_identity,
    read_gguf,
    recode,
    repacks,
    worth_recoding,
)
from home_llm.runtime.adapters import own_adapters
from home_llm.runtime.state import State, Status

_LOGGER = logging.getLogger(__name__)


class Preparer:
    """Makes faster files of weights that have an adapter of our own.

    Args:
        folder: where the files are kept.
        report: told what is being done.
        cancel: ends it when it is set.
    """

    def __init__(self, folder: Path, *, report: Callable[[Status], None], cancel: threading.Event) -> None:
        self._folder = folder
        self._report = report
        self._cancel = cancel

    def prepared(self, weights: Weights) -> Weights:
        """Return weights with the files to load in place of theirs, made where they are not there yet.

        Where they cannot be made, that is logged, and the weights are loaded as they are.

        Raises:
            ModelError: the adapter is not for these weights.
            StoppedError: `cancel` was set.
        """
        own = own_adapters(weights)
        try:
            if not own or not repacks() or not worth_recoding(weights.facts):
                return weights
            recoded = self._files(weights, own[0].file.path)
            if not (_is_whole(recoded.model) and _is_whole(recoded.adapter)):
                self._make(weights, own[0].file.path, recoded)
        except (OSError, ModelError) as error:
            _LOGGER.warning("%s cannot be prepared for this machine, and answers more slowly: %s", weights.id, error)
            return weights
        return replace(weights, recoded=recoded)

    def _files(self, weights: Weights, adapter: Path) -> Recoded:
        """Return where the files are: an update of the base or of the adapter has other ones."""
        said = f"{weights.sha256 or file_identity(weights.path)}|{file_identity(adapter)}"
        stem = f"{adapter.stem}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        return Recoded(self._folder / f"{stem}.gguf", self._folder / f"{stem}.lora.gguf")

    def _make(self, weights: Weights, adapter: Path, recoded: Recoded) -> None:
        message = f"Preparing {weights.id} for this machine, once."
        self._report(Status(State.LOADING, message, weights.id))
        _LOGGER.info("%s", message)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Those of before, and what a power cut has left.
        for old in self._folder.iterdir():
            if old.name.startswith(adapter.stem):
                old.unlink()
        needed = weights.size + 2 * adapter.stat().st_size + SPARE_DISK
        if (free := shutil.disk_usage(self._folder).free) < needed:
            raise ModelError(f"the disk has {free >> 20} MB left, and {needed >> 20} MB are needed")
        recode(weights.path, adapter, model=recoded.model, beside=recoded.adapter, numbers=numbers, cancel=self._cancel)


def _is_whole(path: Path) -> bool:
    try:
        read_gguf(path)
    except FileNotFoundError:
        return False
    except GgufError as error:
        _LOGGER.warning("%s is made again: %s", path.name, error)
        return False
    return True
