"""A copy of a run elsewhere: a folder, or any address that fsspec knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import TrainingError


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a run is copied to.

    Attributes:
        address: the folder or address; the run gets a folder in it.
        limit: checkpoints that are kept there; 0 is all.
    """

    address: str
    limit: int = 0

    def put(self, folder: Path, *, inside: str) -> None:
        """Copy a folder of a run named `inside`, and remove its oldest checkpoints beyond the limit.

        Raises:
            TrainingError: the copy fails.
        """
        try:
            import fsspec  # noqa: PLC0415 - only where there is a bucket

            system, path = fsspec.core.url_to_fs(self.address)
            run = f"{path.rstrip('/')}/{inside}"
            target = run if folder.name == inside else f"{run}/{folder.name}"
            system.makedirs(target, exist_ok=True)
            for file in sorted(folder.rglob("*")):
                parts = file.relative_to(folder)
                # Checkpoints were copied when they were made.
                if file.is_file() and not parts.parts[0].lstrip(".").startswith("checkpoint-"):
                    system.makedirs(f"{target}/{parts.parent}", exist_ok=True)
                    system.put_file(str(file), f"{target}/{parts.as_posix()}")
            self._prune(system, run)
        except (OSError, ImportError, ValueError) as error:
            raise TrainingError(f"cannot copy {folder} to {self.address}: {error}") from error

    def _prune(self, system: Any, run: str) -> None:
        if not self.limit:
            return
        found = [name for name in system.ls(run, detail=False) if name.rpartition("/")[2].startswith("checkpoint-")]
        found.sort(key=lambda name: int(name.rpartition("-")[2]))
        for name in found[: -self.limit]:
            system.rm(name, recursive=True)
