"""Threads by what is free."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from home_llm.engine.threads import (
    CpuTimes,
    ThreadChooser,
    choose_threads,
    read_cpu_times,
    running_elsewhere,
    usable_cores,
)


@pytest.mark.parametrize(
    ("cores", "others", "expected"),
    [
        (2, 0.0, 2),
        (2, 0.3, 2),
        (2, 0.67, 1),
        (2, 1.0, 1),
        (2, 2.0, 1),
        (4, 0.2, 4),
        (4, 1.0, 3),
        (4, 3.9, 1),
        (1, 0.9, 1),
    ],
)
def test_choice(cores: int, others: float, expected: int) -> None:
    """A core that somebody else uses most of is left to them; one thread is always used."""
    before = CpuTimes(at=10.0, machine=100.0, ours=50.0)
    after = CpuTimes(at=12.0, machine=100.0 + 2 * (others + 0.5), ours=50.0 + 2 * 0.5)
    assert choose_threads(before, after, cores=cores) == expected


def test_time_that_stands_still() -> None:
    """Two looks at the same moment change nothing."""
    look = CpuTimes(at=1.0, machine=1.0, ours=1.0)
    assert choose_threads(look, look, cores=4) == 4


def test_reading(tmp_path: Path) -> None:
    """The machine's times are read without those at a low priority; a machine that does not tell is no error."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 900 50 1000 5 10 20 30 0 0\ncpu0 1 2 3\n")
    times = read_cpu_times(stat)
    assert times is not None
    assert times.machine == pytest.approx(2.1)
    stat.write_text("nonsense")
    assert read_cpu_times(stat) is None
    assert read_cpu_times(tmp_path / "missing") is None
    assert read_cpu_times() is not None


@pytest.mark.parametrize(
    ("text", "most"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", 1024), ("x", 1024)]
)
def test_control_group(tmp_path: Path, text: str, most: int) -> None:
    """A control group's quota bounds the cores."""
    (tmp_path / "cpu.max").write_text(text)
    assert 1 <= usable_cores(tmp_path) <= most


def test_who_runs_now(tmp_path: Path) -> None:
    """Running threads of others are counted without our own; a machine that does not tell is no error."""
    (tmp_path / "stat").write_text("cpu  1 2 3\nprocs_running 5\nprocs_blocked 0\n")
    for number, state in enumerate("RSR"):
        task = tmp_path / "self" / "task" / str(number)
        task.mkdir(parents=True)
        (task / "stat").write_text(f"{number} (a) R (b) {state} 1 2 3")
    assert running_elsewhere(tmp_path) == 3
    assert running_elsewhere(tmp_path / "missing") == 0


def test_waking_looks_at_the_present() -> None:
    """A neighbour that spins now costs threads at once; one that only sleeps costs none of them."""
    spin = "import time; print(flush=True)\nwhile True: pass"
    neighbours = [
        subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(usable_cores() + 1)
    ]
    try:
        for neighbour in neighbours:
            assert neighbour.stdout is not None
            neighbour.stdout.readline()
        chooser = ThreadChooser(usable_cores())
        time.sleep(0.05)
        chooser.wake()
        assert chooser.threads() == 1
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.communicate()
