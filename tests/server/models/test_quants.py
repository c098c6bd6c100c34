"""Finding quants in file names and choosing one for the memory."""

from pathlib import Path
from typing import Any

import pytest

from home_llm.models import Processor, repacks
from home_llm.models.errors import ModelError
from home_llm.models.memory import gigabytes
from home_llm.models.quants import (
    Candidate,
    RemoteFile,
    choose_quant,
    find_candidates,
    parse_quant,
    pick_file,
    pick_quant,
)

GB = 10**9


def _files(*names: str) -> list[RemoteFile]:
    return [RemoteFile(name, (number + 1) * GB, "") for number, name in enumerate(names)]


def _candidates(**sizes: float) -> list[Candidate]:
    return find_candidates(RemoteFile(f"model.{quant}.gguf", int(size * GB), "") for quant, size in sizes.items())


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Home-3B-v3.q4_k_m.gguf", "Q4_K_M"),
        ("Home-3B-v3.f16.gguf", "F16"),
        ("qwen2.5-3b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("Qwen3-0.6B-Q8_0.gguf", "Q8_0"),
        ("model-Q4_K_S.gguf", "Q4_K_S"),
        ("model.Q4-K-M.gguf", "Q4_K_M"),
        ("model_Q4.K.M.gguf", "Q4_K_M"),
        ("model-IQ4_XS.gguf", "IQ4_XS"),
        ("model-IQ4_NL.gguf", "IQ4_NL"),
        ("model-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model-Q6_K.gguf", "Q6_K"),
        ("model-Q6_K_L.gguf", "Q6_K_L"),
        ("model.i1-Q3_K_L.gguf", "Q3_K_L"),
        ("model-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("model-fp16.gguf", "F16"),
        ("model-BF16.gguf", "BF16"),
        ("Phi-3-mini-4k-instruct-q4.gguf", "Q4"),
        ("gpt-oss-MXFP4.gguf", "MXFP4"),
        ("qwen2.5-7b-instruct-q8_0-00001-of-00003.gguf", "Q8_0"),
        ("Q5_K_M/model-00001-of-00002.gguf", "Q5_K_M"),
        ("Q2_K/model-Q8_0.gguf", "Q8_0"),
        ("model.gguf", ""),
        ("faq4_k_models.gguf", ""),
    ],
)
def test_parse_quant(path: str, quant: str) -> None:
    """A quant is found whatever its case and separators, and nothing else is taken for one."""
    assert parse_quant(path) == quant


def test_candidates() -> None:
    """Only language models are candidates, by size; other files and incomplete splits are left out."""
    found = find_candidates(
        [
            RemoteFile("README.md", 1, ""),
            RemoteFile("m-Q8_0.gguf", 30, ""),
            RemoteFile("m-Q4_0.gguf", 10, ""),
            RemoteFile("mmproj-F16.gguf", 5, ""),
            RemoteFile("mmproj-m-Q8_0.gguf", 5, ""),
            RemoteFile("imatrix.gguf", 5, ""),
            RemoteFile("MTP/mtp-m-Q4_0.gguf", 5, ""),
            RemoteFile("F16/m-F16-00002-of-00002.gguf", 25, "b"),
            RemoteFile("F16/m-F16-00001-of-00002.gguf", 25, "a"),
            RemoteFile("BF16/m-BF16-00001-of-00002.gguf", 25, ""),
        ]
    )
    assert [(candidate.quant, candidate.size) for candidate in found] == [
        ("Q4_0", 10),
        ("Q8_0", 30),
        ("F16", 50),
    ]
    assert [file.sha256 for file in found[-1].files] == ["a", "b"]
    assert found[-1].name == "m-F16-00001-of-00002.gguf"


def test_pick_quant_is_exact() -> None:
    """Q4_K_M is neither Q4_K_S nor IQ4 nor a mixed quant, and case does not matter."""
    candidates = find_candidates(
        _files("m-Q4_K_S.gguf", "m-IQ4_XS.gguf", "m-UD-Q4_K_M.gguf", "m-q4_k_m.gguf", "m-Q4_0.gguf")
    )
    assert pick_quant(candidates, "q4_K_M", "m").name == "m-q4_k_m.gguf"
    assert pick_quant(candidates, "UD-Q4_K_M", "m").name == "m-UD-Q4_K_M.gguf"


def test_pick_short_name_and_plain_file() -> None:
    """Q4_K stands for Q4_K_M, and of several files the plain one is taken."""
    candidates = find_candidates(_files("m-uncensored-v2-Q4_K.gguf", "m-Q4_K.gguf"))
    assert pick_quant(candidates, "Q4_K_M", "m").name == "m-Q4_K.gguf"


def test_pick_unquantised() -> None:
    """`none` is the unquantised file, F16 before BF16 before F32."""
    assert pick_quant(_candidates(Q8_0=1, F32=4, BF16=2), "none", "m").quant == "BF16"
    assert pick_quant(_candidates(Q8_0=1, F32=4, BF16=2, F16=2), "none", "m").quant == "F16"


def test_quant_not_offered() -> None:
    """A quant that is not there is refused with those that are."""
    with pytest.raises(ModelError, match=r"m is not offered at Q3_K_L. It has: Q4_K_M, Q8_0\."):
        pick_quant(_candidates(Q4_K_M=1, Q8_0=2), "Q3_K_L", "m")
    with pytest.raises(ModelError, match="not offered at none"):
        pick_quant(_candidates(Q4_K_M=1), "none", "m")


