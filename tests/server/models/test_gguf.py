"""Reading GGUF headers: the facts, and every way in which a file can be no model."""

import struct
from pathlib import Path

import pytest

from gguf_writer import F16, F32, Q4_0, llama_metadata, tiny_model, write_gguf
from home_llm.models.errors import GgufError
from home_llm.models.gguf import peek_gguf, read_gguf, split_parts
from home_llm.models.gguf_cursor import ArrayInfo


def _write(folder: Path, data: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_facts(tmp_path: Path, version: int) -> None:
    """The header's facts are read from versions 2 and 3."""
    facts = read_gguf(_write(tmp_path, write_gguf(version=version)))
    assert (facts.version, facts.architecture, facts.name) == (version, "llama", "Tiny")
    assert (facts.quant, facts.context_length, facts.parameters) == ("Q4_K_M", 2048, 32 * 64)
    assert facts.has_chat_template
    assert (facts.split_index, facts.split_count) == (0, 1)


def test_kv_size_of_grouped_heads(tmp_path: Path) -> None:
    """The KV cache of a token is layers x key heads x (key + value length) x 2 bytes."""
    facts = read_gguf(_write(tmp_path, write_gguf()))
    assert facts.kv_bytes_per_token == 2 * 2 * (8 + 8) * 2


def test_kv_size_of_layers_without_attention(tmp_path: Path) -> None:
    """Layers whose head count is 0 take no KV cache, and explicit key lengths are used."""
    metadata = llama_metadata() | {
        "llama.attention.head_count_kv": [0, 2],
        "llama.attention.key_length": 64,
        "llama.attention.value_length": 32,
    }
    facts = read_gguf(_write(tmp_path, write_gguf(metadata)))
    assert facts.kv_bytes_per_token == 2 * (64 + 32) * 2


def test_keys_that_bear_q8_0(tmp_path: Path) -> None:
    """Keys of whole blocks may be kept as q8_0, unless they have a bias or values are read from them."""
    wide = llama_metadata(**{"llama.attention.key_length": 64})
    assert read_gguf(_write(tmp_path, write_gguf(wide))).keys_bear_q8_0
    assert not read_gguf(_write(tmp_path, write_gguf(llama_metadata()))).keys_bear_q8_0
    latent = wide | {"llama.attention.kv_lora_rank": 512}
    assert not read_gguf(_write(tmp_path, write_gguf(latent))).keys_bear_q8_0
    for bias in ("blk.1.attn_k.bias", "blk.0.attn_qkv.bias"):
        biased = write_gguf(wide, [("token_embd.weight", (32, 64), F16), (bias, (32,), F32)])
        assert not read_gguf(_write(tmp_path, biased)).keys_bear_q8_0
    assert not read_gguf(_write(tmp_path, write_gguf({"general.architecture": "mystery"}))).keys_bear_q8_0


def test_kv_size_unknown(tmp_path: Path) -> None:
    """A header without layers or heads gives no estimate, rather than a wrong one."""
    facts = read_gguf(_write(tmp_path, write_gguf({"general.architecture": "mystery"})))
    assert facts.kv_bytes_per_token is None
    assert not facts.has_chat_template


def test_big_arrays_are_stepped_over(tmp_path: Path) -> None:
    """Vocabularies are not kept, only counted; what follows them is still read."""
    facts = read_gguf(_write(tmp_path, write_gguf()))
    assert facts.metadata["tokenizer.ggml.tokens"] == ArrayInfo(8, 300)
    assert facts.metadata["tokenizer.ggml.scores"] == ArrayInfo(6, 3000)
    assert facts.metadata["tokenizer.chat_template"] == "{{ messages }}"


def test_nested_and_small_arrays(tmp_path: Path) -> None:
    """Small arrays are kept, and arrays of arrays do not lose the place."""
    metadata = llama_metadata(**{"general.languages": ["en", "de"], "deep": [[1, 2], [3]], "end": 7})
    facts = read_gguf(_write(tmp_path, write_gguf(metadata)))
    assert facts.metadata["general.languages"] == ("en", "de")
    assert facts.metadata["end"] == 7


def test_quant_without_file_type(tmp_path: Path) -> None:
    """Where the file type is missing, the type that holds most bytes names the quant."""
    metadata = llama_metadata()
    del metadata["general.file_type"]
    tensors = [("norm", (32,), F32), ("big", (32, 64), Q4_0), ("out", (32, 8), F16)]
    assert read_gguf(_write(tmp_path, write_gguf(metadata, tensors))).quant == "Q4_0"


@pytest.mark.parametrize("alignment", [32, 256])
def test_whole_file_with_alignment(tmp_path: Path, alignment: int) -> None:
    """A whole file is accepted at any alignment, and one byte less is not."""
    tensors = [("a", (32, 3), F16), ("b", (32, 64), F16)]
    data = write_gguf(None, tensors, alignment=alignment)
    assert read_gguf(_write(tmp_path, data)).parameters == 32 * 67
    with pytest.raises(GgufError, match=rf"cut short: it has {len(data) - 1:,} bytes and needs .* {len(data):,}"):
        read_gguf(_write(tmp_path, data[:-1]))


@pytest.mark.parametrize("part", [0.01, 0.2, 0.6, 0.9])
def test_truncated(tmp_path: Path, part: float) -> None:
    """A file that ends anywhere in header or tensors is said to be cut short, with numbers."""
    data = write_gguf()
    with pytest.raises(GgufError, match="cut short") as caught:
        read_gguf(_write(tmp_path, data[: int(len(data) * part)]))
    assert f"{int(len(data) * part):,}" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "only 0 bytes"),
        (b"GG", "only 2 bytes"),
        (b"PK\x03\x04" + b"\x00" * 64, "is not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"ggml" + b"\x00" * 64, "older GGML format"),
        (write_gguf(version=3, big_endian=True), "big-endian"),
        (write_gguf(version=1), "version 1"),
        (write_gguf(version=9), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99), "value type 99"),
        (write_gguf(llama_metadata(**{"general.alignment": 0})), "alignment"),
        (write_gguf(None, [("bad", (31,), Q4_0)]), "31 elements of Q4_0"),
    ],
)
def test_not_a_model(tmp_path: Path, data: bytes, message: str) -> None:
    """Everything that is no readable GGUF file is refused in words that say what it is."""
    with pytest.raises(GgufError, match=message):
        read_gguf(_write(tmp_path, data))


