"""What can go wrong around the app's container: each ends healthy, or with one clear line."""

import ctypes
import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app_container import SUPERVISOR, AppContainer, podman
from hub import LocalHub
from supervisor_server import LocalSupervisor
from waiting import wait_until

Start = Callable[..., AppContainer]

# A start takes seconds, and many times that where other programs keep the machine busy.
pytestmark = pytest.mark.timeout(900)

REPOSITORY = "owner/tiny-GGUF"
FILE = "tiny.Q8_0.gguf"
SMALL_FILE = "tiny.Q4_0.gguf"
MODEL = {"repository": REPOSITORY, "quant": "Q8_0"}


@pytest.fixture(name="files")
def files_fixture(hub: LocalHub, tiny_model: bytes) -> LocalHub:
    """Give the hub a model in two quants."""
    hub.add_repository(REPOSITORY, {FILE: tiny_model, SMALL_FILE: tiny_model})
    return hub


def from_hub(hub: LocalHub) -> dict[str, str]:
    """Return the variables that make an app ask the local hub."""
    return {"HOME_LLM_HUB_URL": hub.url}


def error_lines(app: AppContainer) -> list[str]:
    """Return what the log tells of errors."""
    return [line for line in app.logs().splitlines() if " ERROR " in line or line.startswith("home-llm: ")]


# Power cuts


def test_power_cut_in_a_download(start: Start, files: LocalHub) -> None:
    """The next start goes on where the power was cut, and ends with the whole model."""
    files.slow_down(150_000)
    app = start(options=MODEL, environment=from_hub(files))
    part = app.data / "models" / ".partial"
    wait_until(lambda: any(file.stat().st_size > 200_000 for file in part.rglob("*.part")), 150)
    app.cut_power()
    files.slow_down(0)
    files.requests.clear()
    app.start()
    app.wait_for_model(REPOSITORY)
    assert any(request.range and not request.range.startswith("bytes=0-") for request in files.seen("cdn"))


@pytest.mark.parametrize("seconds", [0.6, 1.2, 1.8, 2.6])
def test_power_cut_while_models_are_switched(start: Start, files: LocalHub, seconds: float) -> None:
    """Whenever the power is cut around a start with another model, the start after that has the model."""
    app = start(options={})
    app.wait_for("ok")
    app.chat("hello")
    app.stop()
    (app.data / "options.json").write_text(json.dumps(MODEL))
    other = start(options=MODEL, environment=from_hub(files))
    time.sleep(seconds)
    other.cut_power()
    other.start()
    other.wait_for_model(REPOSITORY)
    assert other.chat("hello")["choices"]


def test_power_cut_while_the_cache_is_written(start: Start) -> None:
    """A prefix whose file has only begun is read again after the power cut, with the same answer."""
    app = start()
    app.wait_for("ok")
    question = "Tell me about the kitchen light. " * 40
    before = app.chat(question)["choices"][0]["message"]["content"]
    folder = app.data / "cache" / "prefixes"
    # The file is written two seconds after the answer, under another name than it ends with.
    wait_until(lambda: any(folder.rglob("*.part")) or any(folder.rglob("*.kv")), 30)
    app.cut_power()
    app.start()
    app.wait_for("ok")
    assert app.chat(question)["choices"][0]["message"]["content"] == before
    assert not error_lines(app)


