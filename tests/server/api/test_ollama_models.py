"""Ollama's dialect: the models of this machine, downloading more of them, and keys."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from home_llm.models import BASE_ID, HOME_ID
from hub import LocalHub
from served import Served

NAME = "SmolLM2-135M-Instruct"
FILE = "Home-1B-v3.Q4_1.gguf"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture(name="hub")
def hub_fixture(model_path: Path) -> Iterator[LocalHub]:
    """Run a hub that has the embedded model's file as one of the catalogue's."""
    with LocalHub() as hub:
        hub.add_repository("acon96/Home-1B-v3-GGUF", {FILE: model_path.read_bytes()})
        yield hub


def ask(served: Served, model: str, **headers: str) -> Any:
    """Ask a model for a word."""
    body = {"model": model, "messages": HELLO, "stream": False, "options": {"num_predict": 1}}
    return served.post("/api/chat", body, **headers)


@pytest.mark.parametrize("accept", [{}, {"Accept": "*/*"}, {"Accept": "application/json, text/plain, */*"}])
def test_somebody_is_there(served: Served, accept: dict[str, str]) -> None:
    """Clients of Ollama find it running; browsers and who wants JSON get to know more."""
    answer = served.get("/", **accept)
    assert answer.body == b"Ollama is running"
    assert served.request("HEAD", "/", None, **accept).status == 200
    for more in ("text/html,application/xhtml+xml", "application/json"):
        assert served.get("/", Accept=more).json["name"] == "Home LLM"


def test_tags(served: Served) -> None:
    """The list has what Ollama's clients are strict about: times, sizes as numbers, and details."""
    models = served.get("/api/tags").json["models"]
    assert [model["name"] for model in models] == [f"{NAME}:latest", f"{HOME_ID}:latest"]
    model = models[0]
    assert model["name"] == model["model"]
    assert datetime.fromisoformat(model["modified_at"]).utcoffset() is not None
    assert model["size"] > 90_000_000
    assert len(model["digest"]) == 64
    assert model["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
    }
    assert served.request("HEAD", "/api/tags", None).status == 200


def test_show(served: Served) -> None:
    """A model is told of by its header: what it can do, how long its context is, its template."""
    shown = served.post("/api/show", {"model": NAME}).json
    assert shown["capabilities"] == ["completion", "tools"]
    assert shown["model_info"]["general.architecture"] == "llama"
    assert shown["model_info"]["llama.context_length"] == 8192
    assert shown["model_info"]["general.parameter_count"] == 134515008
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert "tokenizer.chat_template" not in shown["model_info"]
    assert "im_start" in shown["template"]
    assert served.post("/api/show", {"name": f"{NAME}:latest"}).json["details"] == shown["details"]
    assert served.post("/api/show", {}).json == {"error": "model is required"}


def test_version_and_processes(served: Served) -> None:
    """The version is one that clients can compare; the model in the memory is listed with its context."""
    assert [int(part) for part in served.get("/api/version").json["version"].split(".")] >= [0, 9, 0]
    (process,) = served.get("/api/ps").json["models"]
    assert process["model"] == f"{NAME}:latest"
    assert process["context_length"] == 2048
    assert datetime.fromisoformat(process["expires_at"]).year > 2100
    assert isinstance(process["size_vram"], int)


def test_the_same_weights_with_and_without_our_adapter(tmp_path: Path) -> None:
    """The Home model and its base are two models: a request is answered by the one that it names."""
    with Served(tmp_path, model="embedded", context_size=512) as served:
        served.wait_until("ok")
        models = served.get("/api/tags").json["models"]
        assert [model["name"] for model in models] == [f"{HOME_ID}:latest", f"{NAME}:latest"]
        assert models[0]["digest"] != models[1]["digest"]
        assert models[0]["size"] > models[1]["size"]
        for name, wanted in ((HOME_ID, HOME_ID), (BASE_ID, NAME), ("embedded", NAME), (NAME, NAME), (HOME_ID, HOME_ID)):
            assert ask(served, name).status == 200
            assert served.get("/health").json["model"] == wanted
            assert [model["name"] for model in served.get("/api/ps").json["models"]] == [f"{wanted}:latest"]


