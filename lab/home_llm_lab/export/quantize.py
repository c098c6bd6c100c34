"""Quants of a model, through llama.cpp's own quantizer."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError

# By llama.cpp's numbers of file types.
QUANTS = {
    "Q3_K_M": 12,
    "Q3_K_L": 13,
    "Q4_0": 2,
    "Q4_K_M": 15,
    "Q5_K_M": 17,
    "Q6_K": 18,
    "Q8_0": 7,
    "F16": 1,
}


def quantize_file(
    source: Path, path: Path, quant: str, *, importance: Mapping[str, NDArray[np.float32]] | None = None
) -> int:
    """Write a model in a quant, and return its size in bytes.

    Tensors whose rows are no whole blocks of a quant get the one that llama.cpp falls back to.

    Args:
        source: a model in F16 or F32.
        path: the file, which is replaced.
        quant: one of QUANTS.
        importance: how much each column of a tensor matters, by the tensor's name.

    Raises:
        ExportError: the quant is not known, or llama.cpp refused.
    """
    import llama_cpp  # noqa: PLC0415 - reading and merging need no compiled library

    if quant not in QUANTS:
        raise ExportError(f"There is no quant {quant}. There are: {', '.join(QUANTS)}.")
    if not source.is_file():
        raise ExportError(f"There is no file {source}.")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = QUANTS[quant]
    params.nthread = os.cpu_count() or 1
    rows = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in (importance or {}).items()}
    if rows:
        # The one without a name ends the list.
        entries = (llama_cpp.llama_model_imatrix_data * (len(rows) + 1))()
        for entry, (name, values) in zip(entries, rows.items(), strict=False):
            entry.name = name.encode()
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            entry.size = values.size
        params.imatrix = entries
    part = path.with_suffix(".part")
    said: list[str] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator, unused-ignore]
    def listen(_level: int, text: bytes, _data: object) -> None:
        said.append(text.decode("utf-8", "replace").strip())

    llama_cpp.llama_log_set(listen, None)
    try:
        code = llama_cpp.llama_model_quantize(str(source).encode(), str(part).encode(), ctypes.byref(params))
    finally:
        llama_cpp.llama_log_set(llama_cpp.llama_log_callback(), None)
    if code != 0:
        part.unlink(missing_ok=True)
        reason = next(
            (line for line in reversed(said) if "failed" in line or "error" in line.lower()), "no reason given"
        )
        raise ExportError(f"llama.cpp cannot make {quant} of {source.name}: {reason}")
    part.replace(path)
    return path.stat().st_size
