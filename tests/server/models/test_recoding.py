"""A model in Q4_1 as one in Q4_0 with a wider adapter."""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gguf_writer import F32, llama_metadata, lora_adapter, write_gguf
from home_llm.llama import Adapter, Batch, Context, Model, apply_adapters, numbers
from home_llm.models import GgufError, ModelError, StoppedError, read_gguf, recode, worth_recoding
from home_llm.models.gguf_tensors import Tensor, TensorWriter, open_tensors

Q4_0, Q4_1, Q8_0 = 2, 3, 8
TOKENS = [5, 300, 7, 411, 1200, 9]
CHANGED = {f"blk.{layer}.attn_q.weight" for layer in range(2)}


@pytest.fixture(name="floats")
def floats_fixture(tiny_paths: dict[str, Path]) -> Path:
    """Return a model whose weights are floats."""
    return tiny_paths["full"]


@pytest.fixture(name="base")
def base_fixture(floats: Path, tmp_path: Path) -> Path:
    """Return the same with the tensors in Q4_1 that the adapter changes."""
    path = tmp_path / "base.gguf"
    with open_tensors(floats) as source:
        kinds = [Q4_1 if one.name in CHANGED else one.kind for one in source.tensors]
        tensors = [Tensor(one.name, one.shape, kind, 0) for one, kind in zip(source.tensors, kinds, strict=True)]
        writer = TensorWriter(path, source, tensors, 3)
        for one, kind in zip(source.tensors, kinds, strict=True):
            data = source.data(one)
            values = numbers.to_floats(one.kind, data, one.columns)
            writer.write(data if kind == one.kind else numbers.from_floats(kind, values))
        writer.publish()
    return path


@pytest.fixture(name="adapter")
def adapter_fixture(tmp_path: Path) -> Path:
    """Return an adapter for it."""
    path = tmp_path / "house.gguf"
    path.write_bytes(lora_adapter(layers=2, width=64))
    return path


def predict(path: Path, adapter: Path | None = None) -> npt.NDArray[np.float32]:
    """Return what a model expects after some tokens."""
    model = Model(path)
    context, batch = Context(model, n_ctx=256, threads=1), Batch(16)
    loaded = Adapter(model, adapter) if adapter else None
    try:
        apply_adapters(context, [(loaded, 1.0)] if loaded else [])
        index = batch.add(TOKENS, position=0, sequence=0, logits=1)
        context.decode(batch)
        return context.logits(index).copy()
    finally:
        batch.close()
        context.close()
        if loaded:
            loaded.close()
        model.close()


@pytest.mark.parametrize("alpha", [12.0, 0.0])
def test_the_same_weights(base: Path, tmp_path: Path, alpha: float) -> None:
    """Weights and adapter add up to what they did, whatever the adapter's scale."""
    adapter, model, beside = (tmp_path / name for name in ("house.gguf", "model.gguf", "lora.gguf"))
    adapter.write_bytes(lora_adapter({"adapter.lora.alpha": alpha}, layers=2, width=64))
    recode(base, adapter, model=model, beside=beside, numbers=numbers)

    def added(weights: Path, changes: Path) -> dict[str, npt.NDArray[np.float32]]:
        sums = {}
        with open_tensors(weights) as first, open_tensors(changes) as second:
            pairs = {one.name: numbers.to_floats(one.kind, second.data(one), one.columns) for one in second.tensors}
            for one in first.tensors:
                if one.name in CHANGED:
                    a, b = pairs[f"{one.name}.lora_a"], pairs[f"{one.name}.lora_b"]
                    scale = np.float32(alpha / a.shape[0] if alpha else 1)
                    sums[one.name] = numbers.to_floats(one.kind, first.data(one), one.columns) + scale * (b @ a)
        return sums

    before, after = added(base, adapter), added(model, beside)
    assert set(before) == set(after) == CHANGED
    for name, values in before.items():
        # Of weights up to about 2: what 8 bits round.
        assert np.abs(after[name] - values).max() < 0.02 * np.abs(values).max()


def test_the_same_answers(base: Path, adapter: Path, tmp_path: Path) -> None:
    """The model expects what it did, far nearer than the base without the adapter is to it."""
    model, beside = tmp_path / "model.gguf", tmp_path / "lora.gguf"
    recode(base, adapter, model=model, beside=beside, numbers=numbers)
    before = predict(base, adapter)
    moved = np.abs(predict(model, beside) - before).mean()
    assert moved < 0.1 * np.abs(predict(base) - before).mean()
    assert moved < 0.1 * np.abs(predict(model) - before).mean()


