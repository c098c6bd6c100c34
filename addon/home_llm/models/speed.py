"""Whether a model is large for this machine's processor, and which quants the processor reads fastest."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The quants that llama.cpp rearranges for the vector units, best first. Q4_0 reads prompts 3.4 times as fast as Q4_1,
# which it does not rearrange.
REPACKED: Final = ("Q4_0", "IQ4_NL")

# What rearranging needs: AVX2 on x86, dot products on ARM.
_FLAGS: Final = frozenset({"avx2", "asimddp"})

# Weights that a core reads a prompt with in a second, times tokens. Measured: 33e9 on a server's core with AVX-512;
# small machines do less.
_CORE_RATE: Final = 20e9

# Below this many tokens a second the compact prompt of a house takes more than four seconds.
_SHORT: Final = 60

_BITS: Final = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.6,
    "Q5_K_M": 5.7,
    "Q4_K_M": 4.9,
    "Q4_0": 4.7,
    "IQ4_NL": 4.7,
    "Q3_K_L": 4.3,
    "Q3_K_M": 3.9,
}


@dataclass(frozen=True)
class Processor:
    """What computes.

    Attributes:
        cores: that this process may use.
        repacks: whether llama.cpp rearranges `REPACKED` for it.
    """

    cores: int
    repacks: bool

    def tokens_per_second(self, weights: float) -> float:
        """Estimate how fast a prompt is read by a model of so many weights."""
        return self.cores * _CORE_RATE / max(weights, 1.0)

    def is_short_for(self, weights: float) -> bool:
        """Return whether a model of so many weights is slow here, and a rearranged quant would help."""
        return self.repacks and self.tokens_per_second(weights) < _SHORT


def estimated_weights(sizes: Iterable[tuple[str, int]]) -> float:
    """Estimate how many weights a model has from files of it, as quants and bytes; 0 where no quant tells."""
    counts = [size * 8 / _BITS[quant] for quant, size in sizes if quant in _BITS]
    return sum(counts) / len(counts) if counts else 0.0


def repacks(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether llama.cpp rearranges weights for this processor."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return not _FLAGS.isdisjoint(flags.split())
