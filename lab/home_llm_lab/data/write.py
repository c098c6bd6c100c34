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
        self._form = FORMATS[form]
        self._flat = flat or tools is not None or not self._form.shared
        self._tools = tools
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open the file."""
        self._file = self.path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

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
