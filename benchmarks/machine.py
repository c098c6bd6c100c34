"""The machine: what it is, how busy it is, how fast its memory is."""

import contextlib
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the numbers were measured on."""

    cpu: str
    cores: int
    memory_gb: float
    system: str


def describe() -> Machine:
    """Return what this machine is."""
    return Machine(cpu_model(), cores(), _memory_bytes() / 1e9, f"{platform.system()} {platform.release()}")


def cpu_model() -> str:
    """Return the processor's name, and what of it matters here."""
    names: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        names.setdefault(key.strip(), value.strip())
    name = names.get("model name") or names.get("Model") or platform.machine()
    flags = (names.get("flags") or names.get("Features") or "").split()
    best = next((flag for flag in ("avx512f", "avx2", "avx", "sve", "asimddp", "asimd") if flag in flags), "")
    return f"{name} ({best})" if best else name


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """Return the processor time that all programs have used since the machine started."""
    fields = Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS


def process_seconds(pid: int) -> float:
    """Return the processor time that a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory_mb(pid: int) -> float:
    """Return the most memory that a process has held, in 10^6 bytes.

    Raises:
        OSError: it is gone.
    """
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"the process {pid} has no memory")


@contextlib.contextmanager
def spinning() -> Iterator[int]:
    """Keep one core busy with another process for the length of the block; yield its id."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def memory_bandwidth(threads: int, *, megabytes: int = 256, seconds: float = 0.4, times: int = 5) -> float:
    """Return how many 10^9 bytes a second the cores read and write together while they copy big arrays, at best."""
    return max(_copying(threads, megabytes, seconds) for _ in range(times))


def _copying(threads: int, megabytes: int, seconds: float) -> float:
    rates = [0.0] * threads
    barrier = threading.Barrier(threads)

    def copy(index: int) -> None:
        source = np.ones(megabytes * 1_000_000 // 8 // threads)
        target = np.zeros_like(source)
        barrier.wait()
        started, copies = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            np.copyto(target, source)
            copies += 1
        rates[index] = 2 * source.nbytes * copies / (time.perf_counter() - started)

    workers = [threading.Thread(target=copy, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates) / 1e9


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
