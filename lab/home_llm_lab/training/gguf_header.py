"""The few facts of a GGUF file's header that training needs, without reading its long lists."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from .errors import TrainingError

# Format characters of struct by GGUF's number of the type; 8 is a string, 9 an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_header(path: Path) -> dict[str, Any]:
    """Return the metadata of a GGUF file but for its lists.

    Raises:
        TrainingError: it is no GGUF file of version 2 or 3, or not whole.
    """
    try:
        with path.open("rb") as file:
            magic, version, _, count = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in (2, 3):
                raise TrainingError(f"{path} is no GGUF file of version 2 or 3")
            facts = {}
            for _ in range(count):
                name = _string(file)
                value = _value(file, *struct.unpack("<I", file.read(4)))
                if value is not None:
                    facts[name] = value
            return facts
    except (OSError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise TrainingError(f"{path} cannot be read as a GGUF file: {error}") from error


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _number(file, kind)
    of, count = struct.unpack("<IQ", file.read(12))
    if of in _NUMBERS:
        file.seek(count * struct.calcsize("<" + _NUMBERS[of]), 1)
    else:
        for _ in range(count):
            _value(file, of)
    return None


def _number(file: BinaryIO, kind: int) -> Any:
    form = "<" + _NUMBERS[kind]
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    return file.read(length).decode()
