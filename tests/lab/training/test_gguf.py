"""Bases in GGUF: dequantized, trained, and saved as transformers reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from home_llm_lab.training.base import find_base, load_model
from home_llm_lab.training.checkpoint import save_model
from home_llm_lab.training.errors import TrainingError
from home_llm_lab.training.gguf_header import read_header
from home_llm_lab.training.learner import LINEAR, add_lora
from transformers import AutoModelForCausalLM

from tests.lab.export.tiny import WORDS, distance, logits_of, make_model
from tests.lab.export.tiny import write_base as write_gguf


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_base_in_gguf_is_the_model_that_it_was_made_from(architecture: str, tmp_path: Path) -> None:
    """It gives the same logits; so does what is saved of it, with an adapter merged in that does nothing yet."""
    model = make_model(architecture)
    path = tmp_path / "base.gguf"
    write_gguf(model, architecture, path)
    assert read_header(path)["general.architecture"] == architecture
    loaded: Any = load_model(find_base(str(path)), range(WORDS), dtype=torch.float32)
    loaded.eval()
    # The attention of trees wants its own mask.
    loaded.set_attn_implementation("sdpa")
    assert distance(logits_of(loaded), logits_of(model)) < 1e-4
    merged: Any = add_lora(loaded, rank=4, alpha=4, dropout=0.0, modules=LINEAR, saved=()).merge_and_unload()
    save_model(merged, tmp_path / "merged")
    again: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert not hasattr(again.config, "quantization_config")
    assert distance(logits_of(again), logits_of(model)) < 1e-4


def test_several_files_in_a_folder(tmp_path: Path) -> None:
    """A folder with one GGUF file is that file; with two, one has to be named."""
    (tmp_path / "a.gguf").write_bytes(b"")
    assert find_base(str(tmp_path)).gguf == "a.gguf"
    (tmp_path / "b.gguf").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"name one: a\.gguf, b\.gguf"):
        find_base(str(tmp_path))
