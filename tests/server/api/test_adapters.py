"""LoRA adapters over HTTP, in llama-server's way and in text-generation-webui's."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gguf_writer import lora_adapter, tiny_model
from http_client import Answer
from served import Served

QUESTION = {"prompt": "Once upon a time there was a house", "max_tokens": 10, "temperature": 0}
LIST, LOAD, UNLOAD = (f"/v1/internal/lora/{what}" for what in ("list", "load", "unload"))


@pytest.fixture(scope="module", name="folder")
def folder_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data folder with adapters, good and bad ones, and one beside it for the settings."""
    folder = tmp_path_factory.mktemp("adapters")
    (folder / "adapters").mkdir()
    more = {"adapter.lora.task_name": "house"}
    (folder / "set.gguf").write_bytes(lora_adapter(more, seed=2))
    for name, content in (
        ("one.gguf", lora_adapter(seed=1)),
        ("cut.gguf", lora_adapter()[:-100]),
        ("model.gguf", tiny_model()),
        ("foreign.gguf", lora_adapter({"general.architecture": "qwen2"})),
        ("wide.gguf", lora_adapter(width=512)),
        ("notes.txt", b"not listed"),
    ):
        (folder / "adapters" / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module", name="adapted")
def adapted_fixture(folder: Path, exact_path: Path) -> Iterator[Served]:
    """Serve with an adapter of the settings at scale 0."""
    with Served(
        folder, model=str(exact_path), context_size=512, cache_type="f16", adapters=f"{folder / 'set.gguf'}=0"
    ) as served:
        served.wait_until("ok")
        yield served


def say(served: Served) -> str:
    """Return a greedy answer."""
    answer = served.post("/v1/completions", QUESTION)
    assert answer.status == 200, answer.body
    text: str = answer.json["choices"][0]["text"]
    return text


def test_both_ways(adapted: Served, folder: Path) -> None:
    """Scales and names change what is said, and back; lists show what is applied, and numbers stay."""
    first = {"id": 0, "path": str(folder / "set.gguf"), "scale": 0.0, "task_name": "house", "prompt_prefix": ""}
    assert adapted.get("/lora-adapters").json == [first]
    base = say(adapted)
    assert adapted.post("/lora-adapters", [{"id": 0, "scale": 1.5}]).json == {"success": True}
    assert adapted.get("/lora-adapters").json == [{**first, "scale": 1.5}]
    scaled = say(adapted)
    assert scaled != base
    assert adapted.get("/v1/internal/model/info").json["lora_names"] == ["set.gguf"]

    assert adapted.get(LIST).json == {
        "lora_names": ["cut.gguf", "foreign.gguf", "model.gguf", "one.gguf", "wide.gguf", "set.gguf"]
    }
    assert adapted.post(LOAD, {"lora_names": ["one"]}).json == "OK"
    assert adapted.get("/v1/internal/model/info").json["lora_names"] == ["one.gguf"]
    listed = adapted.get("/lora-adapters").json
    assert [(entry["id"], Path(entry["path"]).name, entry["scale"]) for entry in listed] == [
        (0, "set.gguf", 0.0),
        (1, "one.gguf", 1.0),
    ]
    named = say(adapted)
    assert named not in (base, scaled)
    assert adapted.post("/lora-adapters", [{"id": 0, "scale": 1.5}]).status == 200
    assert say(adapted) == scaled
    assert adapted.post(LOAD, {"lora_names": ["one.gguf", "set.gguf"]}).json == "OK"
    assert adapted.post(UNLOAD).json == "OK"
    assert adapted.get("/lora-adapters").json == [first]
    assert say(adapted) == base


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/lora-adapters", [{"id": 7, "scale": 1}], "There is no adapter 7. There are: 0 (set.gguf)."),
        ("/lora-adapters", [{"id": -1, "scale": 1}], "no adapter -1"),
        ("/lora-adapters", {"id": 0, "scale": 1}, "array"),
        ("/lora-adapters", [{"id": 0}], "scale"),
        ("/lora-adapters", [{"id": 0, "scale": "much"}], "scale"),
        ("/lora-adapters", b'[{"id": 0, "scale": 1e999}]', "scale"),
        ("/lora-adapters", b"[", "JSON"),
        ("/lora-adapters", [5], "object"),
        (LOAD, {}, "lora_names"),
        (LOAD, {"lora_names": "one"}, "lora_names"),
        (LOAD, {"lora_names": ["nothing"]}, "There is no adapter 'nothing'. There are: cut.gguf"),
        (LOAD, {"lora_names": ["../set.gguf"]}, "There is no adapter '../set.gguf'"),
        (LOAD, {"lora_names": ["one", "cut"]}, "cut.gguf is cut short"),
        (LOAD, {"lora_names": ["model.gguf"]}, "not a LoRA adapter"),
        (LOAD, {"lora_names": ["foreign.gguf"]}, "'qwen2'"),
        (LOAD, {"lora_names": ["wide.gguf"]}, "shape"),
    ],
)
def test_bad_requests(adapted: Served, path: str, body: Any, words: str) -> None:
    """What cannot be done is a 400 that says why, in `detail` too on the internal routes, and changes nothing."""
    adapted.post("/lora-adapters", [{"id": 0, "scale": 1}])
    before = adapted.get("/lora-adapters").json
    answer = adapted.post(path, body)
    assert answer.status == 400, answer.body
    assert words in answer.json["error"]["message"]
    assert ("detail" in answer.json) == path.startswith("/v1/internal")
    assert adapted.get("/lora-adapters").json == before
    assert adapted.get("/health").json["status"] == "ok"


