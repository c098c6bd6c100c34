"""What the runtime is doing, and how it says that no model can answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from home_llm import __version__
from home_llm.models import Progress


class State(StrEnum):
    """What `/health` calls `status`."""

    OK = "ok"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    ERROR = "error"
    UNLOADED = "unloaded"


class NotReadyError(Exception):
    """No model can answer now; the text says why.

    Attributes:
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownModelError(Exception):
    """There is no such model on this machine; the text lists those there are."""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the runtime.

    Attributes:
        state: what it is doing.
        message: the same as a sentence that a person can act on.
        model: the name of the model, as clients see it.
        progress: of a download.
    """

    state: State
    message: str
    model: str | None = None
    progress: Progress | None = None

    @property
    def health(self) -> dict[str, Any]:
        """The body of `/health`."""
        download = None
        if (progress := self.progress) is not None:
            download = {
                "file": progress.file,
                "done": progress.done,
                "total": progress.total,
                "percent": progress.percent,
            }
        return {
            "status": self.state.value,
            "model": self.model,
            "message": self.message,
            "download": download,
            "version": __version__,
        }
