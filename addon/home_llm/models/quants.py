"""Quants: their names, finding them among a repository's files, and choosing one for the memory there is."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from .context import AUTO_SHARE, MemoryNeed
from .errors import ModelError
from .memory import gigabytes
from .speed import REPACKED, Processor, estimated_weights

_LOGGER = logging.getLogger(__name__)

AUTO: Final = "auto"
NONE: Final = "none"

# What `none` (no quantisation) stands for, best first for a CPU: llama.cpp converts F16 fastest.
UNQUANTISED: Final = ("F16", "BF16", "F32")

# What `auto` chooses from, best first. F16 is not among them: it takes twice the memory and time of Q8_0 for
# a difference that no one hears.
AUTO_QUANTS: Final = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_L", "Q3_K_M")

# llama.cpp's own short names: Q4_K means Q4_K_M.
_SAME: Final = {"Q3_K_M": "Q3_K", "Q4_K_M": "Q4_K", "Q5_K_M": "Q5_K"}

_SPELLINGS: Final = {"FP16": "F16", "FP32": "F32"}

_TOKEN: Final = re.compile(
    r"""(?<![A-Z0-9])
    (UD_)?                              # unsloth's mixed quants have a name of their own
    (
      IQ[1-4]_(?:XXS|XS|XL|NL|S|M)
    | TQ[12]_0
    | MXFP4(?:_MOE)?
    | NVFP4
    | Q[1-8]_K_(?:XXS|XS|XL|S|M|L)
    | Q[1-8]_K
    | Q[1-8]_[01](?:_[48]_[48])?
    | Q[2-8]
    | BF16 | F16 | F32 | FP16 | FP32
    )
    (?![A-Z0-9])""",
    re.VERBOSE,
)
_SPLIT: Final = re.compile(r"-(\d{5})-of-(\d{5})$", re.IGNORECASE)

# Files that end in .gguf without being a language model: image projectors, importance matrices, draft heads.
_NOT_A_MODEL: Final = re.compile(r"(?:^|[^a-z])(?:mmproj|imatrix|mtp)(?:[^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: its path there, bytes, and SHA-256 in hex ("" where the hub has none)."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Candidate:
    """A model of a repository at one quant: one file, or all parts of a split one, in order."""

    quant: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        return sum(file.size for file in self.files)

    @property
    def name(self) -> str:
        """The name of the file that is loaded: the first part."""
        return self.files[0].name


@dataclass(frozen=True)
class Choice:
    """What `auto` chose (None: nothing fits) and one sentence for each quant that it looked at."""

    candidate: Candidate | None
    reasons: tuple[str, ...]


def parse_quant(path: str) -> str:
    """Find the quant in a file's name, or else in its folder's; "" where there is none.

    Case and separators do not matter: `-q4_k_m`, `.Q4-K-M` and `_Q4.K.M` are all Q4_K_M.
    """
    file = PurePosixPath(path)
    stem = _SPLIT.sub("", re.sub(r"\.gguf$", "", file.name, flags=re.IGNORECASE))
    for text in (stem, *reversed(file.parts[:-1])):
        found = list(_TOKEN.finditer(re.sub(r"[-. ]", "_", text.upper())))
        if found:
            return ("UD-" if found[-1][1] else "") + _SPELLINGS.get(found[-1][2], found[-1][2])
    return ""


def find_candidates(files: Iterable[RemoteFile]) -> list[Candidate]:
    """Group a repository's GGUF files into models by quant, smallest first.

    Files that are not language models and split models with a part missing are left out.
    """
    groups: dict[str, list[RemoteFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if not file.path.lower().endswith(".gguf") or _NOT_A_MODEL.search(file.path.removesuffix(".gguf")):
            continue
        stem = str(PurePosixPath(file.path).with_suffix(""))
        match = _SPLIT.search(stem)
        groups.setdefault(f"{stem[: match.start()]}/{match[2]}" if match else stem, []).append(file)
    candidates = []
    for parts in groups.values():
        match = _SPLIT.search(PurePosixPath(parts[0].path).stem)
        if match and len(parts) != int(match[2]):
            _LOGGER.warning("%s: %d of its %s parts are there; left out", parts[0].path, len(parts), match[2])
            continue
        candidates.append(Candidate(parse_quant(parts[0].path), tuple(parts)))
    return sorted(candidates, key=lambda candidate: (candidate.size, len(candidate.name), candidate.name))


def pick_quant(candidates: Sequence[Candidate], quant: str, where: str) -> Candidate:
    """Return the candidate of the quant asked for; `none` is the unquantised one.

    Of several files with the same quant the one with the shortest name is taken: the plain one.
    Raises ModelError that lists the quants there are.
    """
    wanted = UNQUANTISED if quant.lower() == NONE else (_canonical(quant), _SAME.get(_canonical(quant), ""))
    for name in filter(None, wanted):
        same = [candidate for candidate in candidates if candidate.quant == name]
        if same:
            chosen = min(same, key=lambda candidate: (len(candidate.name), candidate.name))
            if len(same) > 1:
                _LOGGER.info("%s has %d files at %s; taking %s", where, len(same), name, chosen.name)
            return chosen
    raise ModelError(f"{where} is not offered at {quant}. {offered(candidates)}")


def pick_file(candidates: Sequence[Candidate], file: str, where: str) -> Candidate:
    """Return the candidate that holds the file of that name or path.

    Raises ModelError that lists the files there are.
    """
    wanted = file.strip("/").lower()
    for candidate in candidates:
        if any(wanted in (part.path.lower(), part.name.lower()) for part in candidate.files):
            return candidate
    names = ", ".join(candidate.files[0].path for candidate in candidates[:12]) or "none"
    raise ModelError(f"{where} has no model file {file!r}. Its GGUF models: {names}.")


def offered(candidates: Sequence[Candidate]) -> str:
    """Say in a sentence which quants there are."""
    quants = list(dict.fromkeys(candidate.quant or candidate.name for candidate in candidates))
    return f"It has: {', '.join(quants)}." if quants else "It has no GGUF file."


def choose_quant(
    candidates: Sequence[Candidate],
    *,
    memory: int,
    kv_bytes_per_token: int | None,
    context_size: int,
    cache_type: str = "f16",
    order: Sequence[str] = AUTO_QUANTS,
    processor: Processor | None = None,
) -> Choice:
    """Choose the best quant of `order` that fits `memory` bytes at `context_size` tokens.

    Where the model is large for the processor, the quants that it reads fastest come first.

    Where nothing of the list is there, every other quant is looked at, largest first, unquantised files last.
    """
    weights = estimated_weights((candidate.quant, candidate.size) for candidate in candidates)
    hurry = processor is not None and processor.is_short_for(weights)
    if hurry:
        order = (*REPACKED, *(quant for quant in order if quant not in REPACKED))
    listed = [
        candidate
        for quant in order
        for candidate in sorted(candidates, key=lambda candidate: (len(candidate.name), candidate.name))
        if candidate.quant in (quant, _SAME.get(quant, quant))
    ]
    others = sorted(
        (candidate for candidate in candidates if candidate not in listed),
        key=lambda candidate: (candidate.quant in UNQUANTISED, -candidate.size),
    )
    # Where not even the smallest of the list fits, what is smaller still comes next.
    smallest = listed[-1].size if listed else 0
    listed.extend(candidate for candidate in others if not smallest or candidate.size < smallest)
    reasons = []
    for candidate in listed:
        needed = MemoryNeed(candidate.size, kv_bytes_per_token, cache_type).total(context_size)
        label = f"{candidate.quant or candidate.name} needs {gigabytes(needed)}"
        if needed <= memory * AUTO_SHARE:
            reasons.append(f"{label}: fits the {gigabytes(memory)} free.")
            if processor is not None and hurry and candidate.quant in REPACKED:
                speed = processor.tokens_per_second(weights)
                reasons.append(
                    f"{candidate.quant} goes before larger ones: with {weights / 1e9:.1f} billion weights, "
                    f"{processor.cores} cores read about {speed:.0f} tokens a second, and this quant is rearranged "
                    "for their vector units."
                )
            return Choice(candidate, tuple(reasons))
        reasons.append(f"{label}: too much for the {gigabytes(memory)} free.")
    return Choice(None, tuple(reasons))


def _canonical(quant: str) -> str:
    return parse_quant(f"{quant}.gguf") or quant.upper()
