"""The models folder: complete models or none, whatever happens in between."""

import hashlib
import json
import logging
import os
import shutil
import threading
from pathlib import Path

import pytest

from gguf_writer import tiny_model
from home_llm.models import Candidate, ModelError, RemoteFile, Repository, Store, StoredModel

NAME = "acon96/Home-3B-v3-GGUF"


def _put(store: Store, quant: str = "Q4_K_M", *, parts: int = 1, size: int = 20_000, name: str = NAME) -> StoredModel:
    """Put a model into the store as a download does."""
    contents = [tiny_model(size, quant=quant, part=number) for number in range(parts)]
    names = [f"Home.{quant}.gguf"] if parts == 1 else [
        f"sub/Home.{quant}-{number + 1:05}-of-{parts:05}.gguf" for number in range(parts)
    ]  # fmt: skip
    sums = [hashlib.sha256(data).hexdigest() for data in contents]
    files = tuple(
        RemoteFile(path, len(data), checksum) for path, data, checksum in zip(names, contents, sums, strict=True)
    )
    repository, candidate = Repository(name, "c0ffee", files), Candidate(quant, files)
    staged = store.staging(repository, candidate)
    staged.mkdir(parents=True)
    for file, data in zip(files, contents, strict=True):
        (staged / file.name).write_bytes(data)
    return store.publish(staged, repository, candidate, sums)


def test_publish_and_find(store: Store) -> None:
    """A published model is found with everything that was known of it."""
    model = _put(store)
    (found,) = store.find(NAME)
    assert found == model == Store(store.data_dir).models()[0]
    assert (found.repository, found.revision, found.quant) == (NAME, "c0ffee", "Q4_K_M")
    assert found.path.read_bytes()[:4] == b"GGUF"
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert found.id == "acon96--Home-3B-v3-GGUF--Home.Q4_K_M"


def test_find_by_quant_and_file(store: Store) -> None:
    """Models are told apart by quant and file, and the largest comes first."""
    _put(store, "Q4_K_M")
    _put(store, "Q8_0", size=30_000)
    _put(store, "F16", size=40_000)
    assert [model.quant for model in store.find(NAME.lower())] == ["F16", "Q8_0", "Q4_K_M"]
    assert [model.quant for model in store.find(NAME, quant="q8_0")] == ["Q8_0"]
    assert [model.quant for model in store.find(NAME, quant="none")] == ["F16"]
    assert [model.quant for model in store.find(NAME, file="home.q4_k_m.gguf")] == ["Q4_K_M"]
    assert not store.find(NAME, quant="Q4_0")
    assert not store.find("other/name")


def test_split_model(store: Store) -> None:
    """A split model is one model whose first part is loaded, with one checksum for all."""
    model = _put(store, parts=3)
    assert model.path.name == "Home.Q4_K_M-00001-of-00003.gguf"
    assert model.size == sum(file.size for file in model.files)
    assert len(model.sha256) == 64
    assert model.sha256 not in [file.sha256 for file in model.files]
    assert store.find(NAME, file="sub/Home.Q4_K_M-00002-of-00003.gguf") == [model]


def test_publishing_again_replaces(store: Store) -> None:
    """A newer download takes the place of the older one."""
    _put(store)
    newer = _put(store, size=25_000)
    assert store.models() == [newer]


