"""The runtime: downloads while the port is open, and everything that can go wrong on the way, over real HTTP."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import LocalHub
from served import Served

CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
REPOSITORY = "acme/Home-GGUF"
FILE = "home.Q4_K_M.gguf"


@pytest.fixture(name="hub")
def hub_fixture(model_path: Path) -> Iterator[LocalHub]:
    """Run a hub that has the embedded model's file under another name."""
    with LocalHub() as hub:
        hub.add_repository(REPOSITORY, {FILE: model_path.read_bytes()})
        yield hub


def serve(data_dir: Path, hub: LocalHub, **settings: Any) -> Served:
    """Serve the hub's model."""
    values: dict[str, Any] = {"hub_url": hub.url, "repository": REPOSITORY, "quant": "Q4_K_M", **settings}
    return Served(data_dir, **values)


def test_a_first_and_a_second_start(tmp_path: Path, hub: LocalHub) -> None:
    """The port is open while the model downloads, then it answers; the second start needs no hub."""
    hub.slow_down(20_000_000)
    with serve(tmp_path, hub) as served:
        health = served.wait_until("downloading")
        assert health["model"] == REPOSITORY
        assert health["download"]["file"] == FILE
        assert health["download"]["total"] > 90_000_000
        assert "Downloading" in health["message"]
        answer = served.post("/v1/chat/completions", CHAT)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json["error"]["type"] == "unavailable_error"
        assert "Downloading" in answer.json["error"]["message"]
        assert served.get("/v1/models").json["data"][0]["id"] == REPOSITORY
        hub.slow_down(0)
        served.wait_until("ok")
        assert served.get("/health").json["download"] is None
        assert served.post("/v1/chat/completions", CHAT).status == 200
    requests = len(hub.requests)
    with serve(tmp_path, hub) as served:
        served.wait_until("ok")
        assert served.post("/v1/chat/completions", CHAT).status == 200
        assert len(hub.requests) == requests


def test_a_download_is_stopped_and_resumed(tmp_path: Path, hub: LocalHub) -> None:
    """Stopping in the middle is quick and keeps what came; the next start goes on from there."""
    hub.slow_down(20_000_000)
    with serve(tmp_path, hub) as served:
        while served.wait_until("downloading")["download"]["done"] < 1_000_000:
            time.sleep(0.05)
    hub.slow_down(0)
    hub.requests.clear()
    with serve(tmp_path, hub) as served:
        served.wait_until("ok")
    assert any(request.range and not request.range.startswith("bytes=0-") for request in hub.requests)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"repository": "acme/missing"}, "acme/missing"),
        ({"quant": "Q8_0"}, "Q4_K_M"),
        ({"model": "no-such-model", "repository": "", "quant": "auto"}, "no-such-model"),
        ({"model": "/nowhere/model.gguf", "repository": "", "quant": "auto"}, "/nowhere/model.gguf"),
        ({"context_size": 2_000_000_000}, "memory"),
    ],
)
def test_what_cannot_be_had(tmp_path: Path, hub: LocalHub, settings: dict[str, Any], words: str) -> None:
    """The server stays up, and health and every answer say what is wrong."""
    with (
        serve(tmp_path, hub, **settings)
        if "quant" not in settings and "repository" not in settings
        else Served(tmp_path, **{"hub_url": hub.url, "repository": REPOSITORY, "quant": "Q4_K_M", **settings}) as served
    ):
        health = served.wait_until("error")
        assert words in health["message"]
        answer = served.post("/v1/chat/completions", CHAT)
        assert answer.status == 503
        assert words in answer.json["error"]["message"]


@pytest.mark.parametrize(("content", "words"), [(b"<html>not found</html>", "GGUF"), (None, "cut short")])
def test_files_that_are_no_models(tmp_path: Path, model_path: Path, content: bytes | None, words: str) -> None:
    """A file that is no GGUF, or half of one, is named in health and never reaches llama.cpp."""
    path = tmp_path / "half.gguf"
    path.write_bytes(model_path.read_bytes()[:5_000_000] if content is None else content)
    with Served(tmp_path / "data", model=str(path)) as served:
        message = served.wait_until("error")["message"]
        assert words.lower() in message.lower()
        assert "half.gguf" in message


def test_a_hub_that_is_down(tmp_path: Path) -> None:
    """Without a hub the server stays up and says that it cannot be reached."""
    with LocalHub() as hub:
        url = hub.url
    with Served(tmp_path, hub_url=url, repository=REPOSITORY, quant="Q4_K_M") as served:
        # It tries for a while before it says so.
        message = served.wait_until("error", seconds=90)["message"]
        assert "127.0.0.1" in message or "hub" in message.lower()


def test_a_full_disk(tmp_path: Path, hub: LocalHub) -> None:
    """A model that does not fit on the disk is refused before it is downloaded."""
    hub.announce_size(REPOSITORY, FILE, 10**15)
    with serve(tmp_path, hub) as served:
        message = served.wait_until("error")["message"]
        assert "GB" in message


def test_a_data_folder_that_cannot_be_written(tmp_path: Path, hub: LocalHub) -> None:
    """A data folder that is a file is an error in health, not a crash."""
    folder = tmp_path / "data"
    folder.write_text("a file")
    with serve(folder, hub) as served:
        assert str(folder) in served.wait_until("error")["message"]
    assert folder.is_file()