def test_a_key_for_the_other_one_of_the_same_weights(tmp_path: Path) -> None:
    """Who may not load models is told that the base is not loaded while the Home model is."""
    with Served(tmp_path, model="embedded", context_size=512, api_key="user", admin_key="admin") as served:
        served.wait_until("ok")
        refused = ask(served, BASE_ID, Authorization="Bearer user")
        assert refused.status == 403
        assert "is not loaded" in refused.json["error"]
        assert ask(served, HOME_ID, Authorization="Bearer user").status == 200
        assert ask(served, BASE_ID, Authorization="Bearer admin").status == 200
        assert served.get("/health").json["model"] == NAME


def test_embeddings(served: Served) -> None:
    """Texts become vectors of length 1, one or many; the older route has one vector for one text."""
    body = {"model": NAME, "input": ["the hall light", "the kitchen"]}
    answer = served.post("/api/embed", body).json
    assert answer["model"] == NAME
    assert len(answer["embeddings"]) == 2
    assert all(abs(sum(number**2 for number in vector) - 1) < 1e-3 for vector in answer["embeddings"])
    assert answer["prompt_eval_count"] >= 5
    assert isinstance(answer["total_duration"], int)
    one = served.post("/api/embed", {"model": NAME, "input": "the kitchen", "dimensions": 8}).json["embeddings"]
    assert len(one) == 1
    assert len(one[0]) == 8
    assert served.post("/api/embed", {"model": NAME, "input": []}).json["embeddings"] == []
    old = served.post("/api/embeddings", {"model": NAME, "prompt": "the kitchen"}).json
    assert len(old["embedding"]) == len(answer["embeddings"][0])
    assert served.post("/api/embeddings", {"model": NAME}).json == {"embedding": []}
    assert served.post("/api/embed", {"model": "nothing", "input": "x"}).status == 404


def test_long_texts(data_dir: Path) -> None:
    """A text that is too long is cut, unless that is not wished."""
    with Served(data_dir, context_size=256) as served:
        served.wait_until("ok")
        body = {"model": NAME, "input": "word " * 400}
        assert served.post("/api/embed", body).json["prompt_eval_count"] == 256
        refused = served.post("/api/embed", {**body, "truncate": False})
        assert refused.status == 400
        assert "context length" in refused.json["error"]
        assert served.post("/api/embeddings", {"model": NAME, "prompt": body["input"]}).status == 200


def test_a_pull_in_lines(tmp_path: Path, hub: LocalHub) -> None:
    """A model of the catalogue is downloaded line by line, is listed, answers when asked for, and can be left again."""
    with Served(tmp_path, hub_url=hub.url, quant="auto") as served:
        served.wait_until("ok")
        answer = served.post("/api/pull", {"model": "home-1b-v3"})
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        rows = [json.loads(line) for line in answer.body.splitlines()]
        assert rows[0] == {"status": "pulling manifest"}
        assert rows[-1] == {"status": "success"}
        parts = [row for row in rows if "total" in row]
        assert parts
        for row in parts:
            assert row["digest"].startswith("sha256:")
            assert row["status"] == f"pulling {row['digest'][7:19]}"
            assert 0 <= row["completed"] <= row["total"] > 90_000_000
        assert parts[-1]["completed"] == parts[-1]["total"]

        names = [model["name"] for model in served.get("/api/tags").json["models"]]
        assert names == [f"{NAME}:latest", f"{HOME_ID}:latest", "home-1b-v3:latest"]
        requests = len(hub.requests)
        again = served.post("/api/pull", {"name": "home-1b-v3:latest", "stream": False})
        assert again.json == {"status": "success"}
        assert len(hub.requests) == requests

        for name in ("home-1b-v3", "acon96/Home-1B-v3-GGUF", "hf.co/acon96/Home-1B-v3-GGUF:Q4_1", "HOME-1B-V3:latest"):
            assert ask(served, name).status == 200, name
        assert served.get("/health").json["model"] == "home-1b-v3"
        assert [model["name"] for model in served.get("/api/ps").json["models"]] == ["home-1b-v3:latest"]
        assert ask(served, NAME).status == 200
        assert served.get("/health").json["model"] == NAME
        names = served.get("/v1/internal/model/list").json["model_names"]
        assert names == [NAME, HOME_ID, "home-1b-v3"]


