"""What a container's processes take of the machine's memory, and what of it is weights."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
# What llama.cpp logs of weights in memory of their own: those that it rearranges for the processor, and adapters.
_COPIED = re.compile(r"(?:_REPACK model|CPU LoRA) buffer size = +(\d+\.\d+) MiB")


@dataclass(frozen=True)
class Memory:
    """Bytes of memory. Pages that several processes share count for each by its part (PSS).

    Attributes:
        total: everything.
        anonymous: what is not in files, and can only be swapped.
        weights_in_file: pages of GGUF files; the kernel can drop them.
        weights_copied: weights in memory of their own: those rearranged for the processor, and adapters.
        resident: everything, each process with all that it shares (RSS).
    """

    total: int
    anonymous: int
    weights_in_file: int
    weights_copied: int
    resident: int

    @classmethod
    def of(cls, processes: Iterable[Path], log: str) -> Self:
        """Add up what processes take.

        Args:
            processes: their folders in /proc.
            log: what llama.cpp has logged on the level debug, of one load.

        Raises:
            AssertionError: there are no such processes, or the log tells nothing of llama.cpp's buffers.
        """
        total = anonymous = in_file = resident = 0
        for process in processes:
            is_weights = False
            for line in (process / "smaps").read_text().splitlines():
                if _MAPPING.match(line):
                    is_weights = line.endswith(".gguf")
                    continue
                key, _, value = line.partition(":")
                size = int(value.split()[0]) * 1024 if value.endswith("kB") else 0
                total += size if key == "Pss" else 0
                in_file += size if key == "Pss" and is_weights else 0
                anonymous += size if key == "Anonymous" else 0
                resident += size if key == "Rss" else 0
        assert total > 1_000_000, "no process of the app was found"
        assert "model buffer size" in log, "without the level debug the log does not tell what is weights"
        copied = round(sum(float(size) for size in _COPIED.findall(log)) * (1 << 20))
        return cls(total, anonymous, in_file, copied, resident)

    @property
    def beside_weights(self) -> int:
        """Everything but weights and adapters, wherever they are."""
        return self.total - self.weights_in_file - self.weights_copied

    @property
    def beside_files(self) -> int:
        """Everything but the pages of files of weights."""
        return self.total - self.weights_in_file
