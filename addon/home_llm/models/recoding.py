"""A model in Q4_1 with an adapter, written as one in Q4_0 with another adapter: the same model, read faster.

Q4_1 keeps 32 weights as whole numbers `q` from 0 to 15 with a scale `d` and an offset `m`: each is `d * q + m`. Q4_0
has no offset: each is `d * (q - 8)`. llama.cpp rearranges Q4_0 for the vector units of most processors, and not Q4_1.
With the same `d` and `q` the two differ by `m + 8 * d`, which is the same for all 32. Times the inputs, that is a small
matrix times the sums of each 32 of them: a LoRA adapter of the rank columns / 32. Where there is an adapter anyway, it
is made a little wider, and nothing is lost but the rounding of that small matrix to 8 bits.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from .errors import ModelError, StoppedError
from .ggml_types import FILE_TYPES, TENSOR_TYPES
from .gguf import Gguf
from .gguf_tensors import Bytes, Tensor, TensorFile, TensorWriter, open_tensors

_BLOCK: Final = 32
_ALPHA: Final = "adapter.lora.alpha"
_A: Final = ".lora_a"
_B: Final = ".lora_b"

_KINDS: Final = {stored.name: kind for kind, stored in TENSOR_TYPES.items()}
_Q4_0: Final = _KINDS["Q4_0"]
_Q4_1: Final = _KINDS["Q4_1"]
_Q8_0: Final = _KINDS["Q8_0"]
_FILE_TYPE: Final = next(number for number, name in FILE_TYPES.items() if name == "Q4_0")

Floats = npt.NDArray[np.float32]


class Numbers(Protocol):
    """What translates between floats and ggml's number formats; `home_llm.llama.numbers` does."""

    def to_floats(self, kind: int, data: Bytes, columns: int) -> Floats:
        """Return what a tensor holds, shape (rows, columns)."""

    def from_floats(self, kind: int, values: Floats) -> Bytes:
        """Return a tensor as it lies in a file."""


def worth_recoding(facts: Gguf) -> bool:
    """Return whether a model has tensors in Q4_1."""
    return TENSOR_TYPES[_Q4_1].name in facts.formats


def recode(
    base: Path, adapter: Path, *, model: Path, beside: Path, numbers: Numbers, cancel: threading.Event | None = None
) -> None:
    """Write a model in Q4_0, and the adapter that makes it what base and adapter are together.

    Tensors of other formats stay as they are. Both files appear when they are whole, the model last.

    Args:
        base: a model with tensors in Q4_1.
        adapter: a LoRA adapter that changes all of these.
        model: the model to write.
        beside: the adapter to write.
        numbers: translates formats.
        cancel: set to stop.

    Raises:
        GgufError: a file is damaged.
        ModelError: the adapter does not change each of these tensors, or is for another model.
        OSError: a file cannot be written.
        StoppedError: `cancel` was set.
    """
    with open_tensors(base) as source, open_tensors(adapter) as changes:
        pairs = _pairs(source, changes, adapter.name)
        alpha = changes.metadata.get(_ALPHA)
        scale = float(alpha) if isinstance(alpha, float) else 0.0

        def go_on() -> None:
            if cancel is not None and cancel.is_set():
                raise StoppedError

        _write(beside, changes, _wider(source, pairs, changes, scale, numbers), go_on)
        plain: Written = [(_in_q4_0(tensor), partial(_without_offset, source, tensor)) for tensor in source.tensors]
        _write(model, source, plain, go_on, file_type=_FILE_TYPE)


Written = list[tuple[Tensor, Callable[[], Bytes]]]


def _write(
    path: Path, source: TensorFile, tensors: Written, go_on: Callable[[], None], file_type: int | None = None
) -> None:
    writer = TensorWriter(path, source, [tensor for tensor, _ in tensors], file_type)
    try:
        for _, make in tensors:
            go_on()
            writer.write(make())
        writer.publish()
    finally:
        writer.abandon()


def _in_q4_0(tensor: Tensor) -> Tensor:
    return replace(tensor, kind=_Q4_0) if tensor.kind == _Q4_1 else tensor


