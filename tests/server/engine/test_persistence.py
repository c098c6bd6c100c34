"""Prefixes that survive a restart."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generations import GREEDY, finish
from home_llm.engine import Done, Engine, EngineOptions, GenerationRequest
from home_llm.engine.persistence import PrefixStore
from home_llm.llama import Model

SYSTEM = "The lamp in the hall is on. " * 60


def ask(engine: Engine, model: Model, question: str) -> tuple[str, Done]:
    """Return an answer."""
    request = GenerationRequest(prompt=tuple(model.tokenize(SYSTEM + question)), max_tokens=12, sampling=GREEDY)
    return finish(engine.submit(request))


def options(folder: Path) -> EngineOptions:
    """Return options with a folder for prefixes."""
    return EngineOptions(n_ctx=1024, cache_type="f32", prefixes=folder, identity="weights")


def run(model: Model, opts: EngineOptions, question: str) -> tuple[str, Done]:
    """Start an engine, ask, and close it."""
    engine = Engine(model, opts)
    try:
        return ask(engine, model, question)
    finally:
        engine.close()


def test_a_restart_finds_the_prefix(exact: Model, tmp_path: Path) -> None:
    """After a restart the prompt is not read again, another question neither, and the answers are the same."""
    opts = options(tmp_path / "prefixes")
    first, cold = run(exact, opts, "Is it on?")
    assert cold.timings.cache_n == 0
    second, warm = run(exact, opts, "Is it on?")
    assert second == first
    assert warm.timings.prompt_n < 3
    other, warm = run(exact, opts, "Where is the lamp?")
    assert warm.timings.cache_n > 400
    assert other == run(exact, replace(opts, prefixes=None), "Where is the lamp?")[0]
    assert len(list((tmp_path / "prefixes").iterdir())) == 1


def test_it_is_saved_when_the_house_is_quiet(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A prefix is saved a moment after the last request, and not again when only the question has changed."""
    monkeypatch.setattr("home_llm.engine.persistence._QUIET_SECONDS", 0.1)
    monkeypatch.setattr("home_llm.engine.persistence._SAVE_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    engine = Engine(model, options(tmp_path))
    try:
        for question in ("One?", "Two?"):
            ask(engine, model, question)
            for _ in range(100):
                if engine._keeper is None or engine._keeper.seconds_until_due() is None:
                    break
                engine._thread.join(0.05)
        assert len(list(tmp_path.glob("*.kv"))) == 1
        assert caplog.text.count("Saved a prefix") == 1
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda data: data[:-1000], "damaged"),
        (lambda data: data[:200] + b"\xff" + data[201:], r"damaged|cannot be used"),
        (lambda data: b"nonsense", "not one of ours"),
        (lambda data: b"", "not one of ours"),
        (lambda data: data.replace(b"weights|", b"others!|"), "another model"),
    ],
)
def test_what_cannot_be_used_is_removed(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: object, reason: str
) -> None:
    """A file that is cut, damaged or of another model is removed with one line in the log; the prompt is read again."""
    run(model, options(tmp_path), "One?")
    (path,) = tmp_path.glob("*.kv")
    path.write_bytes(harm(path.read_bytes()))  # type: ignore[operator]
    caplog.clear()
    engine = Engine(model, options(tmp_path))
    try:
        assert ask(engine, model, "One?")[1].timings.cache_n == 0
    finally:
        engine.close()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 1
    assert path.name in lines[0]
    assert re.search(reason, lines[0])


def test_damage_that_is_found_late(model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damage in a state is found when it is asked for: one line in the log, and the answer is right."""
    text, _ = run(model, options(tmp_path), "One?")
    (path,) = tmp_path.glob("*.kv")
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(100) + data[middle + 100 :])
    caplog.clear()
    engine = Engine(model, options(tmp_path))
    try:
        again, done = ask(engine, model, "One?")
        assert again == text
        assert done.timings.cache_n == 0
    finally:
        engine.close()
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1
    assert "damaged" in caplog.text


def test_what_was_saved_takes_no_memory(model: Model, tmp_path: Path) -> None:
    """A prefix from before is read from its file when it is asked for, and waits there until then."""
    run(model, options(tmp_path), "One?")
    engine = Engine(model, options(tmp_path))
    try:
        assert ask(engine, model, "Two?")[1].timings.cache_n > 400
        assert engine._cache.parked_bytes == 0
    finally:
        engine.close()


def test_the_budget(tmp_path: Path) -> None:
    """The oldest files give way, and what is larger than the budget is not saved."""
    store = PrefixStore(tmp_path, "f", budget=5000)
    for number in range(6):
        store.save([number] * 10, [np.zeros(1500, np.uint8)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000
    assert [prefix.tokens[0] for prefix in PrefixStore(tmp_path, "f", budget=5000).load()][-1] == 5
    store.save([9] * 10, [np.zeros(6000, np.uint8)])
    assert not store.holds([9] * 10)


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is one line in the log."""
    folder = tmp_path / "file"
    folder.write_text("")
    store = PrefixStore(folder, "f", budget=5000)
    assert list(store.load()) == []
    store.save([1] * 10, [np.zeros(10, np.uint8)])
    assert "cannot be saved" in caplog.text
