"""What an adapter's file says of itself."""

import hashlib
from pathlib import Path

import pytest

from gguf_writer import F16, F32, Q4_0, lora_adapter, tiny_model, write_gguf
from home_llm.models import ModelError, check_base, read_adapter, read_gguf


def test_facts(tmp_path: Path) -> None:
    """Name, size, what it was made for and an identity that changes with the content are read."""
    path = tmp_path / "house.gguf"
    more = {"adapter.lora.task_name": "house", "adapter.lora.prompt_prefix": "Do: "}
    path.write_bytes(lora_adapter(more))
    adapter = read_adapter(path, "llama")
    assert (adapter.name, adapter.size, adapter.architecture) == ("house.gguf", path.stat().st_size, "llama")
    assert (adapter.task_name, adapter.prompt_prefix) == ("house", "Do: ")
    assert read_adapter(path, "llama") == adapter
    path.write_bytes(lora_adapter())
    plain = read_adapter(path, "llama")
    assert plain.identity != adapter.identity
    assert (plain.task_name, plain.prompt_prefix) == ("", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no adapter"),
        (b"", "not a GGUF file"),
        (b"<html></html>", "a web page"),
        (lora_adapter()[:-100], "cut short"),
        (tiny_model(), "not a LoRA adapter but a model"),
        (lora_adapter({"general.type": "mmproj"}), "'mmproj'"),
        (lora_adapter({"general.type": 5}), "not a LoRA adapter"),
        (lora_adapter({"adapter.type": "control_vector"}), "another type than LoRA"),
        (lora_adapter({"adapter.lora.alpha": 16}), "adapter.lora.alpha"),
        (lora_adapter({"adapter.alora.invocation_tokens": [1, 2]}), "not supported"),
        (lora_adapter({"general.architecture": "qwen2"}), "'qwen2', and the model's is 'llama'"),
        (write_gguf({"general.type": "adapter"}, []), "another type than LoRA"),
    ],
)
def test_what_is_no_adapter(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Anything else is refused by name and in words, before llama.cpp, which would end the process over some of it."""
    path = tmp_path / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.gguf") as error:
        read_adapter(path, "llama")
    assert words in str(error.value)


def test_the_base_is_told_by_its_norms(tmp_path: Path) -> None:
    """An adapter that tells its base is taken by the same norms in whatever quant, and refused by others by name."""
    norm = ("output_norm.weight", (32,), F32)
    rows = ("token_embd.weight", (32, 64), F16)
    weights = {"output_norm.weight": b"abcd" * 32}
    base, other, quant = (tmp_path / name for name in ("base.gguf", "other.gguf", "quant.gguf"))
    base.write_bytes(write_gguf(tensors=[rows, norm], data=weights))
    quant.write_bytes(write_gguf(tensors=[norm, ("token_embd.weight", (32, 64), Q4_0)], data=weights))
    other.write_bytes(write_gguf(tensors=[rows, norm], data={"output_norm.weight": b"abce" * 32}))
    path = tmp_path / "house.gguf"
    norms = hashlib.sha256(weights["output_norm.weight"]).hexdigest()
    path.write_bytes(lora_adapter({"home_llm.base.name": "Tiny", "home_llm.base.norms": norms}))
    adapter = read_adapter(path, "llama")
    for model in (base, quant):
        check_base(adapter, model, read_gguf(model))
    with pytest.raises(ModelError, match=r"house\.gguf is an adapter for Tiny, and other\.gguf holds other weights"):
        check_base(adapter, other, read_gguf(other))
    # One that tells nothing is for llama.cpp to check.
    path.write_bytes(lora_adapter())
    check_base(read_adapter(path, "llama"), other, read_gguf(other))


def test_a_folder(tmp_path: Path) -> None:
    """A path that cannot be read is told as such."""
    with pytest.raises(ModelError, match="cannot be read"):
        read_adapter(tmp_path, "llama")