def test_damaged_cache(start: Start) -> None:
    """Half a file of saved prefixes is not believed: the next start answers as the one before."""
    app = start()
    app.wait_for("ok")
    question = "Tell me about the kitchen light. " * 40
    before = app.chat(question)["choices"][0]["message"]["content"]
    app.stop()
    saved = [file for file in (app.data / "cache" / "prefixes").rglob("*") if file.is_file()]
    assert saved
    for file in saved:
        os.truncate(file, file.stat().st_size // 2)
    app.start()
    app.wait_for("ok")
    assert app.chat(question)["choices"][0]["message"]["content"] == before


# Too little of something


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small file system at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_disk_too_small_for_the_model(start: Start, files: LocalHub, tmp_path: Path) -> None:
    """A model that does not fit the disk is refused in words, and the embedded one answers."""
    with small_disk(tmp_path / "data", 40):
        files.announce_size(REPOSITORY, FILE, 900_000_000)
        app = start(options=MODEL, environment=from_hub(files))
        app.wait_for("error")
        assert "disk is too full" in app.health()["message"]
        assert app.chat("hello")["choices"]
        assert len(error_lines(app)) == 1
        app.remove()


def test_disk_that_fills_during_a_download(start: Start, files: LocalHub, tmp_path: Path, tiny_model: bytes) -> None:
    """When others fill the disk meanwhile the download ends with one line, and the embedded model goes on answering."""
    with small_disk(tmp_path / "data", 100) as folder:
        files.add_repository(REPOSITORY, {FILE: tiny_model * 12})
        files.slow_down(2_000_000)
        app = start(options=MODEL, environment=from_hub(files))
        part = app.data / "models" / ".partial"
        wait_until(lambda: any(file.stat().st_size > 200_000 for file in part.rglob("*.part")), 150)
        subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=64k"], check=False, capture_output=True)
        app.wait_for("error")
        assert "disk is too full" in app.health()["message"]
        assert app.chat("hello")["choices"]
        assert len(error_lines(app)) == 1
        app.remove()


def test_disk_that_is_full(start: Start, tmp_path: Path) -> None:
    """Where not even the key can be written, the container ends with one line that says so."""
    with small_disk(tmp_path / "data", 1) as folder:
        (folder / "options.json").write_text("{}")
        # It ends when the disk is full.
        subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=4k"], check=False, capture_output=True)
        app = AppContainer(folder)
        with app:
            assert app.wait_for_end() == 2
            (line,) = error_lines(app)
            assert "/data cannot be written (No space left on device)" in line


def test_memory_too_small(start: Start, files: LocalHub) -> None:
    """A quant that does not fit the container's memory is refused before it is downloaded, and one that fits named."""
    files.announce_size(REPOSITORY, FILE, 3_000_000_000)
    app = start("--memory", "850m", options=MODEL, environment=from_hub(files))
    app.wait_for("error")
    message = app.health()["message"]
    assert "needs 3.3 GB of memory" in message
    assert "Q4_0 would fit" in message
    assert not files.seen("cdn") or all(request.range for request in files.seen("cdn"))
    assert app.chat("hello")["choices"]


def test_memory_too_small_for_anything(start: Start) -> None:
    """Where not even the embedded model fits, the app stays healthy and says what is missing."""
    app = start("--memory", "200m")
    app.wait_for("error")
    assert "of memory" in app.health()["message"]
    assert app.running()


# What others left or do


def test_options_of_an_older_version(start: Start) -> None:
    """Options that are not known any more are passed over, and those that came later have their defaults."""
    app = start(options={"model": "embedded", "huggingface_model": "x", "n_threads": "many", "quant": None})
    app.wait_for("ok")
    assert not error_lines(app)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_broken_options(start: Start, text: str) -> None:
    """A file of options that is no JSON object ends the container with one line that names it."""
    app = start()
    app.remove()
    (app.data / "options.json").write_text(text)
    app.start()
    assert app.wait_for_end() == 2
    (line,) = error_lines(app)
    assert "/data/options.json" in line


def test_read_only_data(start: Start, tmp_path: Path) -> None:
    """A data folder that cannot be written ends the container with one line that says so."""
    app = start(f"--volume={tmp_path / 'data'}:/data:ro")
    assert app.wait_for_end() == 2
    (line,) = error_lines(app)
    assert "/data cannot be written (Read-only file system)" in line


def test_clock_in_1970(start: Start, supervisor: LocalSupervisor, files: LocalHub, tmp_path: Path) -> None:
    """Before the clock is set the app starts, downloads, answers and is announced all the same."""
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock_in_1970.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    app = start(
        f"--volume={library}:/clock.so:ro", options=MODEL, environment={**from_hub(files), "LD_PRELOAD": "/clock.so"}
    )
    app.wait_for_model(REPOSITORY)
    assert app.chat("hello")["choices"]
    wait_until(lambda: supervisor.pushes, 150)
    assert supervisor.pushes[0].config["started_at"].startswith("1970-01-01")


def test_supervisor_that_hangs(start: Start) -> None:
    """A Supervisor that takes the message and never answers holds up neither the model nor the stop."""
    with LocalSupervisor(host=SUPERVISOR, port=80) as supervisor:
        supervisor.delay = 30
        app = start()
        app.wait_for("ok")
        seconds, status = app.stop()
        supervisor.delay = 0
    assert (status, seconds < 5) == (0, True)


def test_hub_that_throttles(start: Start, files: LocalHub) -> None:
    """A hub that asks for a pause gets one, and the model comes."""
    files.fail_next(429, times=2, where="api", retry_after=1)
    files.fail_next(429, times=1, where="resolve", retry_after=1)
    app = start(options=MODEL, environment=from_hub(files))
    app.wait_for_model(REPOSITORY)
    assert "asks for a pause" in app.logs()
    assert not error_lines(app)


# Faults of native code


def server_process(app: AppContainer) -> int:
    """Return the server's process, as this machine numbers it."""
    listed = podman("top", app.name, "hpid", "args")
    (line,) = [line for line in listed.splitlines() if "home-llm serve" in line and "setuidgid" not in line]
    return int(line.split()[0])


def test_crash(start: Start) -> None:
    """A server that crashes is started again at once by s6, in the same container."""
    app = start()
    app.wait_for("ok")
    os.kill(server_process(app), 11)
    app.wait_for_log("ended by signal 11")
    app.wait_for("ok")
    assert app.chat("hello")["choices"]
    assert app.running()


def test_hang(start: Start) -> None:
    """An engine that hangs with a request ends the server, which comes again; the last log lines are kept."""
    app = start(environment={"HOME_LLM_HANG_TIMEOUT": "4"})
    app.wait_for("ok")
    process = server_process(app)
    body = {"prompt": "Once upon a time", "max_tokens": 4000, "ignore_eos": True}
    failures: list[Exception] = []

    def ask() -> None:
        try:
            app.post("/v1/completions", body, Authorization=f"Bearer {app.api_key}")
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    # llama.cpp's threads wait for each other: where one of them stops, the engine hangs.
    with stopped_thread(busiest_thread(process)):
        app.wait_for_log("The engine has done nothing")
    thread.join(10)
    assert failures
    app.wait_for("ok")
    assert server_process(app) != process
    kept = (app.data / "cache" / "last-hang.log").read_text()
    assert "is ready with a context" in kept
    assert app.chat("hello")["choices"]


def busiest_thread(process: int) -> int:
    """Return the thread of a process that uses most processor time now."""
    before = cpu_ticks(process)
    time.sleep(1)
    after = cpu_ticks(process)
    return max(before, key=lambda thread: after.get(thread, 0) - before[thread])


def cpu_ticks(process: int) -> dict[int, int]:
    """Return the processor time that each thread of a process has used."""
    ticks = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(") ")[2].split()
        ticks[int(task.name)] = int(fields[11])
    return ticks


@contextmanager
def stopped_thread(thread: int) -> Iterator[None]:
    """Stop one thread of another process, as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach, wait_for_all = 16, 17, 0x40000000
    assert libc.ptrace(attach, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        os.waitpid(thread, wait_for_all)
        yield
    finally:
        if libc.ptrace(detach, thread, None, None):
            # It has died meanwhile, and its process is not gone before we have seen that.
            os.waitpid(thread, wait_for_all)
