"""Adapters in GGUF: what llama.cpp makes of base and adapter is what transformers makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from home_llm_lab.export.adapter import write_adapter
from home_llm_lab.export.base import field, read_base
from home_llm_lab.export.errors import ExportError
from home_llm_lab.export.merge import write_merged
from home_llm_lab.export.peft_adapter import read_peft

from .tiny import adapted, distance, logits_of, logits_of_file, make_model, write_base


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_llama_cpp_and_transformers_agree(architecture: str, tmp_path: Path) -> None:
    """Logits agree for the base, for base and adapter in every type, and for both merged."""
    model = make_model(architecture)
    base_file, adapter_file, merged_file = (tmp_path / name for name in ("base.gguf", "adapter.gguf", "merged.gguf"))
    write_base(model, architecture, base_file)
    plain = logits_of(model)
    assert distance(logits_of_file(base_file), plain) < 0.01
    wanted = logits_of(adapted(model, tmp_path / "peft"))
    assert distance(wanted, plain) > 0.2
    base, pairs = read_base(base_file), read_peft(tmp_path / "peft")
    assert len(pairs) == 14
    for kind, limit in (("f32", 0.01), ("f16", 0.01), ("q8_0", 0.02)):
        write_adapter(pairs, base, adapter_file, kind=kind)
        assert distance(logits_of_file(base_file, adapter_file), wanted) < limit, kind
    write_merged(pairs, base, merged_file, name="merged")
    assert distance(logits_of_file(merged_file), wanted) < 0.01


@pytest.mark.parametrize(
    "options",
    [
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"layers.1.mlp.up_proj": 5}},
        {"rank": 20, "target_modules": ["q_proj", "v_proj"]},
    ],
    ids=["rslora", "patterns", "a rank that is no block"],
)
def test_scales_of_modules(options: dict[str, Any], tmp_path: Path) -> None:
    """Modules with scales and ranks of their own have the same effect in llama.cpp."""
    model = make_model("llama")
    write_base(model, "llama", tmp_path / "base.gguf")
    wanted = logits_of(adapted(model, tmp_path / "peft", **options))
    base = read_base(tmp_path / "base.gguf")
    write_adapter(read_peft(tmp_path / "peft"), base, tmp_path / "adapter.gguf")
    assert distance(logits_of_file(tmp_path / "base.gguf", tmp_path / "adapter.gguf"), wanted) < 0.02


def test_what_an_adapter_tells(tmp_path: Path) -> None:
    """The file says that it is a LoRA adapter, of what architecture, and which base it is for."""
    model = make_model("llama")
    write_base(model, "llama", tmp_path / "base.gguf")
    adapted(model, tmp_path / "peft")
    base = read_base(tmp_path / "base.gguf")
    size = write_adapter(
        read_peft(tmp_path / "peft"), base, tmp_path / "a.gguf", about={"general.license": "apache-2.0"}
    )
    reader = GGUFReader(tmp_path / "a.gguf")
    told = {key: field(reader, key, None) for key in reader.fields if not key.startswith("GGUF.")}
    assert told == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.license": "apache-2.0",
        "adapter.type": "lora",
        "adapter.lora.alpha": 64.0,
        "home_llm.base.name": "Tiny",
        "home_llm.base.norms": base.norms,
    }
    assert size == (tmp_path / "a.gguf").stat().st_size
    assert {tensor.tensor_type.name for tensor in reader.tensors} == {"Q8_0"}
    assert not (tmp_path / "a.part").exists()


def test_another_base_is_refused(tmp_path: Path) -> None:
    """An adapter is not exported for a base of other shapes, and each base has its own fingerprint."""
    model = make_model("qwen2")
    adapted(make_model("qwen2"), tmp_path / "peft")
    write_base(model, "qwen2", tmp_path / "base.gguf")
    base = read_base(tmp_path / "base.gguf")
    base.shapes["blk.0.attn_q.weight"] = (512, 256)
    with pytest.raises(ExportError, match=r"another base: blk\.0\.attn_q\.weight is 256 by 256 there and 512 by 256"):
        write_adapter(read_peft(tmp_path / "peft"), base, tmp_path / "a.gguf")
    write_base(make_model("qwen2", seed=5), "qwen2", tmp_path / "other.gguf")
    assert read_base(tmp_path / "other.gguf").norms != base.norms


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "IA3"}, "of the type IA3"),
        ({"use_dora": True}, "has use_dora"),
        ({"modules_to_save": ["lm_head"]}, "has modules_to_save"),
        ({"bias": "all"}, "trained biases"),
    ],
)
def test_what_gguf_cannot_hold(change: dict[str, object], words: str, tmp_path: Path) -> None:
    """An adapter with more than plain LoRA is refused in words."""
    adapted(make_model("llama"), tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    with pytest.raises(ExportError, match=words):
        read_peft(tmp_path)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    """What is not there, or cut short, is named with what to do."""
    with pytest.raises(ExportError, match=r"There is no .*adapter_config\.json\. Name the folder"):
        read_peft(tmp_path)
    adapted(make_model("llama"), tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ExportError, match="cannot be read"):
        read_peft(tmp_path)
    weights.unlink()
    with pytest.raises(ExportError, match=r"There is no .*adapter_model\.safetensors"):
        read_peft(tmp_path)
    with pytest.raises(ExportError, match="There is no file"):
        read_base(tmp_path / "base.gguf")
    (tmp_path / "base.gguf").write_bytes(b"no model")
    with pytest.raises(ExportError, match="cannot be read as GGUF"):
        read_base(tmp_path / "base.gguf")
