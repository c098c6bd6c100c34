"""Slots that are saved to files by name, as with llama-server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from http_client import Answer
from served import Served

PROMPT = "The lamp in the hall is on, and nobody is at home. " * 12


def ask(served: Served, slot: int, prompt: str = PROMPT) -> dict[str, Any]:
    """Have a prompt read with a slot, and return the timings."""
    body = {"prompt": prompt, "n_predict": 4, "temperature": 0, "ignore_eos": True, "id_slot": slot}
    answer = served.post("/completion", body)
    assert answer.status == 200, answer.body
    timings: dict[str, Any] = answer.json["timings"]
    return timings


def act(served: Served, slot: int, action: str, name: str | None = None) -> Answer:
    """Save, bring back or erase a slot."""
    return served.post(f"/slots/{slot}?action={action}", {} if name is None else {"filename": name})


@pytest.fixture(name="saving", params=["full", "window", "recurrent"])
def saving_fixture(request: pytest.FixtureRequest, tiny_paths: dict[str, Path], tmp_path: Path) -> Iterator[Served]:
    """Serve tiny models of several kinds with a folder for slots."""
    settings = {"model": str(tiny_paths[request.param]), "slot_folder": str(tmp_path / "slots")}
    with Served(tmp_path, places=4, **settings) as served:  # type: ignore[arg-type]
        served.wait_until("ok")
        yield served


def test_saved_and_brought_back(saving: Served, tmp_path: Path) -> None:
    """What was read is not read again after it was erased and brought back, also by another server."""
    first = ask(saving, 1)
    assert first["cache_n"] == 0
    saved = act(saving, 1, "save", "hall.bin").json
    assert saved["n_saved"] >= first["prompt_n"]
    assert saved["n_written"] == (tmp_path / "slots" / "hall.bin").stat().st_size
    assert act(saving, 1, "erase").json == {"id_slot": 1, "n_erased": saved["n_saved"]}
    again = ask(saving, 0, PROMPT[:-1] + "!")
    assert again["cache_n"] < first["prompt_n"] / 2
    with Served(tmp_path / "other", **vars_of(saving)) as other:
        other.wait_until("ok")
        restored = act(other, 0, "restore", "hall.bin").json
        assert (restored["n_restored"], restored["n_read"]) == (saved["n_saved"], saved["n_written"])
        # It is gone on with from where it ended, which every kind of memory can.
        whole = other.post(
            "/v1/completions", {"prompt": PROMPT, "max_tokens": 4, "temperature": 0, "ban_eos_token": True}
        )
        text = whole.json["choices"][0]["text"]
        assert ask(other, 2, PROMPT + text + " And")["cache_n"] > first["prompt_n"] / 2


def vars_of(served: Served) -> dict[str, Any]:
    """Return what a second server of the same model needs to be told."""
    return {"model": served.settings.model, "slot_folder": served.settings.slot_folder}


def test_names_stay_in_the_folder(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """A name is that of a file in the folder: no path, nothing hidden, no link, no folder."""
    folder = tmp_path / "slots"
    folder.mkdir()
    (folder / "inner").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    with Served(tmp_path, model=str(tiny_paths["full"]), slot_folder=str(folder)) as served:
        served.wait_until("ok")
        ask(served, 0)
        names = [
            "",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "a\\b",
            ".hidden",
            "a\x00b",
            "x" * 200,
            "inner",
            "link",
            "a b",
        ]
        for action in ("save", "restore"):
            for name in names:
                answer = act(served, 0, action, name)
                assert answer.status == 400, name
                assert "no path" in answer.json["error"]["message"]
        assert sorted(path.name for path in folder.iterdir()) == ["inner", "link"]
        assert not (tmp_path / "outside").exists()


def test_what_cannot_be_done(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """Slots that hold nothing, files that are not there, damaged or of other models, and other actions are refused."""
    folder = tmp_path / "slots"
    with Served(tmp_path, model=str(tiny_paths["full"]), slot_folder=str(folder), parallel=2) as served:
        served.wait_until("ok")
        assert "holds nothing" in act(served, 0, "save", "a").json["error"]["message"]
        assert act(served, 0, "erase").json == {"id_slot": 0, "n_erased": 0}
        assert "no file" in act(served, 0, "restore", "a").json["error"]["message"]
        assert "no slot 2" in act(served, 2, "erase").json["error"]["message"]
        assert act(served, 0, "copy", "a").status == 400
        assert served.post("/slots/0").status == 400
        ask(served, 7)
        ask(served, 0)
        assert act(served, 0, "save", "a").status == 200
        good = (folder / "a").read_bytes()
        other = good.replace(b'"fingerprint": "', b'"fingerprint": "x')
        for damaged in (b"", b"nothing", good[:40], good[:-40], good[:-60] + b"x" + good[-59:], other):
            (folder / "b").write_bytes(damaged)
            answer = act(served, 1, "restore", "b")
            assert answer.status == 400, damaged[:40]
            assert "cannot be used" in answer.json["error"]["message"]
            assert (folder / "b").exists()
        assert ask(served, 1)["cache_n"] > 0


def test_who_may(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """It takes the admin key, and a folder in the settings."""
    settings: dict[str, Any] = {"model": str(tiny_paths["full"]), "api_key": "one", "admin_key": "two"}
    with Served(tmp_path, **settings) as served:
        served.wait_until("ok")
        route = "/slots/0?action=save"
        assert served.post(route, {"filename": "a"}, Authorization="Bearer one").status == 401
        answer = served.post(route, {"filename": "a"}, Authorization="Bearer two")
        assert answer.status == 501
        assert "slot_folder" in answer.json["error"]["message"]
