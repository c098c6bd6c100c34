"""From what the settings want to a file: the whole way, over a real HTTP hub."""

import hashlib
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gguf_writer import llama_metadata, lora_adapter, tiny_model, write_gguf
from home_llm.models import (
    EMBEDDED_NAME,
    Backoff,
    GgufError,
    Hub,
    ModelError,
    Progress,
    StoppedError,
    Store,
    Wanted,
    Weights,
    embedded,
    is_here,
    resolve,
)
from hub import LocalHub
from waiting import wait_until

HOME = "acon96/Home-3B-v3-GGUF"
GB = 10**9
# Sizes are small, so memory is too: what a model needs beside its file is 256 MB and 1 MB of KV cache.
BASE = (256 << 20) + 128 * 2048


class Room:
    """Resolves with a store and a local hub."""

    def __init__(self, store: Store, hub: LocalHub, client: Hub) -> None:
        self.store = store
        self.hub = hub
        self.client = client
        self.memory = 8 * GB
        self.cancel = threading.Event()
        self.reports: list[Progress] = []
        self.embedded_path: Path | None = None

    def __call__(self, model: str, quant: str = "auto", file: str = "", context_size: int = 0) -> Weights:
        """Resolve with this room's store, hub and memory."""
        return resolve(
            Wanted(model, quant, file, context_size),
            store=self.store,
            hub=self.client,
            memory_available=self.memory,
            on_progress=self.reports.append,
            cancel=self.cancel,
            embedded_path=self.embedded_path,
        )

    def error(self, *args: Any, **options: Any) -> str:
        """Resolve, and return the message of the error that comes of it."""
        with pytest.raises(ModelError) as caught:
            self(*args, **options)
        return str(caught.value)


@pytest.fixture(name="room")
def room_fixture(store: Store, hub: LocalHub, client: Hub) -> Room:
    """Make a room with the Home model on the hub, at three quants."""
    hub.add_repository(
        HOME,
        {
            "README.md": b"hi",
            "Home-3B-v3.q4_k_m.gguf": tiny_model(100_000, quant="q4"),
            "Home-3B-v3.q8_0.gguf": tiny_model(200_000, quant="q8"),
            "Home-3B-v3.f16.gguf": tiny_model(400_000, quant="f16"),
        },
    )
    return Room(store, hub, client)


def test_catalogue_model(room: Room) -> None:
    """A catalogue id is downloaded, and everything about it is told."""
    weights = room("home-3b-v3", "Q4_K_M")
    assert weights.path.read_bytes() == tiny_model(100_000, quant="q4")
    assert (weights.id, weights.repository, weights.quant) == ("home-3b-v3", HOME, "Q4_K_M")
    assert weights.file == "Home-3B-v3.q4_k_m.gguf"
    assert weights.sha256 == hashlib.sha256(weights.path.read_bytes()).hexdigest()
    assert weights.size == weights.path.stat().st_size
    assert weights.entry
    assert weights.entry.markup == "home-json"
    assert weights.facts.has_chat_template
    assert room.reports[-1].percent == 100.0


@pytest.mark.parametrize(
    ("model", "quant"),
    [
        (HOME, "Q8_0"),
        (f"{HOME}:Q8_0", "auto"),
        (f"hf.co/{HOME}:q8_0", "Q4_K_M"),
        (f"https://huggingface.co/{HOME}/", "Q8_0"),
        ("Home-3B-V3:Q8_0", "auto"),
        (f"{HOME}:latest", "auto"),
    ],
)
def test_ways_to_name_a_model(room: Room, model: str, quant: str) -> None:
    """Repository, prefix, tag and catalogue id all lead to the same file; a tag wins over the setting."""
    weights = room(model, quant)
    assert (weights.quant, weights.id) == ("Q8_0", "home-3b-v3")


def test_repository_outside_the_catalogue(room: Room) -> None:
    """Any repository may be named, and its name is the model's."""
    room.hub.add_repository("some.one/tiny_model", {"tiny.gguf": tiny_model()})
    weights = room("some.one/tiny_model")
    assert (weights.id, weights.entry, weights.quant) == ("some.one/tiny_model", None, "Q4_K_M")