def test_pulls_that_cannot_be(tmp_path: Path, hub: LocalHub) -> None:
    """A name that is in no catalogue is a 404; what the hub refuses is an error in place of success."""
    hub.add_repository("acme/secret", {"m.Q4_1.gguf": b"GGUF"}, gated=True)
    with Served(tmp_path, hub_url=hub.url) as served:
        served.wait_until("ok")
        for body in ({"model": "llama3.2"}, {"model": "home-1b-v33"}, {"model": "/etc/passwd.gguf"}):
            answer = served.post("/api/pull", body)
            assert answer.status == 404
            assert set(answer.json) == {"error"}
        assert "home-1b-v3" in served.post("/api/pull", {"model": "home-1b-v33"}).json["error"]
        assert served.post("/api/pull", {}).status == 400
        refused = served.post("/api/pull", {"model": "acme/secret", "stream": False})
        assert refused.status == 400
        assert "acme/secret" in refused.json["error"]
        last = json.loads(served.post("/api/pull", {"model": "acme/secret"}).body.splitlines()[-1])
        assert "acme/secret" in last["error"]


def test_a_client_that_leaves_stops_its_pull(tmp_path: Path, hub: LocalHub) -> None:
    """A download nobody waits for ends, and the next pull goes on with it."""
    hub.slow_down(5_000_000)
    with Served(tmp_path, hub_url=hub.url) as served:
        served.wait_until("ok")
        connection = served.connect()
        connection.request("POST", "/api/pull", json.dumps({"model": "home-1b-v3"}).encode())
        response = connection.getresponse()
        while b'"completed"' not in response.readline():
            pass
        busy = served.post("/api/pull", {"model": "acon96/Home-1B-v3-GGUF:Q4_1", "stream": False})
        assert busy.status == 503
        connection.close()
        response.close()
        hub.slow_down(0)
        for _ in range(100):
            answer = served.post("/api/pull", {"model": "home-1b-v3", "stream": False})
            if answer.status != 503:
                break
        assert answer.json == {"status": "success"}
        assert any(request.range and not request.range.startswith("bytes=0-") for request in hub.seen("cdn"))


def test_keys(tmp_path: Path, hub: LocalHub) -> None:
    """The API key answers and lists; pulling and another model than the one that runs are the admin's."""
    key, admin = {"Authorization": "Bearer api"}, {"Authorization": "Bearer admin"}
    with Served(tmp_path, hub_url=hub.url, api_key="api", admin_key="admin") as served:
        served.wait_until("ok")
        refused = served.get("/api/tags")
        assert refused.status == 401
        assert isinstance(refused.json["error"], str)
        assert served.get("/api/tags", **key).status == 200
        pull = {"model": "home-1b-v3", "stream": False}
        assert served.post("/api/pull", pull, **key).status == 401
        assert served.post("/api/pull", pull, **admin).json == {"status": "success"}
        assert ask(served, NAME, **key).status == 200
        forbidden = ask(served, "home-1b-v3", **key)
        assert forbidden.status == 403
        assert "admin key" in forbidden.json["error"]
        assert ask(served, "home-1b-v3", **admin).status == 200


def test_a_model_on_its_way(tmp_path: Path, hub: LocalHub) -> None:
    """While the configured model downloads, it is not unknown: the answer is a 503 that says how far it is."""
    hub.slow_down(20_000_000)
    with Served(tmp_path, hub_url=hub.url, model="home-1b-v3") as served:
        served.wait_until("downloading")
        answer = ask(served, "home-1b-v3:latest")
        assert answer.status == 503
        assert "Downloading" in answer.json["error"]
        assert served.get("/api/tags").status == 200
        hub.slow_down(0)
        served.wait_until("ok")
        assert ask(served, "home-1b-v3:latest").status == 200
