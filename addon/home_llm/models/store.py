"""The models folder: one folder a model, complete or not there, each with a manifest of what it holds.

models/
  acon96--Home-3B-v3-GGUF--Home-3B-v3.q4_k_m/
    Home-3B-v3.q4_k_m.gguf
    manifest.json
  .partial/…      downloads under way, renamed to the place above when everything is checked
  .removed/…      models being deleted: renamed first, so that none is ever half there
"""

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from .errors import ModelError
from .hub import Repository
from .memory import gigabytes
from .quants import NONE, UNQUANTISED, Candidate, parse_quant

_LOGGER = logging.getLogger(__name__)

_FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_PARTIAL: Final = ".partial"
_REMOVED: Final = ".removed"
# What stays free of the disk when there are other quants than the one in use.
_RESERVE: Final = 0.1
_LEAST_RESERVE: Final = 2_000_000_000
_SPLIT: Final = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True)
class StoredFile:
    """A downloaded file: its name on disk, its path in the repository, bytes and SHA-256 in hex."""

    name: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredModel:
    """A model in the store, with every file there."""

    folder: Path
    repository: str
    revision: str
    quant: str
    files: tuple[StoredFile, ...]

    @property
    def id(self) -> str:
        """The name by which the model is removed."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The file to load: the first part."""
        return self.folder / self.files[0].name

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, or of all parts' SHA-256 joined."""
        return joined_sha256([file.sha256 for file in self.files])


