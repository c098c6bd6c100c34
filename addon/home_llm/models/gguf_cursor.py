"""Step through a GGUF header: its beginning, its keys and values, its numbers and texts."""

import mmap
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from .errors import GgufError

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_KEPT_NUMBERS: Final = 1024  # arrays up to here are per-layer values that the memory estimate needs
_KEPT_STRINGS: Final = 64  # languages and tags, not a vocabulary
_DEFAULT_ALIGNMENT: Final = 32
MOST_ENTRIES: Final = 1_000_000  # more keys or tensors than this is not a header but noise

_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final[dict[int, struct.Struct]] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32: Final = _SCALARS[4]
_U64: Final = _SCALARS[10]


class ArrayInfo(NamedTuple):
    """An array that was stepped over: the GGUF type of its elements, and how many there are."""

    element_type: int
    length: int


Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...] | ArrayInfo


class ShortError(Exception):
    """The data ends before what it announces: `needed` bytes in all."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


class TensorInfo(NamedTuple):
    """An entry of the table of tensors: columns come first in `shape`; `offset` counts from where the data begins."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


class Cursor:
    """A position in the header that never reads past the end of the data."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.size = len(data)
        self.position = 0

    def take(self, count: int) -> int:
        """Step over `count` bytes and return where they begin."""
        start = self.position
        if count > self.size - start:
            raise ShortError(start + count)
        self.position = start + count
        return start

    def scalar(self, layout: struct.Struct) -> Scalar:
        """Take a number."""
        value: Scalar = layout.unpack_from(self.data, self.take(layout.size))[0]
        return value

    def u32(self) -> int:
        """Take an unsigned number of 32 bits."""
        return int(self.scalar(_U32))

    def u64(self) -> int:
        """Take an unsigned number of 64 bits."""
        return int(self.scalar(_U64))

    def string(self) -> str:
        """Take a text with its length before it."""
        length = self.u64()
        start = self.take(length)
        return self.data[start : start + length].decode("utf-8", "replace")

    def value(self, kind: int, key: str) -> Value:
        """Take the value of a key; `kind` is its GGUF type."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array(self.u32(), self.u64(), key)
        return self.scalar(_layout(kind, key))

    def tensor(self) -> TensorInfo:
        """Take an entry of the table of tensors."""
        name = self.string()
        shape = tuple(self.u64() for _ in range(self.u32()))
        return TensorInfo(name, shape, self.u32(), self.u64())

    def array(self, kind: int, count: int, key: str) -> Value:
        """Take an array, or step over a long one."""
        if kind == _STRING:
            if count <= _KEPT_STRINGS:
                return tuple(self.string() for _ in range(count))
            for _ in range(count):
                self.take(self.u64())
        elif kind == _ARRAY:
            for _ in range(count):
                self.array(self.u32(), self.u64(), key)
        else:
            layout = _layout(kind, key)
            if count <= _KEPT_NUMBERS:
                return tuple(self.scalar(layout) for _ in range(count))
            self.take(layout.size * count)
        return ArrayInfo(kind, count)


def _layout(kind: int, key: str) -> struct.Struct:
    layout = _SCALARS.get(kind)
    if layout is None:
        raise GgufError(f"The GGUF header is damaged: {key!r} has the unknown value type {kind}.")
    return layout


def check_beginning(cursor: Cursor, name: str) -> int:
    """Check magic and version, and return the version."""
    magic = bytes(cursor.data[cursor.take(len(MAGIC)) : len(MAGIC)])
    if magic != MAGIC:
        raise GgufError(f"{name} is not a GGUF file{_what_it_is(cursor.data)}.")
    version = cursor.u32()
    if version & 0xFFFF == 0 and version:
        raise GgufError(f"{name} is a big-endian GGUF file; only little-endian ones can be loaded.")
    if version not in _VERSIONS:
        raise GgufError(f"{name} is a GGUF file of version {version}; versions 2 and 3 can be loaded. Get a newer one.")
    return version


def _what_it_is(data: bytes | mmap.mmap) -> str:
    """Recognise what commonly lies where a GGUF file should."""
    head = bytes(data[:64]).lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return ": it is a Git LFS pointer, which only names the real file"
    if head.startswith((b"<!doctype", b"<html")):
        return ": it is a web page, saved in place of the file"
    if head[:4] in {b"ggml", b"lmgg", b"tjgg", b"fmgg", b"ggjt", b"ggmf"}:
        return ": it is the older GGML format, which llama.cpp no longer reads"
    return ""


def read_alignment(metadata: Mapping[str, Value], name: str) -> int:
    """Return to how many bytes tensors are aligned."""
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise GgufError(f"{name} is damaged: its alignment is {alignment!r}.")
    return alignment
