"""LoRA adapters on a running engine."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gguf_writer import F32, lora_adapter, write_gguf
from home_llm.engine import (
    AdapterUse,
    Chunk,
    Done,
    Engine,
    EngineClosedError,
    EngineOptions,
    Failed,
    FinishReason,
    Generation,
    GenerationRequest,
)
from home_llm.llama import Adapter, AdapterError, Model, SamplingParameters

GREEDY = SamplingParameters(temperature=0)
STORY = "<|im_start|>user\nTell me a story about a house.<|im_end|>\n<|im_start|>assistant\n"
HOUSE = "The lamp in the hall is on. " * 36 + STORY


def use(folder: Path, scale: float = 1.0, *, seed: int = 1) -> AdapterUse:
    """Write an adapter, and return its use."""
    path = folder / f"adapter-{seed}.gguf"
    path.write_bytes(lora_adapter(seed=seed))
    return AdapterUse(path, scale)


def ask(engine: Engine, prompt: str = STORY, n: int = 12, **options: Any) -> Generation:
    """Begin to generate greedily."""
    tokens = tuple(engine.model.tokenize(prompt))
    return engine.submit(GenerationRequest(prompt=tokens, max_tokens=n, sampling=GREEDY, **options))


def finish(generation: Generation) -> tuple[str, Done]:
    """Return the text and how it ended."""
    text = ""
    for event in generation.events():
        if isinstance(event, Done):
            return text, event
        assert not isinstance(event, Failed), event.error
        text += event.text if isinstance(event, Chunk) else ""
    raise AssertionError


def say(engine: Engine, prompt: str = STORY) -> str:
    """Return an answer."""
    return finish(ask(engine, prompt))[0]


def test_swapping(exact: Model, tmp_path: Path) -> None:
    """An adapter changes the answer; at scale 0, and after it is taken off, the base's comes token for token."""
    one, two = use(tmp_path), use(tmp_path, seed=2)
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32"))
    try:
        base = say(engine)
        answers = [base]
        for uses in ([one], [two], [one, two], [AdapterUse(one.path, 0.5)]):
            engine.set_adapters(uses)
            assert engine.adapters == tuple(uses)
            text, done = finish(ask(engine))
            # What was in the cache was read with other adapters.
            assert done.timings.cache_n == 0
            assert say(engine) == text
            answers.append(text)
        assert len(set(answers)) == len(answers)
        engine.set_adapters([AdapterUse(one.path, 0.0)])
        assert say(engine) == base
        engine.set_adapters([one])
        assert say(engine) == answers[1]
        engine.set_adapters([])
        assert say(engine) == base
    finally:
        engine.close()
    begun = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32", adapters=(one,)))
    try:
        assert say(begun) == answers[1]
    finally:
        begun.close()


def test_a_change_without_effect_keeps_the_cache(model: Model, tmp_path: Path) -> None:
    """Loading an adapter at scale 0 forgets no prefix."""
    engine = Engine(model, EngineOptions(n_ctx=512))
    try:
        say(engine)
        engine.set_adapters([use(tmp_path, 0.0)])
        assert finish(ask(engine))[1].timings.cache_n > 0
    finally:
        engine.close()


def test_prefixes_belong_to_adapters(exact: Model, tmp_path: Path) -> None:
    """No prefix that was saved with other adapters, or another scale, is restored; one of the same is."""
    one = use(tmp_path)

    def run(*uses: AdapterUse) -> tuple[str, int]:
        options = EngineOptions(
            n_ctx=1024, cache_type="f32", prefixes=tmp_path / "prefixes", identity="weights", adapters=uses
        )
        engine = Engine(exact, options)
        try:
            text, done = finish(ask(engine, HOUSE))
            return text, done.timings.cache_n
        finally:
            engine.close()

    base, _ = run()
    adapted, cached = run(one)
    assert cached == 0
    assert adapted != base
    again, cached = run(one)
    assert again == adapted
    assert cached > 256
    assert run(AdapterUse(one.path, 0.5))[1] == 0
    assert run() == (base, 0)


def test_swapping_restores_no_foreign_prefix(exact: Model, tmp_path: Path) -> None:
    """After a swap on a running engine nothing is found that was saved before it."""
    one = use(tmp_path)
    options = EngineOptions(n_ctx=1024, cache_type="f32", prefixes=tmp_path / "prefixes", identity="weights")
    engine = Engine(exact, options)
    base = say(engine, HOUSE)
    engine.close()
    assert list((tmp_path / "prefixes").glob("*.kv"))
    engine = Engine(exact, options)
    try:
        engine.set_adapters([one])
        text, done = finish(ask(engine, HOUSE))
        assert done.timings.cache_n == 0
        assert text != base
    finally:
        engine.close()


