"""llama.cpp's own test data, from llama-cpp-python's source distribution.

These are the models' chat templates and vocabularies, and the tests of llama-server. The wheel that is installed here
was built from that archive, but does not hold them. It is fetched from the package index once, checked against the hash
of the lock file, and what is needed of it is kept in `.cache`.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = "llama-cpp-python"
_LOCKED = re.compile(rf"^{_PACKAGE}==(\S+) \\\n\s+--hash=sha256:([0-9a-f]+)", re.MULTILINE)
_TIMEOUT_SECONDS = 600

# What is kept, by the name that it has here.
_WANTED = {"models": "/vendor/llama.cpp/models/", "server-tests": "/vendor/llama.cpp/tools/server/tests/"}


class SourcesError(Exception):
    """The archive cannot be had; the text says why and what to do."""


def llama_cpp_version() -> str:
    """Return the version of the source distribution."""
    return _locked()[0]


def llama_cpp_models() -> Path:
    """Return the folder `models` of llama.cpp's sources, with `templates/*.jinja` and `ggml-vocab-*.gguf`.

    Raises:
        SourcesError: they are not here and cannot be fetched.
    """
    return _folder("models")


def llama_cpp_server_tests() -> Path:
    """Return the folder `tools/server/tests` of llama.cpp's sources.

    Raises:
        SourcesError: they are not here and cannot be fetched.
    """
    return _folder("server-tests")


def _folder(wanted: str) -> Path:
    version, sha256 = _locked()
    cache = _ROOT / ".cache"
    folders = {name: cache / f"{_PACKAGE}-{version}-{name}" for name in _WANTED}
    if folders[wanted].is_dir():
        return folders[wanted]
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".sources-") as scratch:
        try:
            archive = _fetch(version, sha256, Path(scratch))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise SourcesError(
                f"The chat templates, vocabularies and server tests of llama.cpp are test data from the source "
                f"distribution of {_PACKAGE} {version}, which cannot be fetched: {error}. Run the test once where the "
                f"package index can be reached; they then stay in {cache}."
            ) from error
        for name, folder in folders.items():
            unpacked = Path(scratch) / name
            _unpack(archive, _WANTED[name], unpacked)
            # Another run may have been faster.
            if not folder.is_dir():
                unpacked.replace(folder)
    return folders[wanted]


def _locked() -> tuple[str, str]:
    found = _LOCKED.search((_ROOT / "requirements" / "server.txt").read_text("utf-8"))
    assert found, "the lock file names the package with its hash"
    return found[1], found[2]


def _fetch(version: str, sha256: str, folder: Path) -> Path:
    """Have pip get the archive from wherever this machine is set up to get packages; return its path."""
    pip = _ROOT / ".cache" / "uv" / "bin" / "python"
    command = [str(pip) if pip.exists() else "python3", "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", _PACKAGE, f"{_PACKAGE}=={version}", "--dest", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise ValueError(lines[-1] if lines else f"pip ended with {result.returncode}")
    (archive,) = folder.glob("*.tar.gz")
    with archive.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
            raise ValueError(f"{archive.name} is not the file that the lock file names")
    return archive


def _unpack(archive: Path, wanted: str, folder: Path) -> None:
    """Unpack the files of one folder of the archive."""
    with tarfile.open(archive) as sources:
        for member in sources:
            _, found, name = member.name.partition(wanted)
            content = sources.extractfile(member) if found and member.isfile() else None
            if content is None:
                continue
            path = folder / name
            assert path.resolve().is_relative_to(folder.resolve())
            path.parent.mkdir(parents=True, exist_ok=True)
            with content, path.open("wb") as output:
                shutil.copyfileobj(content, output)
