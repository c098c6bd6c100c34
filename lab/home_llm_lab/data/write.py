"""Write lines of data: a house in one moment, or one conversation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from .formats import FORMATS, flat_rows


class Writer:
    """A file of JSON lines, with the digest of what is in it."""

    def __init__(self, path: Path, form: str = "home", *, flat: bool = False, tools: str | None = None) -> None:
        """Take where to write and how."""
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._form = FORMATS[form]
        self._flat = flat or tools is not None or not self._form.shared
        self._tools = tools
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open the file under another name, so that what is there already stays until there is something better."""
        self._file = self._part.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, and give it its name if all of it was written."""
        if self._file is None:
            return
        self._file.close()
        if error is None:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a house with its conversations."""
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        for row in self._rows(line):
            data = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
            self._digest.update(data)
            self._file.write(data)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was written so far."""
        return self._digest.hexdigest()

    def _rows(self, line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if self._flat:
            yield from flat_rows(line, self._form, self._tools)
        else:
            yield line
