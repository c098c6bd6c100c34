"""What the runtime is doing, and how it says that no model can answer."""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from home_llm import __version__
from home_llm.models import Progress

_LOGGER = logging.getLogger(__name__)


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


class StatusBoard:
    """What the runtime says that it is doing.

    Args:
        status: the first look.

    Attributes:
        status: the newest look.
        meanwhile: the name of a model that answers until the one that is meant is here; "" when none does.
    """

    def __init__(self, status: Status) -> None:
        self.status = status
        self.meanwhile = ""

    def show(self, status: Status) -> None:
        """Show another status; where a model answers meanwhile, that is said too, and it is named as the model."""
        if self.meanwhile and status.state is not State.OK:
            message = f"{status.message} {self.meanwhile} answers meanwhile."
            status = replace(status, message=message, model=self.meanwhile)
        self.status = status

    def report(self, error: Exception) -> None:
        """Show and log what went wrong."""
        _LOGGER.error("%s", error)
        self.show(Status(State.ERROR, str(error), self.status.model))

    def not_ready(self, *, waking: bool) -> NotReadyError:
        """Return the error for a request that no model can answer now.

        Args:
            waking: a model that had fallen asleep is being loaded.
        """
        soon = waking or self.status.state is State.LOADING
        return NotReadyError(self.status.message, 5 if soon else 30)