def _without_offset(source: TensorFile, tensor: Tensor) -> Bytes:
    """Return a tensor in Q4_0: the scales and numbers of Q4_1, whose blocks are `d`, `m` and 16 bytes of numbers."""
    data = source.data(tensor)
    if tensor.kind != _Q4_1:
        return data
    blocks = data.reshape(-1, TENSOR_TYPES[_Q4_1].size)
    return np.ascontiguousarray(np.delete(blocks, (2, 3), axis=1)).reshape(-1)


def _offsets(source: TensorFile, tensor: Tensor) -> Floats:
    """Return by how much each block of Q4_1 differs from the same in Q4_0, shape (rows, columns / 32)."""
    blocks = source.data(tensor).reshape(-1, TENSOR_TYPES[_Q4_1].size)
    scales = np.ascontiguousarray(blocks[:, :4]).view(np.float16).astype(np.float32)
    offsets: Floats = (scales[:, 1] + 8 * scales[:, 0]).reshape(tensor.rows, -1)
    return offsets


def _wider(
    source: TensorFile, pairs: dict[str, tuple[Tensor, Tensor]], changes: TensorFile, alpha: float, numbers: Numbers
) -> Written:
    """Return the tensors of the adapter, wider where the model's tensor is in Q4_1."""
    written: Written = []
    for tensor in source.tensors:
        if tensor.name not in pairs:
            continue
        a, b = pairs[tensor.name]
        if tensor.kind != _Q4_1:
            written += [(one, partial(changes.data, one)) for one in (a, b)]
            continue
        rank = _whole(a.rows)
        wide = rank + _whole(tensor.columns // _BLOCK)
        # llama.cpp scales by alpha / rank, and not at all where alpha is 0.
        of_b, of_offsets = (wide / a.rows, wide / alpha) if alpha else (1.0, 1.0)

        def make_a(a: Tensor = a, wide: int = wide, rank: int = rank) -> Bytes:
            values = np.zeros((wide, a.columns), np.float32)
            values[: a.rows] = numbers.to_floats(a.kind, changes.data(a), a.columns)
            # Each row sums the inputs of one block.
            for block in range(a.columns // _BLOCK):
                values[rank + block, block * _BLOCK : (block + 1) * _BLOCK] = 1
            return numbers.from_floats(_Q8_0, values)

        def make_b(
            b: Tensor = b,
            tensor: Tensor = tensor,
            wide: int = wide,
            rank: int = rank,
            scales: tuple[float, float] = (of_b, of_offsets),
        ) -> Bytes:
            values = np.zeros((tensor.rows, wide), np.float32)
            values[:, : b.columns] = numbers.to_floats(b.kind, changes.data(b), b.columns) * np.float32(scales[0])
            offsets = _offsets(source, tensor)
            values[:, rank : rank + offsets.shape[1]] = offsets * np.float32(scales[1])
            return numbers.from_floats(_Q8_0, values)

        written.append((Tensor(a.name, (tensor.columns, wide), _Q8_0, 0), make_a))
        written.append((Tensor(b.name, (wide, tensor.rows), _Q8_0, 0), make_b))
    return written


def _whole(rank: int) -> int:
    """Return a rank in whole blocks of Q8_0, so that the columns of `b` fill them."""
    return -(-rank // _BLOCK) * _BLOCK


def _pairs(model: TensorFile, changes: TensorFile, name: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the two matrices that change a tensor, by its name."""
    matrices = {tensor.name: tensor for tensor in changes.tensors}
    pairs = {
        one.removesuffix(_A): (tensor, matrices[one.removesuffix(_A) + _B])
        for one, tensor in matrices.items()
        if one.endswith(_A) and one.removesuffix(_A) + _B in matrices
    }
    if 2 * len(pairs) != len(matrices):
        raise ModelError(f"{name} holds other tensors than those of a LoRA adapter.")
    shapes = {tensor.name: tensor.shape for tensor in model.tensors}
    for tensor, (a, b) in pairs.items():
        if (a.shape[0], b.shape[-1]) != shapes.get(tensor) or a.shape[-1] != b.shape[0]:
            raise ModelError(f"{name} is for another model: {tensor} has another shape there.")
    left = [tensor.name for tensor in model.tensors if tensor.kind == _Q4_1 and tensor.name not in pairs]
    if left:
        raise ModelError(f"{name} does not change {left[0]}, which is in Q4_1.")
    return pairs
