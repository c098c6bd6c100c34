"""Ollama's way to download a model."""

import dataclasses
import queue
import threading
from collections.abc import Iterator
from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import read
from home_llm.api.errors import ApiError
from home_llm.api.ollama_answers import FRAMING, LINES, TAG, stream_lines
from home_llm.api.ollama_request import PullBody
from home_llm.api.openapi import documented
from home_llm.api.replies import drain
from home_llm.api.schemas import ollama as schemas
from home_llm.models import EMBEDDED_ID, ModelError, Progress, StoppedError
from home_llm.runtime import Library, LocalModel, NotReadyError, Runtime, State, UnknownModelError

_STOPPED = "The server is stopping. What has come is kept: pull again to go on."
_SUCCESS = {"status": "success"}
_MODEL = {"model": EMBEDDED_ID}


def add_routes(routes: flask.Blueprint, runtime: Runtime, admission: Admission) -> None:
    """Add `/api/pull`."""

    @routes.post("/pull")
    @documented(
        "Download a model",
        tag=TAG,
        body=PullBody,
        example=_MODEL,
        streams=LINES,
        answer=schemas.PULLED,
        event=schemas.PULL_LINE,
    )
    def pull() -> flask.typing.ResponseReturnValue:
        body = read(PullBody)
        _check(runtime, body.wanted)
        with admission.enter() as place:
            download = Pull(runtime.library, body.wanted)
            if body.stream is not False:
                return place.keep_until_closed(stream_lines(download, PullWriter(), _FRAMING))
            try:
                for _ in drain(download):
                    pass
            except (ModelError, StoppedError) as error:
                raise _api_error(error) from error
            return _SUCCESS


class Pull:
    """A download on its way. For one reader; `cancel` may come from any thread."""

    def __init__(self, library: Library, name: str) -> None:
        self.finished = False
        self._cancel = threading.Event()
        self._updates: queue.SimpleQueue[Progress | LocalModel | Exception] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(library, name), name="pull", daemon=True).start()

    def poll(self, timeout: float) -> list[Progress | LocalModel]:
        """Return how far it is, and in the end the model; nothing when `timeout` seconds pass.

        Raises:
            Exception: what went wrong.
        """
        try:
            update = self._updates.get(timeout=timeout)
        except queue.Empty:
            return []
        self.finished = not isinstance(update, Progress)
        if isinstance(update, Exception):
            raise update
        return [update]

    def cancel(self) -> None:
        """Stop as soon as possible; what has come is kept."""
        self._cancel.set()

    def _run(self, library: Library, name: str) -> None:
        try:
            self._updates.put(library.pull(name, self._updates.put, self._cancel))
        except Exception as error:  # noqa: BLE001 - the reader raises it
            self._updates.put(error)


class PullWriter:
    """Writes the lines of a download."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {"status": "pulling manifest"}

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield that the hub is asked."""
        yield self._last

    def keep_alive(self) -> dict[str, Any]:
        """Return the last line once more."""
        return self._last

    def event(self, event: Progress | LocalModel, /) -> Iterator[dict[str, Any]]:
        """Yield the line for a part that has come, and those for the end."""
        if isinstance(event, Progress):
            digest = event.sha256 or event.file
            self._last = {
                "status": f"pulling {digest[:12]}",
                "digest": f"sha256:{event.sha256}" if event.sha256 else event.file,
                "total": event.total,
                "completed": event.done,
            }
            yield self._last
        else:
            yield {"status": "verifying sha256 digest"}
            yield {"status": "writing manifest"}
            yield _SUCCESS


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, StoppedError):
        return {"error": _STOPPED}
    return {"error": str(error)} if isinstance(error, ModelError | NotReadyError) else FRAMING.failure(error)


_FRAMING = dataclasses.replace(FRAMING, failure=_failure)


def _check(runtime: Runtime, name: str) -> None:
    """See that a name is one that can be pulled now.

    Raises:
        ApiError: there is no such model.
        NotReadyError: another one is being downloaded for the server itself.
    """
    try:
        runtime.library.find(name)
    except UnknownModelError:
        try:
            runtime.library.check(name)
        except ModelError as error:
            raise ApiError(404, str(error), param="model") from error
        if runtime.status.state is State.DOWNLOADING:
            raise NotReadyError(f"Pull this model later. {runtime.status.message}", 60) from None


def _api_error(error: ModelError | StoppedError) -> ApiError:
    if isinstance(error, StoppedError):
        return ApiError(503, _STOPPED, retry_after=60)
    return ApiError(503, str(error), retry_after=60) if error.retryable else ApiError(400, str(error), param="model")