def test_second_start_needs_no_network(room: Room) -> None:
    """The same settings again, and `auto` again, ask the hub nothing, even when it is gone."""
    first = room("home-3b-v3")
    room.hub.requests.clear()
    room.client = Hub("http://127.0.0.1:1", backoff=Backoff(attempts=1))
    room.store = Store(room.store.data_dir)
    assert room("home-3b-v3") == first
    assert room("home-3b-v3", "Q8_0") == first
    assert room(HOME, file="Home-3B-v3.q8_0.gguf") == first
    assert not room.hub.requests
    assert "cannot be reached" in room.error("home-3b-v3", "Q4_K_M")


def test_auto_follows_memory(room: Room) -> None:
    """`auto` takes the best quant that fits the memory, and never F16 where Q8_0 is there."""
    assert room("home-3b-v3").quant == "Q8_0"
    room.store.remove(HOME)
    room.memory = int((BASE + 150_000) / 0.85)
    assert room("home-3b-v3").quant == "Q4_K_M"


def test_auto_looks_for_a_smaller_one(room: Room) -> None:
    """When the stored model does not fit any more, `auto` fetches one that does."""
    assert room("home-3b-v3").quant == "Q8_0"
    room.memory = BASE + 150_000
    message = room.error("home-3b-v3")
    assert "q8_0.gguf needs 269 MB" in message
    assert "A smaller one could not be had: No quant of" in message


def test_nothing_fits(room: Room) -> None:
    """A machine too small for any quant gets the numbers of each."""
    room.memory = 100_000_000
    message = room.error("home-3b-v3")
    assert "Q8_0 needs 269 MB: too much for the 100 MB free." in message
    assert not list(room.store.models())
    assert not [request for request in room.hub.seen("cdn") if not request.range]


def test_bigger_than_memory(room: Room) -> None:
    """A named quant that does not fit is refused before it is downloaded, with one that would."""
    room.hub.announce_size(HOME, "Home-3B-v3.q8_0.gguf", 6 * GB)
    room.hub.announce_size(HOME, "Home-3B-v3.q4_k_m.gguf", 2 * GB)
    room.memory = 4 * GB
    message = room.error("home-3b-v3", "Q8_0")
    assert "Home-3B-v3.q8_0.gguf needs 6.3 GB of memory (6.0 GB for the file" in message
    assert "4.0 GB are free" in message
    assert "Q4_K_M would fit (2.0 GB)" in message
    assert not room.store.models()


def test_stored_model_bigger_than_memory(room: Room) -> None:
    """A stored model that does not fit is refused with advice from the hub, or without when it is away."""
    room("home-3b-v3", "F16")
    room.memory = BASE + 300_000
    assert "f16.gguf needs 269 MB" in room.error("home-3b-v3", "F16")
    room.client = Hub("http://127.0.0.1:1", backoff=Backoff(attempts=1))
    assert "Choose a smaller quant" in room.error("home-3b-v3", "F16")


def test_context_counts(room: Room) -> None:
    """A larger context needs more memory."""
    room.memory = BASE + 300_000
    assert room("home-3b-v3", "Q8_0").quant == "Q8_0"
    with pytest.raises(ModelError, match="for a context of 100000 tokens"):
        room("home-3b-v3", "Q8_0", context_size=100_000)


def test_a_smaller_context_comes_before_a_refusal(room: Room) -> None:
    """Where only a smaller context fits, `auto` takes the best quant with that, and a named quant is loaded too."""
    large = {"llama.context_length": 32768, "llama.block_count": 64, "llama.embedding_length": 4096}
    room.hub.add_repository("some/large", {f"m-{quant}.gguf": tiny_model(**large) for quant in ("Q8_0", "Q4_0")})
    kv = 64 * 2 * 2 * 1024 * 2
    room.memory = int(((256 << 20) + 2048 * kv + 100_000) / 0.85)
    assert room("some/large").quant
    assert room("some/large", "Q8_0").size
    with pytest.raises(ModelError, match=r"for a context of 8192 tokens.*A context of \d+ tokens would fit"):
        room("some/large", "Q8_0", context_size=8192)


def test_quant_not_offered(room: Room) -> None:
    """A quant that the repository does not have is refused with those it has."""
    assert "is not offered at Q6_K. It has: Q4_K_M, Q8_0, F16." in room.error("home-3b-v3", "Q6_K")


