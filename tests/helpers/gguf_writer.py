"""Writes small GGUF files, whole or broken in the ways that files break."""

import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any

Q4_0, F16, F32 = 2, 1, 0
_STORED = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), 3: (32, 20), 12: (256, 144), 8: (32, 34)}


class Int32(int):
    """A number that is written with a sign; others are written without."""


def write_gguf(
    metadata: Mapping[str, Any] | None = None,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = (("token_embd.weight", (32, 64), F16),),
    *,
    version: int = 3,
    alignment: int = 32,
    big_endian: bool = False,
    filler: bytes = b"",
    data: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a GGUF file; a `list` in the metadata is an array.

    `data` is what tensors hold, by their names; `filler` repeats in the others.
    """
    order = ">" if big_endian else "<"
    values = {"general.alignment": alignment} if alignment != 32 else {}
    values |= metadata if metadata is not None else llama_metadata()
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, len(tensors), len(values))
    for key, value in values.items():
        head += _string(key, order) + _value(value, order)
    offset = 0
    for name, shape, kind in tensors:
        head += _string(name, order) + struct.pack(f"{order}I", len(shape))
        head += b"".join(struct.pack(f"{order}Q", size) for size in shape)
        head += struct.pack(f"{order}IQ", kind, offset)
        offset += _padded(_bytes(shape, kind), alignment)
    if not tensors:
        return head
    pattern = filler or b"\x00"
    body = bytearray((pattern * (offset // len(pattern) + 1))[:offset])
    start = 0
    for name, shape, kind in tensors:
        content = (data or {}).get(name, b"")
        body[start : start + len(content)] = content
        start += _padded(_bytes(shape, kind), alignment)
    return head.ljust(_padded(len(head), alignment), b"\x00") + bytes(body)


def llama_metadata(**more: Any) -> dict[str, Any]:
    """Return the metadata of a tiny Llama: 2 layers, 4 heads of which 2 carry keys, 8 values each."""
    return {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 15,
        "llama.block_count": 2,
        "llama.context_length": 2048,
        "llama.embedding_length": 32,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": [f"word{number}" for number in range(300)],
        "tokenizer.ggml.scores": [0.5] * 3000,
        "tokenizer.chat_template": "{{ messages }}",
    } | more


def tiny_model(size: int = 40_000, **metadata: Any) -> bytes:
    """Return a loadable-looking GGUF of at least `size` bytes whose content depends on its metadata."""
    rows = max(1, size // 64)
    filler = repr(sorted(metadata.items())).encode() + b"weights"
    return write_gguf(llama_metadata(**metadata), [("token_embd.weight", (32, rows), F16)], filler=filler)


def lora_adapter(
    metadata: Mapping[str, Any] | None = None, *, seed: int = 1, layers: int = 4, width: int = 576, rank: int = 4
) -> bytes:
    """Return a LoRA adapter on the queries of a Llama's first layers, with random weights; `width` is the embedding's.

    At scale 1 it changes what the embedded model says.
    """
    values = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 12.0,
    } | dict(metadata or {})
    tensors = []
    for layer in range(layers):
        tensors.append((f"blk.{layer}.attn_q.weight.lora_a", (width, rank), F32))
        tensors.append((f"blk.{layer}.attn_q.weight.lora_b", (rank, width), F32))
    draw = random.Random(seed)
    # A number of weights that no row is a multiple of, so that rows differ.
    filler = struct.pack("<1009f", *(draw.uniform(-0.5, 0.5) for _ in range(1009)))
    return write_gguf(values, tensors, filler=filler)


def _string(text: str, order: str) -> bytes:
    data = text.encode()
    return struct.pack(f"{order}Q", len(data)) + data


def _value(value: Any, order: str) -> bytes:
    if isinstance(value, list):
        items = [_value(item, order) for item in value]
        kind = items[0][:4] if items else struct.pack(f"{order}I", 4)
        head = struct.pack(f"{order}I", 9) + kind + struct.pack(f"{order}Q", len(items))
        return head + b"".join(item[4:] for item in items)
    if isinstance(value, bool):
        return struct.pack(f"{order}I?", 7, value)
    if isinstance(value, Int32):
        return struct.pack(f"{order}Ii", 5, value)
    if isinstance(value, int):
        return struct.pack(f"{order}II", 4, value)
    if isinstance(value, float):
        return struct.pack(f"{order}If", 6, value)
    return struct.pack(f"{order}I", 8) + _string(value, order)


def _bytes(shape: Sequence[int], kind: int) -> int:
    elements = 1
    for size in shape:
        elements *= size
    block, size = _STORED.get(kind, (1, 1))
    return elements // block * size


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