class Store:
    """The models kept under `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        """Name the folders; they are made when something is put there."""
        self.data_dir = data_dir
        self.root = data_dir / "models"
        self._in_use: Path | None = None

    def models(self) -> list[StoredModel]:
        """List the models that are whole, by name. What is damaged is logged and left out."""
        return list(self._models())

    def find(self, repository: str, *, quant: str = "", file: str = "") -> list[StoredModel]:
        """List the models of a repository, of one quant or with one file where it is named, largest first."""
        found = [
            model
            for model in self._models()
            if model.repository.lower() == repository.lower()
            and (not quant or _same_quant(model.quant, quant))
            and (not file or any(file.lower() in (one.path.lower(), one.name.lower()) for one in model.files))
        ]
        return sorted(found, key=lambda model: model.size, reverse=True)

    def staging(self, repository: Repository, candidate: Candidate) -> Path:
        """Name the folder into which a candidate is downloaded.

        It is the same for the same content, so that a download continues after a restart, and another for
        other content under the same name.
        """
        content = "".join(f"{file.path}:{file.size}:{file.sha256}\n" for file in candidate.files)
        return self.root / _PARTIAL / f"{_key(repository.name, candidate)}--{sha256(content.encode()).hexdigest()[:12]}"

    def use(self, path: Path) -> None:
        """Note that the model with this file is the one in use, which nothing here removes by itself."""
        self._in_use = path
        with suppress(OSError):
            if self.root in path.parents:
                os.utime(path.parent / _MANIFEST)

    def make_room(self, needed: int, keep: Path, repository: str = "") -> None:
        """Delete what may go where the disk has fewer than `needed` bytes free.

        Abandoned downloads other than `keep` go first, then other quants of the repository, the one that was used
        longest ago first.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if self._free() >= needed:
            return
        for folder in self._folders(self.root / _PARTIAL):
            if folder != keep:
                _LOGGER.warning("Deleting the unfinished download %s to make room", folder.name)
                shutil.rmtree(folder, ignore_errors=True)
        others = self._unused(repository)
        if self._free() + sum(model.size for model in others) >= needed:
            self._remove_until(needed, others)

    def tidy(self, repository: str) -> None:
        """Delete other quants of a repository until a tenth of the disk, and at least 2 GB, are free."""
        if not self.root.is_dir():
            return
        reserve = max(_LEAST_RESERVE, int(shutil.disk_usage(self.root).total * _RESERVE))
        self._remove_until(reserve, self._unused(repository))

    def _unused(self, repository: str) -> list[StoredModel]:
        """List the models of a repository that are not in use, the one that was used longest ago first."""
        found = [model for model in self.find(repository) if model.path != self._in_use] if repository else []
        return sorted(found, key=lambda model: (model.folder / _MANIFEST).stat().st_mtime)

    def _remove_until(self, free: int, models: Iterable[StoredModel]) -> None:
        for model in models:
            if self._free() >= free:
                return
            _LOGGER.info("Deleting %s (%s), which is not used any more, to make room", model.id, gigabytes(model.size))
            self._delete(model.folder)

    def _free(self) -> int:
        return shutil.disk_usage(self.root).free

    def publish(
        self, staged: Path, repository: Repository, candidate: Candidate, checksums: Sequence[str]
    ) -> StoredModel:
        """Move a complete download to its place, in one step, and return the model."""
        model = StoredModel(
            folder=self.root / _key(repository.name, candidate),
            repository=repository.name,
            revision=repository.revision,
            quant=candidate.quant,
            files=tuple(
                StoredFile(file.name, file.path, file.size, checksum)
                for file, checksum in zip(candidate.files, checksums, strict=True)
            ),
        )
        manifest = {"format": _FORMAT} | {key: value for key, value in asdict(model).items() if key != "folder"}
        (staged / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        if model.folder.exists():
            self._delete(model.folder)
        staged.rename(model.folder)
        return model

    def remove(self, name: str) -> int:
        """Remove every model of that id or repository, with what is unfinished of it; return the bytes freed.

        Raises ModelError when there is no such model.
        """
        wanted = name.lower()
        chosen = [model for model in self._models() if wanted in (model.id.lower(), model.repository.lower())]
        prefix = wanted.replace("/", "--")
        folders = [model.folder for model in chosen]
        folders.extend(folder for folder in self._folders(self.root / _PARTIAL) if _begins(folder, prefix))
        folders.extend(
            folder
            for folder in self._folders(self.root)
            if folder not in folders and folder.name.lower() == wanted  # damaged ones can be removed too
        )
        if not folders:
            names = ", ".join(model.id for model in self._models()) or "none"
            raise ModelError(f"No downloaded model is called {name!r}. Downloaded: {names}.")
        freed = sum(_folder_size(folder) for folder in folders)
        for folder in folders:
            self._delete(folder)
        return freed

    def usage(self) -> int:
        """Return the bytes that everything in the models folder takes, unfinished downloads too."""
        return _folder_size(self.root)

    def sweep(self) -> None:
        """Finish deletions that were interrupted."""
        for folder in self._folders(self.root / _REMOVED):
            shutil.rmtree(folder, ignore_errors=True)

    def _models(self) -> Iterator[StoredModel]:
        for folder in self._folders(self.root):
            try:
                yield _read_manifest(folder)
            except (OSError, ValueError, KeyError, TypeError) as error:
                _LOGGER.warning("%s is taken as not downloaded: %s", folder.name, error)

    @staticmethod
    def _folders(parent: Path) -> list[Path]:
        if not parent.is_dir():
            return []
        return sorted(folder for folder in parent.iterdir() if folder.is_dir() and not folder.name.startswith("."))

    def _delete(self, folder: Path) -> None:
        """Take a folder out of sight in one step, then delete it."""
        removed = self.root / _REMOVED
        removed.mkdir(parents=True, exist_ok=True)
        grave = Path(tempfile.mkdtemp(dir=removed))
        folder.rename(grave / folder.name)
        shutil.rmtree(grave, ignore_errors=True)


def joined_sha256(checksums: Sequence[str]) -> str:
    """Return the one SHA-256, or that of several joined in order: one identity for a split model."""
    return checksums[0] if len(checksums) == 1 else sha256("".join(checksums).encode()).hexdigest()


def _same_quant(have: str, wanted: str) -> bool:
    if wanted.lower() == NONE:
        return have in UNQUANTISED
    return have in (wanted.upper(), parse_quant(f"{wanted}.gguf")) or f"{have}_M" == wanted.upper()


def _key(repository: str, candidate: Candidate) -> str:
    stem = _SPLIT.sub("", Path(candidate.name).stem)
    return f"{repository.replace('/', '--')}--{stem}"


def _begins(folder: Path, prefix: str) -> bool:
    return folder.name.lower().startswith(f"{prefix}--")


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read_manifest(folder: Path) -> StoredModel:
    """Read a model's manifest and compare it with the files.

    Raises OSError, ValueError, KeyError or TypeError with the reason why the model cannot be used.
    """
    data: Any = json.loads((folder / _MANIFEST).read_text("utf-8"))
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError("its manifest is of another format")
    files = tuple(StoredFile(**file) for file in data["files"])
    if not files:
        raise ValueError("its manifest names no file")
    for file in files:
        size = (folder / file.name).stat().st_size
        if size != file.size:
            raise ValueError(f"{file.name} has {size:,} bytes instead of {file.size:,}")
    return StoredModel(folder, str(data["repository"]), str(data["revision"]), str(data["quant"]), files)
