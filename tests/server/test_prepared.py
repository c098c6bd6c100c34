"""The embedded model is written anew for this machine at the first start."""

import os
from pathlib import Path

import pytest

from home_llm.models import HOME_ID
from home_llm.runtime import prepared
from served import Served

HOUSE = "Services: light.turn_on, light.turn_off\nDevices:\nlight.kitchen 'Kitchen Light' = off"
CHAT = {
    "messages": [{"role": "system", "content": HOUSE}, {"role": "user", "content": "turn on the kitchen light"}],
    "max_tokens": 24,
    "temperature": 0,
}


@pytest.fixture(autouse=True, name="vectors")
def vectors_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a processor for which llama.cpp rearranges weights."""
    monkeypatch.setattr(prepared, "repacks", lambda: True)


def answer(data_dir: Path) -> str:
    """Start a server, and return what its own model says to a command."""
    with Served(data_dir, model="embedded") as served:
        health = served.wait_until("ok", "error", "degraded")
        assert health["model"] == HOME_ID
        reply = served.post("/v1/chat/completions", CHAT)
        assert reply.status == 200
        return str(reply.json["choices"][0]["message"])


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the files of a folder, with what tells a file from one that was written again: numbers and times."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_once(tmp_path: Path) -> None:
    """The first start makes the files, later ones take them, damaged ones are made again; all say the same."""
    folder = tmp_path / "cache" / "recoded"
    said = answer(tmp_path)
    assert "light.kitchen" in said
    made = files(folder)
    assert len(made) == 2
    assert answer(tmp_path) == said
    assert files(folder) == made
    (model,) = (path for path in folder.iterdir() if not path.name.endswith(".lora.gguf"))
    whole = model.stat().st_size
    os.truncate(model, whole // 2)
    damaged = files(folder)[model.name]
    (folder / "home-135m-123.gguf.part").write_bytes(b"of a power cut")
    assert answer(tmp_path) == said
    assert files(folder).keys() == made.keys()
    assert files(folder)[model.name] not in (made[model.name], damaged)
    assert model.stat().st_size == whole


def test_gone_while_it_sleeps(tmp_path: Path) -> None:
    """Who clears the cache while the model rests gets answers all the same: base and adapter are there."""
    with Served(tmp_path, model="embedded", idle_unload=60) as served:
        served.wait_until("ok")
        before = served.post("/v1/chat/completions", CHAT).json["choices"][0]["message"]
        assert served.runtime.rest()
        for path in (tmp_path / "cache" / "recoded").iterdir():
            path.unlink()
        assert served.post("/v1/chat/completions", CHAT).json["choices"][0]["message"] == before


def test_other_adapters_beside_it(tmp_path: Path) -> None:
    """Whoever changes the adapters beside the model leaves the one that it is made with in its place."""
    with Served(tmp_path, model="embedded") as served:
        served.wait_until("ok")
        before = served.post("/v1/chat/completions", CHAT).json["choices"][0]["message"]
        assert served.post("/v1/internal/lora/unload").status == 200
        assert served.post("/v1/chat/completions", CHAT).json["choices"][0]["message"] == before


def test_the_same_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor gains nothing, nothing is made, and the answer is the same."""
    monkeypatch.setattr(prepared, "repacks", lambda: False)
    plain = answer(tmp_path / "plain")
    assert not (tmp_path / "plain" / "cache" / "recoded").exists()
    monkeypatch.setattr(prepared, "repacks", lambda: True)
    assert answer(tmp_path / "fast") == plain


def test_no_place_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the files cannot be written, one line says so, and the adapter works beside its base."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "recoded").write_text("in the way")
    assert "light.kitchen" in answer(tmp_path)
    assert len([record for record in caplog.records if "cannot be prepared for this machine" in record.message]) == 1
