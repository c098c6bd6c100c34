"""The configured model, loaded in this process: for commands that talk to it without a server."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from home_llm.chat import Chat
from home_llm.models import ModelError
from home_llm.runtime import Runtime, State
from home_llm.settings import Settings

_LOOK_SECONDS = 0.05


@contextmanager
def local_chat(settings: Settings) -> Iterator[Chat]:
    """Load the configured model, downloading it first where it is not here yet, and free it at the end.

    Raises:
        ModelError: it cannot be had or loaded.
    """
    # What is yielded must not be unloaded while a person thinks.
    runtime = Runtime(dataclasses.replace(settings, idle_unload=0.0))
    runtime.start()
    try:
        shown = ""
        while (status := runtime.status).state not in {State.OK, State.ERROR}:
            if status.state is State.DOWNLOADING and status.message != shown:
                shown = status.message
                print(f"\r{shown}", end="", file=sys.stderr, flush=True)
            time.sleep(_LOOK_SECONDS)
        if shown:
            print(file=sys.stderr)
        if status.state is State.ERROR:
            raise ModelError(status.message)
        yield runtime.chat()
    finally:
        runtime.close()