def test_changes_while_others_speak(adapted: Served) -> None:
    """A stream that runs is not cut by a change, and the change is there when it has ended."""
    adapted.post(UNLOAD)
    streams: list[Answer] = []
    body = {**QUESTION, "max_tokens": 60, "stream": True, "ignore_eos": True}
    thread = threading.Thread(target=lambda: streams.append(adapted.post("/v1/completions", body)))
    alone = adapted.post("/v1/completions", body).chunks
    thread.start()
    assert adapted.post(LOAD, {"lora_names": ["one"]}).json == "OK"
    thread.join()
    texts = ["".join(chunk["choices"][0]["text"] for chunk in chunks) for chunks in (alone, streams[0].chunks)]
    # It began before the change, or after it.
    assert texts[1] in (texts[0], say_long(adapted, body))
    adapted.post(UNLOAD)


def say_long(served: Served, body: dict[str, Any]) -> str:
    """Return the text of a streamed answer."""
    return "".join(chunk["choices"][0]["text"] for chunk in served.post("/v1/completions", body).chunks)


def test_another_model_has_no_adapters(adapted: Served, folder: Path) -> None:
    """The adapters of the settings are for the configured model: another one is loaded without them."""
    assert adapted.post("/v1/internal/model/load", {"model_name": "embedded", "args": {"ctx_size": 512}}).json == "OK"
    assert adapted.get("/lora-adapters").json == []
    answer = adapted.post("/lora-adapters", [{"id": 0, "scale": 1}])
    assert answer.status == 400
    assert "None is loaded" in answer.json["error"]["message"]
    assert "set.gguf" not in adapted.get(LIST).json["lora_names"]


@pytest.mark.parametrize(("name", "words"), [("cut.gguf", "cut short"), ("gone.gguf", "There is no adapter")])
def test_bad_settings(folder: Path, tmp_path: Path, name: str, words: str) -> None:
    """An adapter of the settings that cannot be used is an error in health, by its name."""
    with Served(tmp_path, adapters=str(folder / "adapters" / name)) as served:
        message = served.wait_until("error")["message"]
        assert name in message
        assert words in message


def test_keys(folder: Path, tmp_path: Path) -> None:
    """The API key reads llama-server's list; the admin key is needed for changes and for the webui's routes."""
    shutil.copytree(folder / "adapters", tmp_path / "adapters")
    with Served(tmp_path, api_key="api", admin_key="admin", model="/nowhere.gguf") as served:
        assert served.get("/lora-adapters").status == 401
        assert served.get("/lora-adapters", Authorization="Bearer api").json == []
        assert served.get(LIST, Authorization="Bearer api").status == 401
        assert "one.gguf" in served.get(LIST, Authorization="Bearer admin").json["lora_names"]
        for path, body in (("/lora-adapters", []), (LOAD, {"lora_names": []}), (UNLOAD, None)):
            assert served.post(path, body, Authorization="Bearer api").status == 401
            served.wait_until("error")
            # There is no model that they could be for.
            refused = served.post(path, body, Authorization="Bearer admin")
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) > 0
