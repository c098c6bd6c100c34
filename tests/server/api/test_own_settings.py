"""Settings of those who run the server by hand: names of the model, addresses, requests at once, seeds, routes."""

import socket
import threading
from pathlib import Path
from typing import Any

import flask
import pytest

from home_llm.api.server import HttpServer, PortError
from http_client import Client
from served import Served


def test_names_and_tags(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """The model has the names that were given to it, everywhere, beside its own; and the tags."""
    with Served(tmp_path, model=str(tiny_paths["full"]), alias="hal, home", tags="small,fast") as served:
        assert served.get("/health").json["model"] == "hal"
        served.wait_until("ok")
        (entry,) = served.get("/v1/models").json["data"]
        assert (entry["id"], entry["aliases"], entry["tags"]) == ("hal", ["hal", "home"], ["small", "fast"])
        assert served.get("/v1/models/home").json == entry
        assert served.get("/v1/models/full").status == 404
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
        assert served.post("/v1/chat/completions", body).json["model"] == "hal"
        assert served.get("/api/tags").json["models"][0]["name"] == "hal:latest"
        for name in ("hal", "home", "HOME:latest"):
            answer = served.post("/api/chat", {**body, "model": name, "stream": False, "options": {"num_predict": 2}})
            assert answer.status == 200, (name, answer.body)


def test_another_model_has_its_own_name(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """What was given to the configured model is not said of one that is loaded in its place."""
    with Served(tmp_path, model=str(tiny_paths["full"]), alias="hal", tags="small") as served:
        served.wait_until("ok")
        assert served.post("/v1/internal/model/load", {"model_name": "smollm2-135m"}).status == 200
        (entry,) = served.get("/v1/models").json["data"]
        assert entry["id"] == "SmolLM2-135M-Instruct"
        assert not {"aliases", "tags"} & set(entry)


def test_requests_at_once(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """As many requests run as the setting says, and the others wait for them."""
    with Served(tmp_path, model=str(tiny_paths["full"]), parallel=1) as served:
        served.wait_until("ok")
        assert served.get("/props").json["total_slots"] == len(served.get("/slots").json) == 1
        assert served.get("/props").json["places"] == 4
        engine = served.runtime.chat().engine
        seen: set[int] = set()
        body = {"prompt": "Once", "n_predict": 200, "ignore_eos": True}
        threads = [threading.Thread(target=served.post, args=("/completion", body)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            seen.add(engine.totals.running)
        assert max(seen) == 1


def test_a_seed_for_all(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """Requests that name no seed have that of the settings; choices of one request still differ."""
    body = {"prompt": "Once upon a time", "temperature": 1.5, "max_tokens": 12}

    def said(**fields: Any) -> list[str]:
        answer = served.post("/v1/completions", {**body, **fields})
        return [choice["text"] for choice in answer.json["choices"]]

    with Served(tmp_path, model=str(tiny_paths["full"]), seed=7) as served:
        served.wait_until("ok")
        assert said() == said() == said(seed=7)
        assert said(seed=8) != said()
        one, other = said(n=2)
        assert one != other
        assert [one] == said()
        assert served.get("/props").json["default_generation_settings"]["params"]["seed"] == 7
        native = served.post("/completion", {"prompt": "Once", "n_predict": 1}).json
        assert native["generation_settings"]["seed"] == 7


def test_routes_that_are_switched_off(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """What is switched off says so, with llama-server's status for it."""
    with Served(tmp_path, model=str(tiny_paths["full"]), slots="off", metrics="off") as served:
        for path in ("/slots", "/metrics"):
            answer = served.get(path)
            assert answer.status == 501
            assert answer.json["error"]["type"] == "not_supported_error"
            assert path[1:] in answer.json["error"]["message"]


def test_several_addresses() -> None:
    """One server answers on all of its addresses, and none of them is open when one cannot be had."""
    app = flask.Flask("test")
    app.add_url_rule("/", view_func=lambda: "here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hosts = ["127.0.0.1", "127.0.0.2"]
    with HttpServer(app, hosts, port, places=1):
        assert [Client(port, host).get("/").body for host in hosts] == [b"here", b"here"]
    with HttpServer(app, "127.0.0.2", port, places=1):
        with pytest.raises(PortError, match="in use"):
            HttpServer(app, hosts, port, places=1)
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
    with pytest.raises(PortError, match="no address"):
        HttpServer(app, ["127.0.0.1", "nowhere.invalid"], port, places=1)
