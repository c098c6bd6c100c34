"""What programs share that check a client: running the checks, and telling how each went."""

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TypeVar

Error = TypeVar("Error", bound=Exception)


def report(checks: Mapping[str, Callable[[], None]]) -> None:
    """Run every check, and print a line of JSON for each: its name, and what went wrong or null."""
    for name, check in checks.items():
        error = None
        try:
            # What a client prints is not an answer.
            with contextlib.redirect_stdout(sys.stderr):
                check()
        except Exception:  # noqa: BLE001 - whatever it is, the other checks follow
            error = traceback.format_exc()
        print(json.dumps({"check": name, "error": error}), flush=True)  # noqa: T201 - a program's answer


def raised(kind: type[Error], action: Callable[[], object]) -> Error:
    """Return the exception of this kind that an action raises.

    Raises:
        AssertionError: it raises none.
    """
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
