"""The tensors of a GGUF file, and writing a file that has others in their places."""

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from .errors import GgufError
from .ggml_types import TENSOR_TYPES
from .gguf_cursor import Cursor, ShortError, TensorInfo, Value, check_beginning, read_alignment

_HEAD: Final = struct.Struct("<4sIQQ")
_FILE_TYPE: Final = "general.file_type"

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: such as `blk.0.attn_q.weight`.
        shape: columns first, as GGUF has it.
        kind: `enum ggml_type`.
        start: where it lies in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int

    @property
    def columns(self) -> int:
        """Weights of a row."""
        return self.shape[0]

    @property
    def rows(self) -> int:
        """Rows, whatever the number of dimensions."""
        return int(np.prod(self.shape[1:], dtype=np.int64))

    @property
    def length(self) -> int:
        """Bytes."""
        stored = TENSOR_TYPES[self.kind]
        return self.columns * self.rows // stored.block * stored.size


@dataclass(frozen=True)
class TensorFile:
    """A GGUF file that is open for reading.

    Attributes:
        metadata: keys and values; long arrays are stepped over.
        keys: the bytes of all keys and values, as they are.
        file_type_at: where in `keys` the number of the file's type lies; -1 where there is none.
        alignment: to how many bytes tensors are aligned.
        tensors: in the order of the file.
    """

    metadata: dict[str, Value]
    keys: bytes
    file_type_at: int
    alignment: int
    tensors: tuple[Tensor, ...]
    _data: mmap.mmap

    def data(self, tensor: Tensor) -> Bytes:
        """Return the bytes of a tensor."""
        # A copy: a map cannot be closed while an array looks into it.
        return np.frombuffer(self._data, np.uint8, tensor.length, tensor.start).copy()


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a GGUF file.

    Raises:
        GgufError: it is not one, cut short, or has tensors of a format that is not known here.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise GgufError(f"{path.name} is cut short: it is empty.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                found = _read(data, path.name)
            except ShortError as short:
                raise GgufError(f"{path.name} is cut short: it needs at least {short.needed:,} bytes.") from None
            yield found


def _read(data: mmap.mmap, name: str) -> TensorFile:
    cursor = Cursor(data)
    check_beginning(cursor, name)
    tensor_count, key_count = cursor.u64(), cursor.u64()
    begin, file_type_at = cursor.position, -1
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        key = cursor.string()
        kind = cursor.u32()
        if key == _FILE_TYPE:
            file_type_at = cursor.position - begin
        metadata[key] = cursor.value(kind, key)
    keys = data[begin : cursor.position]
    alignment = read_alignment(metadata, name)
    entries = [cursor.tensor() for _ in range(tensor_count)]
    start = _aligned(cursor.position, alignment)
    tensors = tuple(_placed(entry, start, name) for entry in entries)
    end = max((tensor.start + tensor.length for tensor in tensors), default=0)
    if end > len(data):
        raise ShortError(end)
    return TensorFile(metadata, keys, file_type_at, alignment, tensors, data)


def _placed(entry: TensorInfo, start: int, name: str) -> Tensor:
    if entry.kind not in TENSOR_TYPES:
        raise GgufError(f"{name} holds {entry.name} in a format that is not known here ({entry.kind}).")
    return Tensor(entry.name, entry.shape, entry.kind, start + entry.offset)


class TensorWriter:
    """Writes a GGUF file with the keys of another and tensors of its own, one after the other.

    The file appears under its name when it is whole.

    Args:
        path: the file; one that is there is replaced.
        source: whose keys and values to take.
        tensors: names, shapes and formats; where they lie is found here.
        file_type: `enum llama_ftype`, where the source names one; None leaves that.
    """

    def __init__(self, path: Path, source: TensorFile, tensors: Sequence[Tensor], file_type: int | None) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        keys = bytearray(source.keys)
        if source.file_type_at >= 0 and file_type is not None:
            struct.pack_into("<I", keys, source.file_type_at, file_type)
        table = bytearray()
        self._offsets, end = [], 0
        for tensor in tensors:
            name = tensor.name.encode()
            self._offsets.append(end)
            table += struct.pack("<Q", len(name)) + name
            table += struct.pack(f"<I{len(tensor.shape)}QIQ", len(tensor.shape), *tensor.shape, tensor.kind, end)
            end = _aligned(end + tensor.length, source.alignment)
        head = _HEAD.pack(b"GGUF", 3, len(tensors), len(source.metadata)) + keys + table
        self._start = _aligned(len(head), source.alignment)
        self._file = self._part.open("wb")
        self._file.write(head)
        self._end = self._start + end
        self._next = iter(self._offsets)

    def write(self, data: Bytes) -> None:
        """Write the next tensor.

        Raises:
            OSError: the disk is full, or gone.
        """
        self._file.seek(self._start + next(self._next))
        self._file.write(data.data)

    def publish(self) -> None:
        """End the file and give it its name."""
        self._file.truncate(self._end)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)

    def abandon(self) -> None:
        """Remove what was written; nothing after `publish`."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
