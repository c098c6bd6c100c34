"""How much memory there is: what the machine and its control groups leave."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory free for use: the least of the machine's and every control group's."""
    return min([_machine(proc), *_groups(proc, cgroup)])


def _machine(proc: Path) -> int:
    """Read MemAvailable; where there is none, take all of the machine's memory for free."""
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text("ascii").splitlines():
            key, _, value = line.partition(":")
            if key == "MemAvailable":
                return int(value.split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _groups(proc: Path, cgroup: Path) -> Iterator[int]:
    """Yield what each control group around this process leaves, under both versions of the interface."""
    paths = {"": "/", "memory": "/"}
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                if controller in paths:
                    paths[controller] = path
    for folder in _upwards(cgroup, paths[""]):
        yield from _left(folder, "memory.max", "memory.current", "inactive_file")
    for folder in _upwards(cgroup / "memory", paths["memory"]):
        yield from _left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield the group's folder and its parents; inside a container only the root may exist."""
    folder = root / path.lstrip("/")
    while root in folder.parents:
        yield folder
        folder = folder.parent
    yield root


def _left(folder: Path, limit_file: str, usage_file: str, reclaimable: str) -> Iterator[int]:
    """Yield limit minus usage where the group has a limit; file cache that can be dropped is not usage."""
    try:
        limit = int((folder / limit_file).read_text())
        usage = int((folder / usage_file).read_text())
    except (OSError, ValueError):  # no such group, or "max": no limit
        return
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == reclaimable:
                usage -= int(value)
    yield max(0, limit - max(0, usage))


def gigabytes(size: float) -> str:
    """Write bytes as people read them, in decimal units as file listings do."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
