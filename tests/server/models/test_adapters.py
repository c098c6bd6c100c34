"""What an adapter's file says of itself."""

from pathlib import Path

import pytest

from gguf_writer import lora_adapter, tiny_model, write_gguf
from home_llm.models import ModelError, read_adapter


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


def test_a_folder(tmp_path: Path) -> None:
    """A path that cannot be read is told as such."""
    with pytest.raises(ModelError, match="cannot be read"):
        read_adapter(tmp_path, "llama")