def test_formats(base: Path, adapter: Path, tmp_path: Path) -> None:
    """Q4_1 becomes Q4_0 with the same numbers and scales, and everything else is copied."""
    model, beside = tmp_path / "model.gguf", tmp_path / "lora.gguf"
    assert worth_recoding(read_gguf(base))
    recode(base, adapter, model=model, beside=beside, numbers=numbers)
    assert not worth_recoding(read_gguf(model))
    with open_tensors(base) as before, open_tensors(model) as after:
        assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
        for old, new in zip(before.tensors, after.tensors, strict=True):
            assert old.shape == new.shape
            if new.name in CHANGED:
                assert (old.kind, new.kind) == (Q4_1, Q4_0)
                blocks = before.data(old).reshape(-1, 20)
                assert bytes(after.data(new)) == b"".join(bytes(block[:2]) + bytes(block[4:]) for block in blocks)
            else:
                assert new.kind == old.kind
                assert bytes(after.data(new)) == bytes(before.data(old))
        assert set(after.metadata) == set(before.metadata)
    with open_tensors(adapter) as before, open_tensors(beside) as after:
        assert after.metadata == before.metadata
        assert {tensor.kind for tensor in after.tensors} == {Q8_0}
        # 4 and 2 columns, each in a block of its own.
        assert {tensor.rows for tensor in after.tensors if tensor.name.endswith("a")} == {64}


def test_the_type_of_the_file(tmp_path: Path) -> None:
    """Where the base tells in which format most of it is, the new file does so too."""
    base, adapter, model = (tmp_path / name for name in ("base.gguf", "house.gguf", "model.gguf"))
    tensors = [(f"blk.{layer}.attn_q.weight", (64, 64), Q4_1) for layer in range(2)]
    base.write_bytes(write_gguf(llama_metadata(**{"general.file_type": 3}), tensors))
    adapter.write_bytes(lora_adapter(layers=2, width=64))
    recode(base, adapter, model=model, beside=tmp_path / "lora.gguf", numbers=numbers)
    assert (read_gguf(base).quant, read_gguf(model).quant) == ("Q4_1", "Q4_0")


def test_another_model(base: Path, tmp_path: Path) -> None:
    """An adapter whose matrices do not fit, or that leaves a tensor out, is refused by name; nothing is left behind."""
    adapter, folder = tmp_path / "house.gguf", tmp_path / "out"
    folder.mkdir()
    for content, words in (
        (lora_adapter(layers=2, width=96), r"house\.gguf is for another model: blk\."),
        (lora_adapter(layers=3, width=64), r"house\.gguf is for another model: blk\."),
        (lora_adapter(layers=1, width=64), r"house\.gguf does not change blk\.1\.attn_q\.weight"),
        (base.read_bytes(), "other tensors than those of a LoRA adapter"),
    ):
        adapter.write_bytes(content)
        with pytest.raises(ModelError, match=words):
            recode(base, adapter, model=folder / "model.gguf", beside=folder / "lora.gguf", numbers=numbers)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("cut", [0, 3, 100, -5000])
def test_a_damaged_base(base: Path, adapter: Path, tmp_path: Path, cut: int) -> None:
    """A base that is not whole is refused, wherever it ends."""
    damaged, model = tmp_path / "damaged.gguf", tmp_path / "model.gguf"
    damaged.write_bytes(base.read_bytes()[:cut])
    with pytest.raises(GgufError, match=r"damaged\.gguf is cut short"):
        recode(damaged, adapter, model=model, beside=tmp_path / "lora.gguf", numbers=numbers)
    assert not model.exists()


def test_unknown_formats(tmp_path: Path) -> None:
    """A file of a format that is newer than this program is refused by name."""
    path = tmp_path / "new.gguf"
    path.write_bytes(write_gguf(tensors=[("output.weight", (32, 2), F32), ("token_embd.weight", (32, 2), 99)]))
    with (
        pytest.raises(GgufError, match=r"new\.gguf holds token_embd\.weight in a format that is not known"),
        open_tensors(path),
    ):
        pass


def test_stopping(base: Path, adapter: Path, tmp_path: Path) -> None:
    """Stopped in the middle, nothing is left of it."""
    cancel = threading.Event()
    cancel.set()
    before = set(tmp_path.iterdir())
    with pytest.raises(StoppedError):
        recode(
            base,
            adapter,
            model=tmp_path / "model.gguf",
            beside=tmp_path / "lora.gguf",
            numbers=numbers,
            cancel=cancel,
        )
    assert set(tmp_path.iterdir()) == before
