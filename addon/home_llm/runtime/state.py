"""What the runtime is doing, and how it says that no model can answer."""

from dataclasses import dataclass
from enum import StrEnum

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
