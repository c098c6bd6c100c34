"""Merged models in every quant, with and without an importance matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from home_llm_lab.export.base import field, read_base
from home_llm_lab.export.errors import ExportError
from home_llm_lab.export.merge import write_merged
from home_llm_lab.export.quantize import QUANTS, quantize_file

from .tiny import distance, logits_of, logits_of_file, make_model, write_base


@pytest.fixture(name="model", scope="module")
def model_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tiny model in F16."""
    folder = tmp_path_factory.mktemp("model")
    write_base(make_model("llama"), "llama", folder / "base.gguf")
    write_merged([], read_base(folder / "base.gguf"), folder / "model.gguf", name="Tiny Home", chat_template="{{ 1 }}")
    return folder / "model.gguf"


def test_every_quant(model: Path) -> None:
    """Each quant is written, says which it is, loads, is smaller with fewer bits, and is near the model."""
    wanted = logits_of(make_model("llama"))
    sizes: dict[str, int] = {}
    far: dict[str, float] = {}
    for quant, number in QUANTS.items():
        path = model.with_name(f"{quant}.gguf")
        sizes[quant] = quantize_file(model, path, quant)
        reader = GGUFReader(path)
        assert field(reader, "general.file_type", None) == number
        assert field(reader, "general.name", None) == "Tiny Home"
        assert field(reader, "tokenizer.chat_template", None) == "{{ 1 }}"
        far[quant] = distance(logits_of_file(path), wanted)
    assert sizes["Q3_K_M"] < sizes["Q4_K_M"] < sizes["Q5_K_M"] < sizes["Q6_K"] < sizes["Q8_0"] < sizes["F16"]
    assert far["F16"] < far["Q8_0"] < far["Q6_K"] < far["Q4_K_M"] < far["Q3_K_M"] < 1


def test_an_importance_matrix_changes_the_weights(model: Path) -> None:
    """With columns that matter, the same quant holds other weights in a file of the same size."""
    plain, weighed = model.with_name("plain.gguf"), model.with_name("weighed.gguf")
    size = quantize_file(model, plain, "Q4_K_M")
    columns = np.linspace(0.01, 10, 256, dtype=np.float32)
    importance = {
        tensor.name: columns if tensor.shape[0] == 256 else np.tile(columns, 2)
        for tensor in GGUFReader(model).tensors
        if len(tensor.shape) == 2
    }
    assert quantize_file(model, weighed, "Q4_K_M", importance=importance) >= size
    one, other = (
        next(tensor for tensor in GGUFReader(path).tensors if tensor.name == "blk.0.ffn_up.weight").data
        for path in (plain, weighed)
    )
    assert not np.array_equal(one, other)


def test_bad_input(model: Path, tmp_path: Path) -> None:
    """An unknown quant, a missing file and a broken one are told, and nothing is left behind."""
    with pytest.raises(ExportError, match=r"There is no quant Q9\. There are: Q3_K_M"):
        quantize_file(model, tmp_path / "out.gguf", "Q9")
    with pytest.raises(ExportError, match="There is no file"):
        quantize_file(tmp_path / "none.gguf", tmp_path / "out.gguf", "Q8_0")
    (tmp_path / "broken.gguf").write_bytes(model.read_bytes()[:5000])
    with pytest.raises(ExportError, match=r"llama\.cpp cannot make Q8_0 of broken\.gguf: "):
        quantize_file(tmp_path / "broken.gguf", tmp_path / "out.gguf", "Q8_0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.gguf"]