def test_unquantised(room: Room) -> None:
    """`none` is the unquantised file, found again without the network."""
    first = room("home-3b-v3", "none")
    assert first.quant == "F16"
    room.hub.requests.clear()
    assert room("home-3b-v3", "none") == first
    assert not room.hub.requests


def test_file_of_a_repository(room: Room) -> None:
    """A file that is named wins over the quant, and a wrong name lists the right ones."""
    assert room(HOME, "Q4_K_M", "Home-3B-v3.f16.gguf").quant == "F16"
    assert "Home-3B-v3.q4_k_m.gguf" in room.error(HOME, file="nothing.gguf")


def test_unknown_model(room: Room) -> None:
    """A name that is nothing gets suggestions and asks nobody."""
    message = room.error("home-3b-v33")
    assert "no model called 'home-3b-v33'" in message
    assert "home-3b-v3" in message
    assert not room.hub.requests


def test_model_without_a_repository(room: Room) -> None:
    """A catalogue entry without a repository says how to use it all the same."""
    assert "give its path" in room.error("home-dolphin-mistral-7b")


def test_repository_without_gguf(room: Room) -> None:
    """A repository of another format is told from a missing one."""
    room.hub.add_repository("some/transformers", {"model.safetensors": b"x"})
    assert "has no GGUF file" in room.error("some/transformers")


def test_repository_with_a_broken_file(room: Room) -> None:
    """A file that is no model although its checksum is right is not put in the store."""
    room.hub.add_repository("some/broken", {"a-Q8_0.gguf": b"<html>" * 100})
    with pytest.raises(GgufError, match="a web page"):
        room("some/broken")
    assert not room.store.models()


def test_gated_repository(room: Room) -> None:
    """A gated repository is refused before anything is downloaded."""
    room.hub.add_repository("meta/gated", {"a-Q8_0.gguf": tiny_model()}, gated=True)
    assert "accept them" in room.error("meta/gated")
    room.client = Hub(room.hub.url, room.hub.token, backoff=Backoff(attempts=1))
    assert room("meta/gated").quant == "Q8_0"


def test_split_model(room: Room) -> None:
    """A split model is fetched whole; later parts carry no architecture, as llama.cpp writes them."""
    first = write_gguf(llama_metadata(**{"split.no": 0, "split.count": 2}))
    second = write_gguf({"split.no": 1, "split.count": 2})
    room.hub.add_repository("some/split", {"m-Q8_0-00001-of-00002.gguf": first, "m-Q8_0-00002-of-00002.gguf": second})
    weights = room("some/split", "Q8_0")
    assert weights.path.name == "m-Q8_0-00001-of-00002.gguf"
    assert weights.path.with_name("m-Q8_0-00002-of-00002.gguf").read_bytes() == second
    assert weights.size == len(first) + len(second)


def test_interrupted_and_continued(room: Room) -> None:
    """A download that was stopped half way is continued by the next start, not begun again."""
    room.hub.add_repository("some/slow", {"a-Q8_0.gguf": tiny_model(600_000)})
    room.hub.slow_down(400_000)

    def stop() -> None:
        wait_until(lambda: room.reports and room.reports[-1].done > 50_000)
        room.cancel.set()

    threading.Thread(target=stop).start()
    with pytest.raises(StoppedError):
        room("some/slow")
    assert not room.store.models()
    room.hub.slow_down(0)
    room.cancel.clear()
    room.hub.requests.clear()
    assert room("some/slow").size >= 600_000
    assert int(room.hub.seen("cdn")[-1].range.removeprefix("bytes=").rstrip("-")) > 50_000


