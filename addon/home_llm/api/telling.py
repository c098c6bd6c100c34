"""What llama-server's clients ask to be told of the work while it is done."""

from typing import Any

from home_llm.api.body import Lenient
from home_llm.api.openai_answers import timings_fields
from home_llm.chat import Progress, Telling, Text


class TellingFields(Lenient):
    """How far the prompt has been read, and what has been done so far; both only in streams."""

    stream: bool | None = None
    return_progress: bool | None = None
    timings_per_token: bool | None = None
    id_slot: int | None = None

    @property
    def slot(self) -> int | None:
        """The slot that is noted, where one is named."""
        return None if self.id_slot is None or self.id_slot < 0 else self.id_slot

    @property
    def telling(self) -> Telling:
        """What is wanted."""
        if not self.stream:
            return Telling()
        return Telling(progress=bool(self.return_progress), timings=bool(self.timings_per_token))


def progress_fields(progress: Progress, *, timings: bool) -> dict[str, Any]:
    """Return how far the prompt has been read, under llama-server's name.

    Args:
        progress: how far.
        timings: whether to tell what it cost, too.
    """
    fields: dict[str, Any] = {
        "prompt_progress": {
            "total": progress.total,
            "cache": progress.cache,
            "processed": progress.processed,
            "time_ms": progress.timings.prompt_ms,
        }
    }
    return fields | {"timings": timings_fields(progress.timings)} if timings else fields


def text_fields(text: Text) -> dict[str, Any]:
    """Return what has been done so far, where that was asked for."""
    return {} if text.timings is None else {"timings": timings_fields(text.timings)}