@pytest.mark.parametrize("damage", ["vanished", "grew", "shrank", "garbage", "format", "no files", "no manifest"])
def test_damaged_model_is_absent(store: Store, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    """A model whose files or manifest are damaged is taken as not downloaded, with one line in the log."""
    model = _put(store)
    manifest = model.folder / "manifest.json"
    data = json.loads(manifest.read_text())
    match damage:
        case "vanished":
            model.path.unlink()
        case "grew":
            model.path.write_bytes(model.path.read_bytes() + b"x")
        case "shrank":
            model.path.write_bytes(model.path.read_bytes()[:-1])
        case "garbage":
            manifest.write_bytes(b"\x00{")
        case "format":
            manifest.write_text(json.dumps(data | {"format": 99}))
        case "no files":
            manifest.write_text(json.dumps(data | {"files": []}))
        case "no manifest":
            manifest.unlink()
    caplog.clear()
    assert store.find(NAME) == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "taken as not downloaded" in caplog.text
    assert store.remove(model.id) >= 0
    assert not model.folder.exists()


def test_remove(store: Store) -> None:
    """A model is removed by its name, all of a repository's by the repository's, with unfinished downloads."""
    first = _put(store, "Q4_K_M")
    _put(store, "Q8_0")
    other = _put(store, "Q4_0", name="someone/else")
    unfinished = store.root / ".partial" / "acon96--Home-3B-v3-GGUF--Home.F16--abc"
    unfinished.mkdir(parents=True)
    (unfinished / "x.part").write_bytes(b"x" * 500)
    assert store.remove(first.id.upper()) > first.size
    assert [model.quant for model in store.find(NAME)] == ["Q8_0"]
    assert unfinished.exists()
    store.remove(NAME)
    assert store.models() == [other]
    assert not unfinished.exists()
    with pytest.raises(ModelError, match=f"called 'nothing'. Downloaded: {other.id}"):
        store.remove("nothing")


def test_remove_is_never_half_done(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When deleting is interrupted the model is gone as a whole, and the rest goes with the next sweep."""
    model = _put(store)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    store.remove(model.id)
    assert store.models() == []
    assert store.usage() >= model.size
    monkeypatch.undo()
    store.sweep()
    assert store.usage() == 0


def test_usage(store: Store) -> None:
    """Disk usage counts models, manifests and unfinished downloads; an empty store has none."""
    assert store.usage() == 0
    assert store.models() == []
    model = _put(store)
    assert store.usage() == sum(path.stat().st_size for path in model.folder.iterdir())


def test_staging_depends_on_content(store: Store) -> None:
    """The same content continues in the same folder; other content under the same name does not."""
    file = RemoteFile("a.Q8_0.gguf", 10, "aa")
    repository = Repository(NAME, "1", (file,))
    again = Repository(NAME, "2", (file,))
    other = Candidate("Q8_0", (RemoteFile("a.Q8_0.gguf", 10, "bb"),))
    candidate = Candidate("Q8_0", (file,))
    assert store.staging(repository, candidate) == store.staging(again, candidate)
    assert store.staging(repository, candidate) != store.staging(repository, other)


def test_room_is_made_of_abandoned_downloads(store: Store) -> None:
    """Where the disk is too full, other unfinished downloads are deleted, and only then."""
    keep, other = (store.root / ".partial" / name for name in ("keep", "other"))
    keep.mkdir(parents=True)
    other.mkdir()
    store.make_room(1, keep)
    assert other.exists()
    store.make_room(10**18, keep)
    assert keep.exists()
    assert not other.exists()


@pytest.fixture(name="disk")
def disk_fixture(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Give the store a disk of its own, of 100 GB, on which only so many bytes are free beside what the store takes."""
    disk = {"total": 100_000_000_000, "room": 0}

    def usage(_path: object) -> tuple[int, int, int]:
        free = disk["room"] - store.usage()
        return shutil._ntuple_diskusage(disk["total"], disk["total"] - free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return disk


def _used(store: Store, *quants: str) -> list[StoredModel]:
    """Put quants into the store that were used one after the other, the last one now."""
    models = [_put(store, quant, size=20_000 + number) for number, quant in enumerate(quants)]
    for number, model in enumerate(models):
        store.use(model.path)
        os.utime(model.folder / "manifest.json", (number, number))
    return models


def test_other_quants_stay_while_there_is_room(store: Store, disk: dict[str, int]) -> None:
    """After a move to another quant the ones before are kept as long as a tenth of the disk is free."""
    _used(store, "Q8_0", "Q6_K", "Q4_K_M")
    disk["room"] = 10_000_000_000 + store.usage()
    store.tidy(NAME)
    assert len(store.models()) == 3


def test_other_quants_go_when_the_disk_is_short(store: Store, disk: dict[str, int]) -> None:
    """The one that was used longest ago goes first; the one in use and other models stay, whatever is missing."""
    _used(store, "Q8_0", "Q6_K", "Q4_K_M")
    other = _put(store, name="other/name-GGUF")
    disk["room"] = 10_000_000_000 + store.usage() - 10_000
    store.tidy(NAME)
    assert {model.quant for model in store.find(NAME)} == {"Q6_K", "Q4_K_M"}
    disk["room"] = 0
    store.tidy(NAME)
    assert {model.quant for model in store.find(NAME)} == {"Q4_K_M"}
    assert other in store.models()


def test_room_for_a_download_is_made_of_other_quants(store: Store, disk: dict[str, int]) -> None:
    """What is not in use gives way to a download that then fits, and to none that would not."""
    _used(store, "Q8_0", "Q4_K_M")
    disk["room"] = store.usage()
    store.make_room(1_000_000, store.root / ".partial" / "keep", NAME)
    assert len(store.models()) == 2
    store.make_room(15_000, store.root / ".partial" / "keep", NAME)
    assert [model.quant for model in store.models()] == ["Q4_K_M"]
    store.make_room(15_000, store.root / ".partial" / "keep", NAME)
    assert [model.quant for model in store.models()] == ["Q4_K_M"]


def test_listing_while_removing(store: Store) -> None:
    """A listing while models come and go on another thread never fails."""
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            store.remove(_put(store).id)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(50):
            store.models()
    finally:
        stop.set()
        thread.join()


def test_paths_stay_inside(store: Store, tmp_path: Path) -> None:
    """A repository's folders do not lead out of the model's own."""
    file = RemoteFile("../../evil.gguf", 10, "aa")
    candidate = Candidate("", (file,))
    assert file.name == "evil.gguf"
    assert store.root in store.staging(Repository(NAME, "1", (file,)), candidate).parents
