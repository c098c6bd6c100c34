"""The app's image as a running container, on a network like the Supervisor's: podman and runc, nothing simulated."""

import http.client
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from container_memory import Memory
from http_client import Client

_ARCHITECTURE = "aarch64" if platform.machine() in ("aarch64", "arm64") else "amd64"
IMAGE = os.environ.get("HOME_LLM_IMAGE", f"localhost/home-llm:{_ARCHITECTURE}")
HOSTNAME = "local-home-llm"
NETWORK = "home-llm-tests"
# The addresses of Home Assistant's own container network.
SUBNET = "172.30.32.0/23"
HOST = "172.30.32.1"
SUPERVISOR = "172.30.32.2"

_PODMAN = ("podman", "--log-level", "error")
# Podman repeats health checks by systemd, which need not be there.
RUN = ("--runtime", "runc", "--no-healthcheck", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")


def podman(*arguments: str | Path, check: bool = True, timeout: float = 180) -> str:
    """Run podman and return what it prints on both of its outputs.

    Raises:
        AssertionError: it failed, and `check` is set.
    """
    done = subprocess.run(
        [*_PODMAN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0 or not check, f"podman {' '.join(map(str, arguments))}: {done.stdout}"
    return done.stdout.strip()


def run_once(*arguments: str, flags: tuple[str, ...] = ()) -> str:
    """Run a shell in a container of the image, without its init, and return what it prints."""
    return podman("run", *RUN, "--rm", "--network", "none", "--entrypoint", "sh", *flags, IMAGE, *arguments)


class Network:
    """The Supervisor's network: a bridge on which this machine has the Supervisor's address too; a context manager."""

    def __enter__(self) -> Self:
        """Make it, with a container that keeps the bridge there."""
        self._remove()
        podman("network", "create", "--subnet", SUBNET, "--gateway", HOST, "--disable-dns", NETWORK)
        podman(
            *("run", *RUN, "--detach", "--name", f"{NETWORK}-holder", "--network", NETWORK),
            *("--entrypoint", "sleep", IMAGE, "infinity"),
        )
        bridge = json.loads(podman("network", "inspect", NETWORK))[0]["network_interface"]
        subprocess.run(["ip", "address", "add", f"{SUPERVISOR}/32", "dev", bridge], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it; the bridge goes with its last container."""
        self._remove()

    @staticmethod
    def _remove() -> None:
        podman("rm", "--force", "--time", "0", f"{NETWORK}-holder", check=False)
        podman("network", "rm", "--force", NETWORK, check=False)


class AppContainer(Client):
    """The app, started as the Supervisor starts it; a context manager that removes it.

    Args:
        data: the folder for /data, which the Supervisor keeps.
        options: the app's options.
        environment: variables beside the token.
        flags: further flags of `podman run`; a `--volume` for /data takes the place of the folder's.
        image: another image than the app's own.

    Attributes:
        patience: seconds that a request waits for its answer.
    """

    def __init__(
        self,
        data: Path,
        *flags: str,
        options: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        image: str = IMAGE,
    ) -> None:
        super().__init__(5000, "")
        self._image = image
        self.patience = 60.0
        self.data = data
        self.name = f"home-llm-{data.parent.name}-{data.name}".replace("[", "-").replace("]", "")
        self._flags = flags
        self._environment = environment or {}
        if options is not None:
            data.mkdir(exist_ok=True, parents=True)
            # As the Supervisor writes it.
            file = data / "options.json"
            file.write_text(json.dumps(options))
            file.chmod(0o600)
        self.started = 0.0

    def __enter__(self) -> Self:
        """Start it; it need not answer yet."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        self.remove()

    def start(self) -> None:
        """Start a new container on the same data."""
        self.remove()
        environment = {"TZ": "UTC", "SUPERVISOR_TOKEN": "supervisor-token", **self._environment}
        flags: list[str | Path] = [*RUN, "--detach", "--name", self.name, "--hostname", HOSTNAME, "--network", NETWORK]
        flags += ["--add-host", f"supervisor:{SUPERVISOR}"]
        for name, value in environment.items():
            flags += ["--env", f"{name}={value}"]
        if not any(":/data" in flag for flag in self._flags):
            flags += ["--volume", f"{self.data}:/data"]
        self.started = time.monotonic()
        podman("run", *flags, *self._flags, self._image)
        networks = self.inspect("{{json .NetworkSettings.Networks}}")
        self.host = next(iter(networks.values()))["IPAddress"]
        self.url = f"http://{self.host}:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""
        return http.client.HTTPConnection(self.host, self.port, timeout=self.patience)

    def inspect(self, template: str) -> Any:
        """Return what podman knows of the container."""
        return json.loads(podman("inspect", "--type", "container", "--format", template, self.name))

    def write_at_length(self, begun: threading.Event, *, timeout: float) -> None:
        """Ask for a long answer and read it to whatever end; `begun` is set when something of it is there."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        body = '{"prompt": "Once upon a time", "max_tokens": 4000, "stream": true, "ignore_eos": true}'
        connection.request("POST", "/v1/completions", body, {"Authorization": f"Bearer {self.api_key}"})
        response = connection.getresponse()
        while response.readline():
            begun.set()

    def cpu_seconds(self) -> float:
        """Return the processor time that all of it has used, what has ended there too."""
        stats = self.execute("sh", "-c", "cat /proc/[0-9]*/stat || true")
        fields = (line.rpartition(") ")[2].split() for line in stats.splitlines() if ") " in line)
        return sum(int(ticks) for line in fields for ticks in line[11:15]) / 100

    def memory(self) -> Memory:
        """Return what all of it takes; its option `log_level` must be debug.

        It is read on the host: in the container not even root may look into another user's process.
        """
        return Memory.of(self._processes(), self.logs())

    def _processes(self) -> list[Path]:
        """Return the folders in `/proc` of what runs in the container, as the host sees it."""
        own = Path(f"/proc/{self.inspect('{{json .State.Pid}}')}/ns/pid").readlink()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "ns/pid").readlink() == own:
                    found.append(folder)
            except (FileNotFoundError, PermissionError):
                # It ended meanwhile, or is the machine's own.
                continue
        return found

    def logs(self) -> str:
        """Return what it has printed."""
        return podman("logs", self.name, check=False)

    def execute(self, *command: str) -> str:
        """Run a command in it and return what that prints."""
        return podman("exec", self.name, *command)

    def running(self) -> bool:
        """Return whether it has not ended."""
        return bool(self.inspect("{{json .State.Running}}"))

    def stop(self) -> tuple[float, int]:
        """Stop it as the Supervisor does; return the seconds that took and the status it ended with."""
        before = time.monotonic()
        podman("stop", "--time", "10", self.name)
        seconds = time.monotonic() - before
        return seconds, int(self.inspect("{{json .State.ExitCode}}"))

    def cut_power(self) -> None:
        """Kill everything in it at once."""
        podman("kill", "--signal", "KILL", self.name)
        podman("wait", self.name)

    def wait_for_end(self, timeout: float = 150) -> int:
        """Wait until it has ended by itself and return its status.

        Raises:
            AssertionError: it still runs; with its processes and what it has printed.
        """
        deadline = time.monotonic() + timeout
        while self.running():
            assert time.monotonic() < deadline, f"it still runs after {timeout:.0f} s\n{self._told()}"
            time.sleep(0.1)
        return int(self.inspect("{{json .State.ExitCode}}"))

    def _told(self) -> str:
        """Return what runs in it and what it has printed."""
        return f"{podman('top', self.name, 'pid', 'ppid', 'state', 'args', check=False)}\n{self.logs()}"

    def remove(self) -> None:
        """Remove the container, running or not; the data stays."""
        podman("rm", "--force", "--time", "0", self.name, check=False)

    @property
    def api_key(self) -> str:
        """The key that it made for itself."""
        return (self.data / "api_key").read_text().strip()

    def health(self) -> dict[str, Any]:
        """Return what its health route says; `not listening` where nobody answers."""
        try:
            answer: dict[str, Any] = self.get("/health").json
        except OSError:
            return {"status": "not listening", "message": ""}
        return answer

    def wait_for(self, *states: str, timeout: float = 150, pause: float = 0.05) -> float:
        """Wait until its health is one of the states; return the seconds since it was started."""
        end = time.monotonic() + timeout
        while (health := self.health())["status"] not in states:
            assert time.monotonic() < end, f"{health}\n{self._told()}"
            assert self.running(), f"it ended with {self.inspect('{{json .State.ExitCode}}')}"
            time.sleep(pause)
        return time.monotonic() - self.started

    def wait_for_log(self, text: str, timeout: float = 150) -> None:
        """Wait until it has printed a text."""
        end = time.monotonic() + timeout
        while text not in (logs := self.logs()):
            assert time.monotonic() < end, logs
            time.sleep(0.3)

    def wait_for_model(self, model: str, timeout: float = 150) -> None:
        """Wait until a model is ready."""
        end = time.monotonic() + timeout
        while (health := self.health())["status"] != "ok" or health["model"] != model:
            assert time.monotonic() < end, (health, self.logs())
            assert health["status"] != "not listening" or self.running(), self.logs()
            time.sleep(0.1)

    def chat(self, text: str, **body: Any) -> Any:
        """Ask the model, with its key, and return the answer."""
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16, **body}
        answer = self.post("/v1/chat/completions", body, Authorization=f"Bearer {self.api_key}")
        assert answer.status == 200, answer.body
        return answer.json