def test_what_runs_ends_as_it_began(exact: Model, tmp_path: Path) -> None:
    """A change waits for what runs, and what came after it waits for the change."""
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32"))
    try:
        long = finish(ask(engine, n=40, ignore_end=True))[0]
        one = use(tmp_path)
        engine.set_adapters([one])
        adapted = say(engine)
        engine.set_adapters([])
        running = ask(engine, n=40, ignore_end=True)
        assert running.next_event(timeout=30) is not None
        change = threading.Thread(target=engine.set_adapters, args=([one],))
        change.start()
        while not engine._adapters.wished:
            time.sleep(0.001)
        after = ask(engine)
        assert not engine.adapters
        text, done = finish(after)
        assert text == adapted
        assert done.timings.cache_n == 0
        change.join()
        assert long.endswith(finish(running)[0])
    finally:
        engine.close()


def test_patience(model: Model, tmp_path: Path) -> None:
    """A change that what runs holds up too long is withdrawn, and nothing waits for it any more."""
    engine = Engine(model, EngineOptions(n_ctx=2048))
    try:
        running = ask(engine, n=1500, ignore_end=True)
        assert running.next_event(timeout=10) is not None
        with pytest.raises(TimeoutError):
            engine.set_adapters([use(tmp_path)], timeout=0.2)
        assert not engine.adapters
        assert say(engine)
        running.cancel()
        assert finish(running)[1].reason is FinishReason.CANCELLED
    finally:
        engine.close()
    with pytest.raises(EngineClosedError):
        engine.set_adapters([])


def test_closing_refuses_a_change(model: Model, tmp_path: Path) -> None:
    """A change that waits when the engine is closed is told so."""
    engine = Engine(model, EngineOptions(n_ctx=2048))
    errors: list[Exception] = []

    def change() -> None:
        try:
            engine.set_adapters([use(tmp_path)])
        except EngineClosedError as error:
            errors.append(error)

    assert ask(engine, n=1500, ignore_end=True).next_event(timeout=10) is not None
    thread = threading.Thread(target=change)
    thread.start()
    while not engine._adapters.wished:
        time.sleep(0.001)
    engine.close()
    thread.join(timeout=10)
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "broken"),
        (lora_adapter()[:-5000], "broken"),
        (write_gguf(), "adapter"),
        (lora_adapter({"adapter.type": "vector"}), "lora"),
        (lora_adapter({"general.architecture": "qwen2"}), "mismatch"),
        (lora_adapter(width=512), "shape"),
        (lora_adapter(layers=200), "does not exist"),
        (
            write_gguf(
                {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"},
                [("blk.0.attn_q.weight.lora_a", (576, 4), F32)],
            ),
            "missing one",
        ),
    ],
)
def test_files_that_cannot_be_loaded(exact: Model, tmp_path: Path, content: bytes, reason: str) -> None:
    """A file that is cut, no adapter, or for another model is refused, and the adapters before stay."""
    good, bad = use(tmp_path), AdapterUse(tmp_path / "bad.gguf")
    bad.path.write_bytes(content)
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32", adapters=(good,)))
    try:
        before = say(engine)
        other = use(tmp_path, seed=2)
        with pytest.raises(AdapterError, match=r"bad\.gguf") as error:
            engine.set_adapters([good, other, bad])
        assert reason in str(error.value) or reason in ("empty", "broken")
        assert engine.adapters == (good,)
        assert finish(ask(engine))[1].timings.cache_n > 0
        assert say(engine) == before
    finally:
        engine.close()
    with pytest.raises(AdapterError, match=r"bad\.gguf"):
        Engine(exact, EngineOptions(n_ctx=512, cache_type="f32", adapters=(bad,)))


def test_twice_the_same(model: Model, tmp_path: Path) -> None:
    """An adapter that is given twice is refused."""
    engine = Engine(model, EngineOptions(n_ctx=512))
    try:
        with pytest.raises(AdapterError, match="twice"):
            engine.set_adapters([use(tmp_path), use(tmp_path, 0.5)])
    finally:
        engine.close()


def test_metadata(model: Model, tmp_path: Path) -> None:
    """An adapter tells what its file says, also where it is long."""
    path = tmp_path / "long.gguf"
    path.write_bytes(lora_adapter({"adapter.lora.task_name": "house " * 100}))
    adapter = Adapter(model, path)
    try:
        assert adapter.metadata["general.architecture"] == "llama"
        assert adapter.metadata["adapter.lora.task_name"] == "house " * 100
    finally:
        adapter.close()
        adapter.close()
