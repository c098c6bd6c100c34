"""One image for every processor, and for machines that help each other."""

import platform
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app_container import IMAGE, NETWORK, RUN, AppContainer, podman, run_once
from compose_services import compose_arguments
from http_client import Client
from waiting import wait_until

Start = Callable[..., AppContainer]

# A start takes seconds, and many times that where other programs keep the machine busy.
pytestmark = pytest.mark.timeout(900)

BACKENDS = "/opt/home-llm/lib/python3.13/site-packages/bin"
QUICK = IMAGE.endswith("-quick")
# Of llama.cpp's builds, the oldest first.
VARIANTS = {
    ("x86_64", False): (
        *("x64", "sse42", "sandybridge", "haswell", "skylakex", "icelake"),
        *("alderlake", "sapphirerapids", "zen4"),
    ),
    ("x86_64", True): ("x64", "haswell"),
    ("aarch64", False): ("armv8.0_1", "armv8.2_1", "armv8.2_2", "armv8.6_1", "armv9.2_1"),
    ("aarch64", True): ("armv8.0_1", "armv8.2_2"),
}[platform.machine(), QUICK]
QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module", name="variants")
def variants_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the back-ends out of the image."""
    folder = tmp_path_factory.mktemp("variants")
    run_once("-c", f"cp {BACKENDS}/*.so /variants/", flags=(f"--volume={folder}:/variants",))
    return folder


def only(variants: Path, folder: Path, variant: str) -> str:
    """Return the flag for a container that has one CPU variant and no other."""
    folder.mkdir()
    name = f"libggml-cpu-{variant}.so"
    (folder / name).write_bytes((variants / name).read_bytes())
    return f"--volume={folder}:{BACKENDS}:ro"


def chosen(app: AppContainer) -> str:
    """Return the CPU variant that the log names."""
    (variant,) = re.findall(r"llama\.cpp computes with its build for (\S+)", app.logs())
    return str(variant)


def test_every_variant_is_there(variants: Path) -> None:
    """From the oldest kind of processor to the newest, and the RPC back-end; two of them in a quick image."""
    names = {path.name for path in variants.iterdir()}
    assert names >= {f"libggml-cpu-{name}.so" for name in VARIANTS} | {"libggml-rpc.so"}


def test_oldest_and_newest_answer_alike(start: Start, variants: Path, tmp_path: Path) -> None:
    """The oldest variant, on x86-64 the one without AVX, answers as the best one, and each says which it is."""
    app = start()
    app.wait_for("ok")
    best, answer = chosen(app), app.chat(QUESTION)["choices"][0]["message"]["content"]
    app.remove()
    old = start(only(variants, tmp_path / "old", VARIANTS[0]))
    old.wait_for("ok")
    assert chosen(old) == VARIANTS[0] != best
    assert old.chat(QUESTION)["choices"][0]["message"]["content"] == answer


@pytest.fixture(name="worker")
def worker_fixture(tmp_path: Path) -> Iterator[str]:
    """Run the worker of compose.yaml on the same network, and give its name."""
    name = f"home-llm-worker-{tmp_path.name}".replace("[", "-").replace("]", "")
    podman("run", *RUN, "--detach", "--name", name, "--network", NETWORK, *compose_arguments("worker", IMAGE))
    try:
        wait_until(lambda: listens(address(name)), 150)
        yield name
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", name, check=False)


def address(worker: str) -> str:
    """Return where a worker listens."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return podman("inspect", "--format", template, worker) + ":50052"


def listens(where: str) -> bool:
    """Return whether somebody listens there."""
    host, _, port = where.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        time.sleep(0.2)
        return False
    return True


def test_a_neighbour_computes(start: Start, worker: str) -> None:
    """With rpc_servers all layers are computed by a worker, with the same answer."""
    alone = start()
    alone.wait_for("ok")
    answer = alone.chat(QUESTION)["choices"][0]["message"]["content"]
    alone.remove()
    app = start(options={"rpc_servers": address(worker)})
    app.wait_for("ok")
    assert re.search(r"31 of 31 layers are computed on RPC0", app.logs())
    assert app.chat(QUESTION)["choices"][0]["message"]["content"] == answer
    assert "Accepted client connection" in podman("logs", worker)


def test_a_neighbour_that_is_away(start: Start, worker: str) -> None:
    """A worker that does not answer is named by health; the app stays up and says what to do."""
    where = address(worker)
    podman("rm", "--force", "--volumes", "--time", "0", worker)
    app = start(options={"rpc_servers": where})
    app.wait_for("error")
    assert f"The RPC worker {where} does not answer" in app.health()["message"]


def test_server_of_compose(tmp_path: Path) -> None:
    """The server of compose.yaml answers to the key from `.env`, without root's rights and on a read-only root."""
    name = f"home-llm-compose-{tmp_path.name}".replace("[", "-").replace("]", "")
    arguments = compose_arguments("server", IMAGE, {"HOME_LLM_API_KEY": "from-the-env-file"})
    podman("run", *RUN, "--detach", "--name", name, "--network", NETWORK, *arguments)
    try:
        host = address(name).partition(":")[0]
        wait_until(lambda: listens(f"{host}:5000"), 150)
        client = Client(5000, host)
        wait_until(lambda: client.get("/health").json["status"] == "ok", 150)
        body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        assert client.post("/v1/chat/completions", body).status == 401
        answer = client.post("/v1/chat/completions", body, Authorization="Bearer from-the-env-file")
        assert answer.json["choices"]
        podman("stop", "--time", "10", name)
        assert podman("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", name, check=False)


def test_a_worker_stops_at_once(worker: str) -> None:
    """SIGTERM ends a worker with status 0."""
    podman("stop", "--time", "5", worker)
    assert podman("inspect", "--format", "{{.State.ExitCode}}", worker) == "0"
