"""A whole model of base and adapter, in F16, with everything else as the base has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter, ReaderTensor
from gguf.quants import dequantize
from numpy.typing import NDArray

from .adapter import placed
from .base import Base, open_gguf
from .peft_adapter import Pair

_F16_FILE = 1
# What the writer writes itself, or what no longer holds.
_OWN = frozenset({"general.architecture", "general.file_type", "general.name", "general.quantization_version"})


def write_merged(
    pairs: Iterable[Pair], base: Base, path: Path, *, name: str, chat_template: str | None = None, full: bool = False
) -> None:
    """Write base and adapter as one model.

    Args:
        pairs: the adapter; none gives the base as it is.
        base: what it was trained on.
        path: the file, which is replaced.
        name: of the model.
        chat_template: in place of the base's.
        full: in F32, for comparing.

    Raises:
        ExportError: the adapter does not fit the base.
    """
    changes = {pair.tensor: (placed(pair, base), pair.scale) for pair in pairs}
    reader = open_gguf(base.path)
    if "output.weight" in changes and "output.weight" not in base.shapes:
        changes["token_embd.weight"] = changes.pop("output.weight")
    writer = GGUFWriter(str(path.with_suffix(".part")), base.architecture)
    writer.add_name(name)
    writer.add_file_type(0 if full else _F16_FILE)
    copy_metadata(reader, writer, {"tokenizer.chat_template": chat_template} if chat_template else {})
    for tensor in reader.tensors:
        kind = _kind(tensor, full=full)
        shape = base.shapes[tensor.name]
        writer.add_tensor_info(tensor.name, shape, np.dtype(kind), int(np.prod(shape)) * np.dtype(kind).itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    # One after the other: a model need not fit the memory twice.
    for tensor in reader.tensors:
        values = weights(tensor)
        if tensor.name in changes:
            (a, b), scale = changes[tensor.name]
            values = values + scale * (b @ a)
        writer.write_tensor_data(np.ascontiguousarray(values, dtype=_kind(tensor, full=full)))
    writer.close()
    path.with_suffix(".part").replace(path)


def weights(tensor: ReaderTensor) -> NDArray[np.float32]:
    """Return what a tensor holds, rows first."""
    values = dequantize(tensor.data, tensor.tensor_type)
    rows: NDArray[np.float32] = values.astype(np.float32)
    return rows.reshape(tuple(int(size) for size in reversed(tensor.shape)))


def copy_metadata(reader: GGUFReader, writer: GGUFWriter, changed: Mapping[str, Any]) -> None:
    """Copy what a file says of itself, but for what is changed."""
    for key, entry in reader.fields.items():
        if key.startswith("GGUF.") or key in _OWN or key in changed:
            continue
        kind = entry.types[0]
        inner = entry.types[-1] if kind is GGUFValueType.ARRAY else None
        writer.add_key_value(key, entry.contents(), kind, sub_type=inner)
    for key, value in changed.items():
        writer.add_string(key, value)


def _kind(tensor: ReaderTensor, *, full: bool) -> type[np.float16 | np.float32]:
    # Norms and biases are added up with what they belong to, in F32.
    return np.float32 if full or len(tensor.shape) == 1 else np.float16