def test_damage_on_disk_is_repaired(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A stored file whose header the disk has damaged is downloaded again."""
    weights = room("home-3b-v3", "Q8_0")
    data = bytearray(weights.path.read_bytes())
    data[:4] = b"\0\0\0\0"
    weights.path.write_bytes(data)
    assert room("home-3b-v3", "Q8_0") == weights
    assert weights.path.read_bytes()[:4] == b"GGUF"
    assert "downloaded again" in caplog.text


def test_header_that_cannot_be_read_ahead(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """When the look at the header fails the download goes on with a guess."""
    caplog.set_level(logging.INFO)
    room.hub.fail_next(500, where="cdn")
    assert room("home-3b-v3").quant == "Q8_0"
    assert "guessing" in caplog.text


def test_local_file(room: Room, tmp_path: Path) -> None:
    """A local file is used where it is, whatever quant is set."""
    path = tmp_path / "My Model.gguf"
    path.write_bytes(tiny_model())
    weights = room(str(path), "Q8_0")
    assert (weights.path, weights.id, weights.quant, weights.sha256) == (path, "My Model", "Q4_K_M", "")
    assert not room.hub.requests


def test_local_split_file(room: Room, tmp_path: Path) -> None:
    """A local split model is named by its first part and counted as a whole."""
    for number in (1, 2):
        (tmp_path / f"big-{number:05}-of-00002.gguf").write_bytes(tiny_model())
    weights = room(str(tmp_path / "big-00001-of-00002.gguf"))
    assert (weights.id, weights.size) == ("big", 2 * len(tiny_model()))
    assert "name the first part" in room.error(str(tmp_path / "big-00002-of-00002.gguf"))


def test_bad_local_files(room: Room, tmp_path: Path) -> None:
    """A missing, cut, foreign or partial local file and one too big are refused in words."""
    assert "There is no file" in room.error(str(tmp_path / "gone.gguf"))
    path = tmp_path / "bad.gguf"
    path.write_bytes(tiny_model()[:-10])
    assert "cut short" in room.error(str(path))
    path.write_bytes(b"hello, this is not a model")
    assert "is not a GGUF file" in room.error(str(path))
    path.write_bytes(write_gguf(llama_metadata(**{"general.type": "adapter"})))
    assert "it is an adapter, not a language model" in room.error(str(path))
    path.write_bytes(write_gguf(llama_metadata(**{"general.architecture": "clip"})))
    assert "cannot be loaded by itself" in room.error(str(path))
    path.write_bytes(tiny_model())
    room.memory = 10_000
    assert "Choose a smaller file or a smaller context size." in room.error(str(path))


def test_the_project_s_own_adapter(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its file is there, the embedded model has it and its name; the base can be had without it."""
    room.embedded_path = tmp_path / "smol.gguf"
    room.embedded_path.write_bytes(tiny_model())
    monkeypatch.setattr(embedded, "EMBEDDED_SHA256", hashlib.sha256(tiny_model()).hexdigest())
    monkeypatch.setattr(sys.modules["home_llm.models.catalogue"], "ADAPTERS", tmp_path)
    for name in ("embedded", "home-135m", "smollm2-135m"):
        plain = room(name)
        assert (plain.id, plain.adapter, plain.markup) == (EMBEDDED_NAME, None, "none")
    adapter = tmp_path / "home-135m.gguf"
    adapter.write_bytes(lora_adapter())
    for name in ("embedded", "Home-135M", ""):
        tuned = room(name)
        assert (tuned.path, tuned.id, tuned.adapter) == (room.embedded_path, "home-135m", adapter)
        assert tuned.markup == "home"
    assert all(is_here(Wanted(name), room.store) for name in ("", "embedded", "home-135m", "smollm2-135m"))
    assert not is_here(Wanted("home-0.5b"), room.store)
    base = room("smollm2-135m")
    assert (base.path, base.id, base.adapter) == (room.embedded_path, EMBEDDED_NAME, None)


@pytest.mark.parametrize("name", ["embedded", ""])
def test_embedded(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The embedded model is found by its id or by no name at all, whatever quant is set."""
    monkeypatch.setattr(sys.modules["home_llm.models.catalogue"], "ADAPTERS", tmp_path)
    room.embedded_path = tmp_path / "smol.gguf"
    room.embedded_path.write_bytes(tiny_model())
    checksum = hashlib.sha256(tiny_model()).hexdigest()
    monkeypatch.setattr(embedded, "EMBEDDED_SHA256", checksum)
    weights = room(name, "Q8_0")
    assert (weights.path, weights.id, weights.repository) == (room.embedded_path, EMBEDDED_NAME, "")
    assert weights.entry
    assert weights.entry.id == "embedded"
