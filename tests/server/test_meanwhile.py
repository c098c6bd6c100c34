"""The embedded model answers while the configured one is downloaded, over real HTTP."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from home_llm.models import HOME_ID
from hub import LocalHub
from served import Served

REPOSITORY = "acme/Home-GGUF"
FILE = "home.Q4_K_M.gguf"
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "temperature": 0}


@pytest.fixture(name="hub")
def hub_fixture(tiny_paths: dict[str, Path]) -> Iterator[LocalHub]:
    """Run a hub that has a tiny model, and sends it slowly."""
    with LocalHub() as hub:
        hub.add_repository(REPOSITORY, {FILE: tiny_paths["full"].read_bytes()})
        hub.slow_down(200_000)
        yield hub


def serve(data_dir: Path, hub: LocalHub, **settings: Any) -> Served:
    """Serve the hub's model, with the embedded one meanwhile."""
    values: dict[str, Any] = {"hub_url": hub.url, "repository": REPOSITORY, "quant": "Q4_K_M", "meanwhile": "embedded"}
    return Served(data_dir, **{**values, **settings})


def test_it_answers_while_the_other_is_downloaded(tmp_path: Path, hub: LocalHub) -> None:
    """Requests are answered by the embedded model, which health names; then by the other, and no request is lost."""
    statuses: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = served.post("/v1/chat/completions", CHAT)
            statuses.append((answer.status, answer.json.get("model", "")))

    with serve(tmp_path, hub) as served:
        health = served.wait_until("downloading")
        assert health["model"] == HOME_ID
        assert health["message"].endswith(f"{HOME_ID} answers meanwhile.")
        assert health["download"]["file"] == FILE
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60
        while served.get("/health").json["model"] != REPOSITORY:
            assert time.monotonic() < end
            time.sleep(0.05)
        served.wait_until("ok")
        before = len(statuses)
        while len(statuses) < before + 4:
            time.sleep(0.05)
        done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in statuses} == {200}
    assert statuses[0][1] == HOME_ID
    # What had begun before the switch may end after it.
    assert REPOSITORY in {name for _, name in statuses}


def test_what_is_here_is_loaded_at_once(tmp_path: Path, hub: LocalHub) -> None:
    """The second start has the configured model from the beginning, and needs no hub."""
    hub.slow_down(0)
    with serve(tmp_path, hub) as served:
        while served.wait_until("ok")["model"] != REPOSITORY:
            time.sleep(0.05)
    hub.requests.clear()
    with serve(tmp_path, hub) as served:
        assert served.wait_until("ok", "downloading")["model"] == REPOSITORY
    assert not hub.requests


def test_it_goes_on_where_the_other_cannot_be_had(tmp_path: Path, hub: LocalHub) -> None:
    """A repository that does not exist is an error that health names, and the embedded model answers."""
    with serve(tmp_path, hub, repository="acme/missing") as served:
        health = served.wait_until("error")
        assert "acme/missing" in health["message"]
        assert health["message"].endswith(f"{HOME_ID} answers meanwhile.")
        assert served.post("/v1/chat/completions", CHAT).json["model"] == HOME_ID


def test_it_goes_on_where_the_other_cannot_be_loaded(
    tmp_path: Path, hub: LocalHub, tiny_paths: dict[str, Path]
) -> None:
    """A model that llama.cpp refuses leaves the embedded one answering."""
    broken = bytearray(tiny_paths["full"].read_bytes())
    at = broken.index(b"attn_q.weight")
    broken[at : at + 6] = b"attn_z"
    hub.add_repository(REPOSITORY, {FILE: bytes(broken)})
    hub.slow_down(0)
    with serve(tmp_path, hub) as served:
        health = served.wait_until("error")
        assert health["model"] == HOME_ID
        assert served.post("/v1/chat/completions", CHAT).json["model"] == HOME_ID
