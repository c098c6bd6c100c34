"""A server that nobody asks for anything: unloading, waking up, and what it costs."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from gguf_writer import lora_adapter
from home_llm.runtime.idle import IdleTimer
from served import Served

# 1.2 seconds.
SOON = 0.02
SYSTEM = {"role": "system", "content": "The lamp in the hall is on. " * 40}
CHAT = {"messages": [SYSTEM, {"role": "user", "content": "Is it on?"}], "max_tokens": 3}


def test_it_sleeps_and_wakes(data_dir: Path) -> None:
    """It unloads by itself and says so; the next request is answered, and finds its prefix."""
    with Served(data_dir, idle_unload=SOON) as served:
        name = served.wait_until("ok")["model"]
        assert served.post("/v1/internal/warm", CHAT).status == 200
        health = served.wait_until("unloaded", seconds=10)
        assert health["model"] == name
        assert "0.02 min" in health["message"]
        assert "loads it again by itself" in health["message"]
        # Looking wakes nobody.
        assert "home_llm:model_loaded 0.0" in served.get("/metrics").body.decode()
        assert served.get("/v1/models").json["data"] == [
            {"id": name, "object": "model", "created": 0, "owned_by": "home-llm"}
        ]
        assert served.get("/v1/internal/model/info").json["model_name"] == "None"
        assert name in served.get("/v1/internal/model/list").json["model_names"]
        assert served.get("/lora-adapters").json == []
        assert served.post("/v1/internal/stop-generation").status == 200
        assert served.get("/health").json["status"] == "unloaded"

        answer = served.post("/v1/chat/completions", CHAT)
        assert answer.status == 200
        assert answer.json["usage"]["prompt_tokens_details"]["cached_tokens"] > 250
        assert served.get("/health").json["status"] == "ok"


def test_many_wake_it_once(data_dir: Path) -> None:
    """Requests that come while it wakes up wait for the same load, of any kind."""
    requests = [
        ("/v1/internal/encode", {"text": "hi"}),
        ("/v1/internal/warm", CHAT),
        ("/v1/chat/completions", {**CHAT, "stream": True}),
        ("/v1/completions", {"prompt": "hi", "max_tokens": 2}),
    ]
    with Served(data_dir, idle_unload=SOON) as served:
        for _ in range(2):
            served.wait_until("unloaded", seconds=10)
            answers: list[int] = []

            def ask(path: str, body: object, answers: list[int] = answers) -> None:
                answers.append(served.post(path, body).status)

            threads = [threading.Thread(target=ask, args=request) for request in requests]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert answers == [200] * len(requests)


def test_it_does_not_sleep_while_it_works(data_dir: Path) -> None:
    """A request that takes longer than the time is not cut, and the time begins when it has ended."""
    soon = SOON / 2
    with Served(data_dir, idle_unload=soon) as served:
        served.wait_until("ok")
        started = time.monotonic()
        body = {"prompt": "Once", "max_tokens": 600, "ignore_eos": True, "temperature": 0}
        answer = served.post("/v1/completions", body)
        ended = time.monotonic()
        assert ended - started > soon * 60
        assert answer.json["usage"]["completion_tokens"] == 600
        assert served.get("/health").json["status"] == "ok"
        served.wait_until("unloaded", seconds=10)
        assert soon * 60 - 0.05 < time.monotonic() - ended < soon * 60 + 3


def test_unloading_on_request_lasts(data_dir: Path) -> None:
    """What a client has unloaded is not loaded again by requests, also when it was asleep before, but by `load`."""
    with Served(data_dir, idle_unload=SOON) as served:
        name = served.wait_until("ok")["model"]
        served.wait_until("unloaded", seconds=10)
        assert served.post("/v1/internal/model/unload").json == "OK"
        refused = served.post("/v1/chat/completions", CHAT)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json["error"]["message"] == "The model has been unloaded."
        assert served.post("/v1/internal/model/load", {"model_name": name, "args": {"ctx_size": 512}}).json == "OK"
        served.wait_until("unloaded", seconds=10)
        # It comes back as it was loaded.
        assert served.post("/v1/internal/encode", {"text": "hi"}).status == 200
        assert served.get("/v1/models").json["data"][0]["meta"]["n_ctx"] == 512


def test_adapters_come_back(data_dir: Path, tmp_path: Path) -> None:
    """A model wakes up with the adapters that it fell asleep with; the list shows them meanwhile."""
    path = tmp_path / "house.gguf"
    path.write_bytes(lora_adapter())
    with Served(data_dir, idle_unload=SOON, adapters=str(path)) as served:
        served.wait_until("ok")
        assert served.post("/lora-adapters", [{"id": 0, "scale": 0.5}]).status == 200
        served.wait_until("unloaded", seconds=10)
        assert served.get("/lora-adapters").json[0]["scale"] == 0.5
        assert served.get("/health").json["status"] == "unloaded"
        # A change needs the model.
        assert served.post("/lora-adapters", [{"id": 0, "scale": 0.25}]).status == 200
        assert served.get("/health").json["status"] == "ok"
        assert served.get("/lora-adapters").json[0]["scale"] == 0.25


def test_a_model_that_cannot_wake(data_dir: Path, tmp_path: Path) -> None:
    """When there is too little memory the request is told so; once there is enough, the next one wakes the model."""
    free = [10**10]
    with Served(data_dir, idle_unload=SOON, memory=lambda: free[0]) as served:
        served.wait_until("unloaded", seconds=10)
        free[0] = 10**8
        refused = served.post("/v1/internal/encode", {"text": "hi"})
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert "100 MB are free" in refused.json["error"]["message"]
        assert served.get("/health").json["status"] == "error"
        free[0] = 10**10
        assert served.post("/v1/internal/encode", {"text": "hi"}).status == 200
        assert served.get("/health").json["status"] == "ok"


def test_patience(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request does not wait for ever for a model that takes too long to wake; a later one is answered."""
    monkeypatch.setattr("home_llm.runtime.runtime._WAKE_SECONDS", 0.3)
    with Served(data_dir, idle_unload=SOON) as served:
        served.wait_until("unloaded", seconds=10)
        with served.runtime._changing:
            started = time.monotonic()
            refused = served.post("/v1/internal/encode", {"text": "hi"})
            assert time.monotonic() - started < 5
            assert refused.status == 503
            assert refused.headers["Retry-After"] == "5"
        served.wait_until("ok")
        assert served.post("/v1/internal/encode", {"text": "hi"}).status == 200


