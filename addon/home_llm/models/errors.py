"""The errors of this room: one type whose message a person can act on, and one for being told to stop."""


class ModelError(Exception):
    """A model cannot be had; the message says why and what to do.

    Attributes:
        retryable: the same request may succeed later without anyone changing a setting.
        retry_after: seconds the other side asked to wait, where it said so.
        status: the HTTP status behind the error, where there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        """Keep the message and what a caller may do about it."""
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status


class GgufError(ModelError):
    """A file is not a whole GGUF model."""


class StoppedError(Exception):
    """The caller's cancel event was set; nothing is wrong, and what was downloaded so far is kept."""
