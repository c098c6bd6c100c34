"""How many threads to compute with: as many as there are cores that nobody else is using now."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

# A neighbour that takes less than this of a core does not cost us one: llama.cpp's threads wait for each other at every
# step, so a thread on a core that is half taken slows all of them down.
_TOLERATED = 0.4
_LOOK_SECONDS = 0.25

# A program that is on a core for a moment only, such as the one that sent the request, is gone at another look.
_GLANCES = 3
_GLANCE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Processor time that has been used, in seconds over all cores.

    Attributes:
        at: when, in seconds.
        machine: by everybody, without what runs at a low priority (nice), which gives way to us.
        ours: by this process.
    """

    at: float
    machine: float
    ours: float


def choose_threads(before: CpuTimes, after: CpuTimes, *, cores: int) -> int:
    """Return how many threads to use, from two looks at the machine.

    Args:
        before: the earlier look.
        after: the later one.
        cores: cores that this process may use.
    """
    seconds = after.at - before.at
    if seconds <= 0:
        return cores
    others = max((after.machine - before.machine) - (after.ours - before.ours), 0.0) / seconds
    return max(min(int(cores - others + _TOLERATED), cores), 1)


class ThreadChooser:
    """Looks at the machine now and then and says how many threads to use.

    Args:
        cores: most threads; 0 is all cores that this process may use.
    """

    def __init__(self, cores: int = 0) -> None:
        self._cores = cores or usable_cores()
        self._last = read_cpu_times()
        self._threads = self._cores

    def wake(self) -> None:
        """Look anew after a time of doing nothing: what the machine did meanwhile says nothing of what it does now."""
        if self._cores > 1:
            self._threads = max(self._cores - _busy_now(), 1)
            self._last = read_cpu_times()

    def threads(self) -> int:
        """Return how many threads to use now."""
        if self._cores == 1:
            return 1
        now = time.monotonic()
        if self._last is not None and now - self._last.at >= _LOOK_SECONDS:
            times = read_cpu_times()
            if times is not None:
                self._threads = choose_threads(self._last, times, cores=self._cores)
            self._last = times
        return self._threads


def running_elsewhere(proc: Path = Path("/proc")) -> int:
    """Return how many threads of others are on a core or wait for one at this moment; 0 where nobody tells.

    Those at a low priority are among them: a moment's look does not tell them apart.

    Source: proc(5), `procs_running` of /proc/stat and the state in /proc/self/task/*/stat.
    """
    try:
        line = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("procs_running "))
        ours = sum(_runs(task) for task in (proc / "self" / "task").iterdir())
        return max(int(line.split()[1]) - ours, 0)
    except (OSError, ValueError, StopIteration):
        return 0


def _runs(task: Path) -> bool:
    # The name before the state is in brackets and may hold anything, brackets too.
    return (task / "stat").read_text().rpartition(") ")[2].startswith("R")


def _busy_now() -> int:
    """Return how many cores others keep busy, not only touch."""
    least = running_elsewhere()
    for _ in range(_GLANCES - 1):
        if least == 0:
            break
        time.sleep(_GLANCE_SECONDS)
        least = min(least, running_elsewhere())
    return least


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many cores this process may use: its affinity, within its control group's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(min(cores, int(quota) // int(period)), 1)


def read_cpu_times(stat: Path = Path("/proc/stat")) -> CpuTimes | None:
    """Return the processor times of now, or None where the machine does not tell.

    Source: proc(5), the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal in ticks.
    """
    try:
        fields = stat.read_text().split("\n", 1)[0].split()
        user, _nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in fields[1:9])
    except (OSError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    machine = (user + system + irq + softirq + steal) / ticks
    return CpuTimes(time.monotonic(), machine, time.process_time())
