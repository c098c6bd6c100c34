"""Weights between floats and ggml's number formats, by llama.cpp's own functions."""

import ctypes
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from home_llm.llama import library

_F32 = 0

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class _Traits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h, as far as it is needed."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


def to_floats(kind: int, data: Bytes, columns: int) -> Floats:
    """Return what a tensor holds, shape (rows, columns).

    Args:
        kind: `enum ggml_type`.
        data: the tensor as it lies in a file.
        columns: weights of a row.

    Raises:
        ValueError: this llama.cpp cannot read the format.
    """
    if kind == _F32:
        return data.view(np.float32).reshape(-1, columns)
    traits = _ggml().ggml_get_type_traits(kind).contents
    if not traits.to_float or not traits.type_size:
        raise ValueError(f"llama.cpp cannot read numbers of the type {kind}")
    source = np.ascontiguousarray(data)
    rows = source.size // (columns // traits.blck_size * traits.type_size)
    values = np.empty((rows, columns), np.float32)
    traits.to_float(source.ctypes.data, values.ctypes.data, values.size)
    return values


def from_floats(kind: int, values: Floats) -> Bytes:
    """Return a tensor as it lies in a file; other threads run meanwhile.

    Args:
        kind: `enum ggml_type`; one that needs no matrix of importance.
        values: shape (rows, columns), the columns a multiple of the format's block.
    """
    rows, columns = values.shape
    source = np.ascontiguousarray(values)
    packed = np.empty(rows * _ggml().ggml_row_size(kind, columns), np.uint8)
    if kind == _F32:
        packed[:] = source.reshape(-1).view(np.uint8)
        return packed
    _ggml().ggml_quantize_chunk(kind, source.ctypes.data, packed.ctypes.data, 0, rows, columns, None)
    return packed


@functools.cache
def _ggml() -> Any:
    ggml = library.ggml()
    ggml.ggml_get_type_traits.argtypes = (ctypes.c_int,)
    ggml.ggml_get_type_traits.restype = ctypes.POINTER(_Traits)
    ggml.ggml_row_size.argtypes = (ctypes.c_int, ctypes.c_int64)
    ggml.ggml_row_size.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = (
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    return ggml
