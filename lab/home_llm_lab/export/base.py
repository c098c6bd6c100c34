"""What of a base model matters for export: its architecture, its heads, its tensors, and which base it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGMLQuantizationType, GGUFReader, ReaderTensor

from .errors import ExportError

# Those whose tensors are named here. Llama's queries and keys stand in another order in GGUF than in transformers.
ARCHITECTURES = ("llama", "qwen2")
_NORM = "output_norm.weight"


@dataclass(frozen=True)
class Base:
    """A base model in a GGUF file.

    Attributes:
        path: the file.
        architecture: in llama.cpp's words.
        name: what the file calls itself.
        layers: how many blocks.
        heads: of the queries.
        key_heads: of the keys and values.
        shapes: of the tensors, rows first, by name.
        norms: SHA-256 in hex of the norms, which no quant changes: the same for all quants of a base. The server
            compares it with that of the model that an adapter is loaded beside.
    """

    path: Path
    architecture: str
    name: str
    layers: int
    heads: int
    key_heads: int
    shapes: dict[str, tuple[int, ...]]
    norms: str

    def heads_of(self, tensor: str) -> int | None:
        """Return how many heads the rows of a tensor are reordered by in GGUF, or None where they are not."""
        if self.architecture != "llama":
            return None
        if tensor.endswith("attn_q.weight"):
            return self.heads
        return self.key_heads if tensor.endswith("attn_k.weight") else None


def read_base(path: Path) -> Base:
    """Read a base model.

    Raises:
        ExportError: it is not there, no GGUF model, or of an architecture whose tensors are not known here.
    """
    reader = open_gguf(path)
    architecture = field(reader, "general.architecture", "")
    if field(reader, "general.type", "model") != "model":
        raise ExportError(
            f"{path} is no model but of the type {field(reader, 'general.type', '')}. Name the base's file."
        )
    if architecture not in ARCHITECTURES:
        raise ExportError(f"{path} is a {architecture} model; adapters can be exported for {', '.join(ARCHITECTURES)}.")
    heads = int(field(reader, f"{architecture}.attention.head_count", 0))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    if _NORM not in tensors:
        raise ExportError(f"{path} has no {_NORM}. Name a whole model, not a part of one.")
    return Base(
        path=path,
        architecture=architecture,
        name=field(reader, "general.name", path.stem),
        layers=int(field(reader, f"{architecture}.block_count", 0)),
        heads=heads,
        key_heads=int(field(reader, f"{architecture}.attention.head_count_kv", heads)),
        shapes={name: tuple(int(size) for size in reversed(tensor.shape)) for name, tensor in tensors.items()},
        norms=_norms(tensors),
    )


def _norms(tensors: Mapping[str, ReaderTensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.endswith("norm.weight") and tensors[name].tensor_type == GGMLQuantizationType.F32:
            digest.update(tensors[name].data.tobytes())
    return digest.hexdigest()


def open_gguf(path: Path) -> GGUFReader:
    """Open a GGUF file.

    Raises:
        ExportError: it is not there, or no GGUF file.
    """
    try:
        return GGUFReader(path)
    except FileNotFoundError:
        raise ExportError(f"There is no file {path}.") from None
    except (ValueError, OSError, IndexError) as error:
        raise ExportError(f"{path} cannot be read as GGUF: {error}") from error


def field(reader: GGUFReader, key: str, default: Any) -> Any:
    """Return what a file says under a key."""
    found = reader.get_field(key)
    return default if found is None else found.contents()
