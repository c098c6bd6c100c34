"""Measure what a user notices of the app's container, and print it as a table: `script/image measure`."""

import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from app_container import IMAGE, SUPERVISOR, AppContainer, Network
from supervisor_server import LocalSupervisor
from waiting import wait_until

STARTS = 10
STOPS = 5
IDLE_SECONDS = 60


@contextmanager
def started(folder: Path, name: str, **options: str) -> Iterator[AppContainer]:
    """Run the app with its embedded model on a data folder of that name."""
    with AppContainer(folder / name, options=options) as app:
        yield app


def seconds_to(app: AppContainer, *states: str) -> float:
    """Return the seconds from the start of the container's first process until health tells one of the states."""
    app.wait_for(*states, pause=0.005)
    now = time.time()
    begun = str(app.inspect("{{json .State.StartedAt}}"))
    # Nanoseconds are more than Python reads.
    return now - datetime.fromisoformat(begun[:26] + begun[29:]).timestamp()


def begin_generation(app: AppContainer) -> None:
    """Have the app write a long answer, and return when its first word is there."""
    begun = threading.Event()
    threading.Thread(target=app.write_at_length, args=(begun,), kwargs={"timeout": 60}, daemon=True).start()
    assert begun.wait(60)


def row(what: str, goal: str, values: Sequence[float], unit: str) -> str:
    """Return a row of the table: median, least and most of some values."""
    digits = 0 if unit == "MB" else 2
    numbers = [f"{number:.{digits}f} {unit}" for number in (statistics.median(values), min(values), max(values))]
    return f"| {' | '.join([what, goal, *numbers, str(len(values))])} |"


def measure(folder: Path) -> Iterator[str]:
    """Yield the rows, each when it is measured."""
    health, ready, stops, percent = [], [], [], []
    for number in range(STARTS):
        with started(folder, f"new-{number}") as app:
            health.append(seconds_to(app, "loading", "ok"))
            ready.append(seconds_to(app, "ok"))
            if number < STOPS:
                stops.append(app.stop()[0])
    yield row("start to `/health` 200, first start", "2 s", health, "s")
    yield row("start to the embedded model ready, first start", "5 s", ready, "s")
    yield row("SIGTERM to the end, idle", "5 s", stops, "s")
    again, busy = [], []
    for number in range(STOPS):
        with started(folder, f"new-{number}") as app:
            again.append(seconds_to(app, "ok"))
            begin_generation(app)
            busy.append(app.stop()[0])
    yield row("start to the embedded model ready, later starts", "5 s", again, "s")
    yield row("SIGTERM to the end, in the middle of an answer", "5 s", busy, "s")
    with started(folder, "idle") as app:
        app.wait_for("ok")
        time.sleep(10)
        for _ in range(3):
            before = app.cpu_seconds()
            time.sleep(IDLE_SECONDS)
            percent.append(100 * (app.cpu_seconds() - before) / IDLE_SECONDS)
    yield row(f"processor time while idle, of {IDLE_SECONDS} s", "0.5 %", percent, "%")


def memory_row(when: str, app: AppContainer) -> str:
    """Return what the app takes some seconds later, as a row of the second table, in MB."""
    time.sleep(5)
    memory = app.memory()
    sizes = (memory.beside_weights, memory.beside_files, memory.anonymous, memory.total, memory.resident)
    return f"| {' | '.join([when, *(f'{size / 1e6:.0f}' for size in sizes)])} |"


def measure_memory(folder: Path) -> Iterator[str]:
    """Yield the rows of the second table, each when it is measured."""
    house = "You are the house. " + " ".join(
        f"light.room_{number} 'Lamp number {number}' = off;" for number in range(75)
    )
    with LocalSupervisor(host=SUPERVISOR, port=80) as supervisor, started(folder, "memory", log_level="debug") as app:
        for when in ("the first start", "the next start"):
            app.wait_for("ok")
            # The search for the Supervisor is over then.
            wait_until(lambda: supervisor.pushes, 150)
            supervisor.pushes.clear()
            yield memory_row(f"after {when}", app)
            if when == "the first start":
                app.chat("What is the capital of France?")
                yield memory_row("after a short question", app)
                answer = app.chat(f"{house} Turn on lamp 3.")
                yield memory_row(f"after a prompt of {answer['usage']['prompt_tokens']:,} tokens", app)
                app.stop()
                app.start()


def machine() -> str:
    """Return what this machine is, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = os.getloadavg()[0]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before"


def main() -> None:
    """Print the tables; called with `memory`, only the second one."""
    say(f"{IMAGE} on {machine()}\n")
    with tempfile.TemporaryDirectory() as folder, Network():
        if "memory" not in sys.argv:
            say("| | Goal, below | Median | Least | Most | N |")
            say("| --- | --- | --- | --- | --- | --- |")
            for line in measure(Path(folder)):
                say(line)
            say("")
        say("| MB | Beside the weights | and those rearranged, and the adapter | Anonymous | PSS | RSS |")
        say("| --- | --- | --- | --- | --- | --- |")
        for line in measure_memory(Path(folder)):
            say(line)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
