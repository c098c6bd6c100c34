"""How large a context may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from home_llm.models import ModelError
from home_llm.models.context import (
    AUTO_SHARE,
    KV_BYTES_GUESS,
    WORKING_MEMORY,
    ContextPlan,
    MemoryNeed,
    least_context,
    plan_context,
    planned_context,
)

GB = 10**9
KB = 1024
# A model of 1 GB with 64 KiB of KV cache for a token: 512 MiB for 8192 tokens.
NEED = MemoryNeed(GB, 64 * KB)


def plan(memory: int, context_size: int = 0, trained: int = 32768, need: MemoryNeed = NEED) -> ContextPlan:
    """Plan the context of that model."""
    return plan_context("Tiny", context_size, need, trained=trained, memory=memory)


def test_need() -> None:
    """Need is file, KV cache and working memory; where the header does not tell, a guess."""
    assert MemoryNeed(1000, 10).total(8192) == 1000 + 81920 + WORKING_MEMORY
    assert MemoryNeed(0, None).kv_bytes(10) == 10 * KV_BYTES_GUESS


@pytest.mark.parametrize(
    ("cache_type", "bits"), [("auto", 16), ("f16", 16), ("q8_0/f16", 12.25), ("q8_0", 8.5), ("q4_0", 4.5)]
)
def test_cache_types(cache_type: str, bits: float) -> None:
    """Values of 8 and 4 bits are counted with the scale that each block of 32 has."""
    assert MemoryNeed(0, 6400, cache_type).kv_bytes(100) == 640_000 * bits / 16


def test_wanted_and_least() -> None:
    """The context wanted is the one asked for, else 8192 within what was trained; the least one is 2048."""
    assert [planned_context(4096, 2048), planned_context(0, 2048), planned_context(0, 0)] == [4096, 2048, 8192]
    assert [least_context(4096, 2048), least_context(0, 1024), least_context(0, 0)] == [4096, 1024, 2048]


def test_plenty() -> None:
    """With memory to spare it is 8192, or what the model was trained with, and the reason says which."""
    assert plan(8 * GB) == ContextPlan(8192, "enough for a house, and there is memory for it")
    assert plan(8 * GB, trained=0).size == 8192
    small = plan(8 * GB, trained=4096)
    assert small.size == 4096
    assert "trained" in small.reason


def test_short_memory() -> None:
    """With less it gets smaller in steps of 1024, and the reason names both sizes of memory."""
    full = NEED.total(8192)
    assert plan(int(full / AUTO_SHARE) + 1).size == 8192
    shrunk = plan(int(full / AUTO_SHARE) - 1)
    assert shrunk.size == 7168
    assert shrunk.reason == "with 8192 it would take 1.8 GB of the 2.1 GB of memory that are free"
    assert plan(int(NEED.total(5000) / AUTO_SHARE)).size == 4096
    # The last one may take the share that is otherwise left alone.
    assert plan(NEED.total(2048)).size == 2048
    assert plan(NEED.total(1024), trained=1024).size == 1024


def test_too_little() -> None:
    """Below 2048 tokens the model is refused, with the numbers and the size that would fit."""
    with pytest.raises(ModelError) as error:
        plan(NEED.total(2047))
    assert "Tiny needs 1.4 GB of memory (1.0 GB for the file, 134 MB for a context of 2048 tokens" in str(error.value)
    assert "A context of 1792 tokens would fit." in str(error.value)
    with pytest.raises(ModelError) as error:
        plan(GB)
    assert "would fit" not in str(error.value)
    assert "a smaller model" in str(error.value)


def test_a_size_that_is_set() -> None:
    """It is taken as it is where it fits to the last byte, and otherwise refused with the size that would."""
    memory = NEED.total(20_000)
    assert plan(memory, 20_000) == ContextPlan(20_000, "as the settings say")
    with pytest.raises(ModelError, match=r"a context of 32768 tokens.*A context of 19968 tokens would fit\."):
        plan(memory, 32_768)
    for cache_type, size in (("q8_0", 32_768), ("q4_0", 65_536)):
        assert plan(memory, size, need=MemoryNeed(GB, 64 * KB, cache_type)).size == size


def test_more_than_was_trained() -> None:
    """A size beyond what the model was trained with is taken, with a warning that names both."""
    warning = plan(8 * GB, 16_384, trained=8192).warning
    assert "8192" in warning
    assert "16384" in warning
    assert not plan(8 * GB, 8192, trained=8192).warning
    assert not plan(8 * GB, 8192, trained=0).warning


@given(
    memory=st.integers(0, 10 * GB),
    kv=st.integers(1, 4096).map(lambda count: 64 * count),
    size=st.integers(0, 4 * GB),
    most=st.integers(1, 200_000),
    step=st.sampled_from([256, 1024]),
)
def test_the_largest_that_fits(memory: int, kv: int, size: int, most: int, step: int) -> None:
    """What is found fits, the next step would not, and it is never more than wanted."""
    need = MemoryNeed(size, kv)
    found = need.largest_context(memory, most=most, step=step)
    assert 0 <= found <= most
    assert found == most or found % step == 0
    if found:
        assert need.total(found) <= memory
    if found < most:
        assert need.total(min(found + step, most)) > memory