def test_closing_asleep_and_awake(data_dir: Path) -> None:
    """Stopping the server leaves no thread of the runtime behind, whether the model is loaded or not."""
    for state in ("ok", "unloaded"):
        with Served(data_dir, idle_unload=SOON) as served:
            served.wait_until(state)
        assert not [thread for thread in threading.enumerate() if thread.name == "loader"]
    time.sleep(SOON * 60 + 0.2)
    assert not [thread for thread in threading.enumerate() if thread.name == "idle"]


def test_the_timer() -> None:
    """It calls once after the time, waits as long as something happens, and asks again when it is told to."""
    since: list[float | None] = [time.monotonic()]
    calls: list[float] = []
    called = threading.Event()

    def on_idle() -> bool:
        calls.append(time.monotonic())
        if len(calls) == 2:
            called.set()
        return len(calls) == 2

    timer = IdleTimer(0.2, lambda: since[0], on_idle)
    since[0] = None
    timer.start()
    time.sleep(0.5)
    assert not calls
    ended = time.monotonic()
    since[0] = ended
    assert called.wait(5)
    assert calls[0] - ended >= 0.19
    assert calls[1] - calls[0] >= 0.19
    never = IdleTimer(0, lambda: 0.0, on_idle)
    never.start()
    stopped = IdleTimer(0.1, lambda: 0.0, on_idle)
    stopped.start()
    stopped.stop()
    time.sleep(0.3)
    assert len(calls) == 2


def processor_seconds(process: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_server_costs_nothing(data_dir: Path) -> None:
    """With a model loaded and after a request, a server uses less than 2% of a core over ten seconds of quiet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "import sys; from home_llm.cli import main; sys.exit(main())", "serve"]
    command += ["--port", str(port), "--data-dir", str(data_dir), "--idle-unload", "30"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
                        if json.load(response)["status"] == "ok":
                            break
                except OSError:
                    pass
                time.sleep(0.1)
            body = json.dumps({"prompt": "hi", "max_tokens": 5}).encode()
            with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/completions", body), timeout=60) as response:
                assert response.status == 200
            # Prefixes are saved two seconds after the last request.
            time.sleep(3)
            before = processor_seconds(server.pid)
            time.sleep(10)
            used = processor_seconds(server.pid) - before
            assert used / 10 < 0.02
        finally:
            server.terminate()