def test_unknown_tensor_type(tmp_path: Path) -> None:
    """A tensor type newer than the table does not stop a file from being used."""
    assert read_gguf(_write(tmp_path, write_gguf(None, [("new", (32,), 200)]))).parameters == 32


def test_peek_at_the_beginning() -> None:
    """The first bytes tell architecture and KV size though the vocabulary is cut off."""
    data = tiny_model()
    facts = peek_gguf(data[:600], len(data))
    assert (facts.architecture, facts.kv_bytes_per_token, facts.context_length) == ("llama", 128, 2048)
    assert (facts.parameters, facts.size) == (0, len(data))


@pytest.mark.parametrize("head", [b"", b"GGUF\x03", b"<html>" * 9])
def test_peek_at_nothing(head: bytes) -> None:
    """Bytes that are no GGUF beginning are refused."""
    with pytest.raises(GgufError):
        peek_gguf(head, 1000)


def test_split_parts(tmp_path: Path) -> None:
    """The first part names all parts; a missing part and a later part are refused by name."""
    names = [f"big-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    first, _, last = (_write(tmp_path, write_gguf(), name) for name in names)
    assert [part.name for part in split_parts(first)] == names
    with pytest.raises(GgufError, match=r"part 3 of 3: name the first part, big-00001-of-00003\.gguf"):
        split_parts(last)
    last.unlink()
    with pytest.raises(GgufError, match=r"missing: big-00003-of-00003\.gguf"):
        split_parts(first)
    assert split_parts(tmp_path / "plain.gguf") == [tmp_path / "plain.gguf"]


def test_split_metadata(tmp_path: Path) -> None:
    """A part says which one of how many it is."""
    facts = read_gguf(_write(tmp_path, write_gguf({"split.no": 1, "split.count": 3})))
    assert (facts.split_index, facts.split_count, facts.architecture) == (1, 3, "")