def test_pick_file() -> None:
    """A file is found by name or path, any part of a split one too; another is refused with a list."""
    candidates = find_candidates(_files("sub/A.gguf", "b-Q8_0-00001-of-00002.gguf", "b-Q8_0-00002-of-00002.gguf"))
    assert pick_file(candidates, "a.gguf", "m").files[0].path == "sub/A.gguf"
    assert pick_file(candidates, "sub/A.gguf", "m").size == GB
    assert len(pick_file(candidates, "b-Q8_0-00002-of-00002.gguf", "m").files) == 2
    with pytest.raises(ModelError, match=r"no model file 'c.gguf'.*sub/A\.gguf"):
        pick_file(candidates, "c.gguf", "m")


@pytest.mark.parametrize(
    ("memory", "quant"),
    [(16.0, "Q8_0"), (4.0, "Q6_K"), (3.0, "Q4_K_M"), (2.5, "Q3_K_M"), (1.8, "Q2_K"), (1.0, None)],
)
def test_choose_quant(memory: float, quant: str | None) -> None:
    """The best quant that fits file, KV cache and working memory is chosen; F16 never before Q8_0."""
    candidates = _candidates(F16=6, Q8_0=3.2, Q6_K=2.5, Q4_K_M=1.9, Q4_0=1.85, Q3_K_M=1.5, Q2_K=1.0)
    choice = choose_quant(candidates, memory=int(memory * GB), kv_bytes_per_token=30_000, context_size=8192)
    assert (choice.candidate.quant if choice.candidate else None) == quant


def test_choose_quant_gives_reasons() -> None:
    """Every quant looked at has a sentence with its need and the memory there is."""
    choice = choose_quant(_candidates(Q8_0=3, Q4_K_M=1.5), memory=3 * GB, kv_bytes_per_token=1000, context_size=1000)
    assert choice.reasons == (
        "Q8_0 needs 3.3 GB: too much for the 3.0 GB free.",
        "Q4_K_M needs 1.8 GB: fits the 3.0 GB free.",
    )


def test_choose_among_unlisted_quants() -> None:
    """A repository with none of the usual quants is searched from the largest, unquantised files last."""
    candidates = _candidates(F16=6, IQ4_XS=1.7, Q2_K=1)
    chosen = choose_quant(candidates, memory=64 * GB, kv_bytes_per_token=0, context_size=1).candidate
    assert chosen
    assert chosen.quant == "IQ4_XS"
    alone = choose_quant(_candidates(F16=6), memory=64 * GB, kv_bytes_per_token=0, context_size=1)
    assert alone.candidate
    assert alone.candidate.quant == "F16"


@pytest.mark.parametrize(
    ("cores", "repacked", "billions", "quant"),
    [
        (4, True, 3.0, "Q4_0"),  # slow, and it helps
        (4, False, 3.0, "Q8_0"),  # slow, and it does not
        (16, True, 3.0, "Q8_0"),  # fast enough
        (2, True, 0.5, "Q8_0"),  # small enough
    ],
)
def test_auto_hurries_where_speed_is_short(cores: int, repacked: bool, billions: float, quant: str) -> None:
    """A model that is large for the processor gets the quant that llama.cpp rearranges, and the reason is said."""
    sizes = {name: billions * bits / 8 for name, bits in (("Q8_0", 8.5), ("Q4_K_M", 4.9), ("Q4_0", 4.7))}
    choice = choose_quant(
        _candidates(**sizes),
        memory=64 * GB,
        kv_bytes_per_token=30_000,
        context_size=8192,
        processor=Processor(cores, repacked),
    )
    assert choice.candidate is not None
    assert choice.candidate.quant == quant
    assert ("goes before larger ones" in choice.reasons[-1]) == (quant == "Q4_0")


def test_auto_hurries_only_where_there_is_such_a_quant() -> None:
    """Where no quant is rearranged, the largest that fits is taken; IQ4_NL is one that is."""
    slow = Processor(2, repacks=True)
    facts: dict[str, Any] = {"memory": 64 * GB, "kv_bytes_per_token": 0, "context_size": 1, "processor": slow}
    plain = choose_quant(_candidates(Q8_0=8.5, Q4_K_M=4.9), **facts).candidate
    other = choose_quant(_candidates(Q8_0=8.5, IQ4_NL=4.7), **facts).candidate
    assert plain is not None
    assert other is not None
    assert (plain.quant, other.quant) == ("Q8_0", "IQ4_NL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma\n", True),
        ("flags\t\t: fpu sse4_2 avx\n", False),
        ("Features\t: fp asimd crc32 asimddp\n", True),
        ("Features\t: fp asimd crc32\n", False),
        ("", False),
    ],
)
def test_repacks(tmp_path: Path, text: str, expected: bool) -> None:
    """AVX2 and ARM's dot products are what llama.cpp rearranges weights for."""
    (tmp_path / "cpuinfo").write_text(text)
    assert repacks(tmp_path / "cpuinfo") is expected
    assert not repacks(tmp_path / "missing")


def test_a_smaller_cache_leaves_room() -> None:
    """A KV cache of 8 or 4 bits is counted as such."""
    candidates = _candidates(Q8_0=1.2, Q4_K_M=0.5)
    for cache_type, quant in (("f16", "Q4_K_M"), ("q8_0", "Q8_0")):
        choice = choose_quant(
            candidates, memory=2 * GB, kv_bytes_per_token=50_000, context_size=8192, cache_type=cache_type
        )
        assert choice.candidate
        assert choice.candidate.quant == quant


def test_gigabytes() -> None:
    """Sizes are written in decimal units."""
    assert [gigabytes(size) for size in (1_710_000_000, 98_362_432, 999)] == ["1.7 GB", "98 MB", "0 MB"]
