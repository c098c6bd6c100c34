"""Adapters in GGUF, as llama.cpp loads them beside a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

from .base import Base
from .errors import ExportError
from .peft_adapter import Pair

# What the repository and the image bear.
MAX_BYTES = 25_000_000
_BLOCK = 32

TYPES = ("q8_0", "f16", "f32")


def permuted(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return rows of queries or keys in GGUF's order: transformers has the halves of a head one behind the other."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def placed(pair: Pair, base: Base) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrices of a pair as GGUF has them.

    Raises:
        ExportError: the base has no such tensor, or one of another shape.
    """
    shape = base.shapes.get(pair.tensor)
    made = (pair.b.shape[0], pair.a.shape[1])
    if shape is None:
        raise ExportError(f"{base.path.name} has no {pair.tensor}. The adapter was trained on another base.")
    if shape != made:
        raise ExportError(
            f"The adapter is for another base: {pair.tensor} is {_by(made)} there and {_by(shape)} in {base.path.name}."
        )
    heads = base.heads_of(pair.tensor)
    return pair.a, pair.b if heads is None else permuted(pair.b, heads)


def write_adapter(
    pairs: Iterable[Pair], base: Base, path: Path, *, kind: str = "q8_0", about: Mapping[str, str] | None = None
) -> int:
    """Write an adapter, and return its size in bytes.

    Args:
        pairs: what was trained.
        base: what it was trained on.
        path: the file, which is replaced.
        kind: one of TYPES. With q8_0, what has rows that are no whole blocks is f16.
        about: more metadata, as text by key.

    Raises:
        ExportError: it does not fit the base.
    """
    pairs = list(pairs)
    # One alpha for all: where modules differ, the difference goes into B.
    alpha = pairs[0].scale * pairs[0].rank
    writer = GGUFWriter(str(path.with_suffix(".part")), base.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_string("home_llm.base.name", base.name)
    writer.add_string("home_llm.base.norms", base.norms)
    for key, text in (about or {}).items():
        writer.add_string(key, text)
    for pair in pairs:
        a, b = placed(pair, base)
        for half, values in (("a", a), ("b", b * np.float32(pair.scale * pair.rank / alpha))):
            _add(writer, f"{pair.tensor}.lora_{half}", values, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.with_suffix(".part").replace(path)
    return path.stat().st_size


def _add(writer: GGUFWriter, name: str, values: NDArray[np.float32], kind: str) -> None:
    if kind == "f32":
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    elif kind == "q8_0" and values.shape[1] % _BLOCK == 0:
        packed = quantize(np.ascontiguousarray(values), GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
    else:
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float16))


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape))
