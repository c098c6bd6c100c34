"""How much memory this process takes."""

import re
from pathlib import Path


def resident_bytes() -> int:
    """Return what of this process is in memory now."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert match is not None
    return int(match[1]) * 1024
