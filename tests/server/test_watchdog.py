"""The watchdog over a real engine: what hangs ends, what works or rests does not."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from home_llm.chat import Chat
from home_llm.engine import Engine, EngineOptions, GenerationRequest
from home_llm.llama import Model
from home_llm.runtime import LAST_LINES, Watchdog
from waiting import wait_until

SECONDS = 0.8


class Watched:
    """A watchdog over a chat, and whether it has ended the process."""

    def __init__(self, chat: Chat | None, folder: Path) -> None:
        self.ended = threading.Event()
        self.dog = Watchdog(
            lambda: chat, seconds=SECONDS, lines=lambda: ["one", "two"], folder=folder, end=self.ended.set
        )
        self.dog.start()


@pytest.fixture(name="own_chat")
def own_chat_fixture(tiny: Model) -> Iterator[Chat]:
    """Run an engine that no other test uses."""
    engine = Engine(tiny, EngineOptions(n_ctx=4096))
    yield Chat(engine)
    engine.close()


def test_an_engine_that_hangs(own_chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that never ends is noticed, and the last lines are kept with where each thread was."""
    go_on = threading.Event()
    decode = own_chat.engine._decoder.decode

    def hang(running: object) -> object:
        go_on.wait(60)
        return decode(running)  # type: ignore[arg-type]

    monkeypatch.setattr(own_chat.engine._decoder, "decode", hang)
    watched = Watched(own_chat, tmp_path / "cache")
    try:
        own_chat.engine.submit(GenerationRequest((5, 6, 7), max_tokens=4))
        assert watched.ended.wait(SECONDS * 4)
    finally:
        go_on.set()
    text = (tmp_path / "cache" / LAST_LINES).read_text()
    assert text.startswith("one\ntwo\n")
    assert "in hang" in text


def test_an_engine_that_works(own_chat: Chat, tmp_path: Path) -> None:
    """A request that takes longer than the time is left alone as long as it goes on."""
    watched = Watched(own_chat, tmp_path)
    generation = own_chat.engine.submit(GenerationRequest((5, 6, 7), max_tokens=4000, ignore_end=True))
    end = time.monotonic() + SECONDS * 3
    while time.monotonic() < end and own_chat.engine.idle_since is None:
        time.sleep(0.05)
    generation.cancel()
    wait_until(lambda: own_chat.engine.idle_since is not None)
    assert not watched.ended.is_set()
    watched.dog.stop()


def test_nothing_to_do(own_chat: Chat, tmp_path: Path) -> None:
    """An idle engine, or none at all, is no hang."""
    idle, none = Watched(own_chat, tmp_path), Watched(None, tmp_path)
    time.sleep(SECONDS * 2.5)
    assert not idle.ended.is_set()
    assert not none.ended.is_set()
    idle.dog.stop()
    none.dog.stop()
