"""Free memory: the least of what the machine and its control groups leave."""

from pathlib import Path

from home_llm.models.memory import available_memory

MB = 1 << 20


def _proc(folder: Path, available_mb: int, group: str = "0::/") -> Path:
    proc = folder / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 9999999 kB\nMemAvailable:   {available_mb * 1024} kB\n")
    (proc / "self" / "cgroup").write_text(f"{group}\n")
    return proc


def _group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_this_machine() -> None:
    """On a real machine there is some memory, and less than a petabyte."""
    assert MB < available_memory() < 1 << 50


def test_machine_alone(tmp_path: Path) -> None:
    """Without control groups the machine's own number counts."""
    assert available_memory(_proc(tmp_path, 500), tmp_path / "none") == 500 * MB


def test_group_limit(tmp_path: Path) -> None:
    """A container's limit minus usage counts, and file cache that can be dropped is not usage."""
    _group(
        tmp_path / "cg",
        memory__max=str(400 * MB),
        memory__current=str(300 * MB),
        memory__stat=f"anon 1\ninactive_file {100 * MB}",
    )
    assert available_memory(_proc(tmp_path, 500), tmp_path / "cg") == 200 * MB


def test_group_without_limit(tmp_path: Path) -> None:
    """A group with the limit "max" does not count."""
    _group(tmp_path / "cg", memory__max="max", memory__current="1")
    assert available_memory(_proc(tmp_path, 500), tmp_path / "cg") == 500 * MB


def test_parent_group_counts(tmp_path: Path) -> None:
    """The tightest of the groups around the process counts."""
    _group(tmp_path / "cg" / "a" / "b", memory__max=str(400 * MB), memory__current="0")
    _group(tmp_path / "cg" / "a", memory__max=str(90 * MB), memory__current=str(20 * MB))
    assert available_memory(_proc(tmp_path, 500, "0::/a/b"), tmp_path / "cg") == 70 * MB


def test_first_version_of_groups(tmp_path: Path) -> None:
    """The first version's files count too, and its huge number for no limit does no harm."""
    folder = tmp_path / "cg" / "memory"
    _group(folder, memory__limit_in_bytes=str(1 << 62), memory__usage_in_bytes="0")
    _group(folder / "box", memory__limit_in_bytes=str(64 * MB), memory__usage_in_bytes=str(MB))
    assert available_memory(_proc(tmp_path, 500, "9:memory:/box"), tmp_path / "cg") == 63 * MB


def test_usage_above_limit(tmp_path: Path) -> None:
    """A group that is full leaves nothing, never less."""
    _group(tmp_path / "cg", memory__max="100", memory__current="200")
    assert available_memory(_proc(tmp_path, 500), tmp_path / "cg") == 0
