"""What a slot holds, saved to a file of a folder and brought back, as with llama-server's `--slot-save-path`.

Source: tools/server/README.md of llama.cpp, `POST /slots/{id_slot}?action=save`.
"""

import re
import time
from pathlib import Path
from typing import Any

import flask

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read
from home_llm.api.errors import ApiError
from home_llm.api.openapi import documented
from home_llm.api.schemas import llama_server as schemas
from home_llm.engine import SlotError
from home_llm.runtime import Runtime

# A name and no path: no separator of any system, nothing hidden, and nothing that is special to a shell.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class SlotBody(Lenient):
    """Body of `POST /slots/{slot}`; to erase one no name is needed."""

    filename: str = ""


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the route."""
    routes = flask.Blueprint("llama_server_slots", __name__)

    @routes.post("/slots/<int:slot>")
    @documented(
        "Save what a slot holds, bring it back, or forget it",
        tag="llama-server",
        body=SlotBody,
        query={"action": "save, restore or erase."},
        answer=schemas.SLOT_DONE,
    )
    def act(slot: int) -> flask.typing.ResponseReturnValue:
        action = flask.request.args.get("action", "")
        if action not in {"save", "restore", "erase"}:
            raise ApiError(400, f"action must be save, restore or erase, not {action!r}.", param="action")
        folder = _folder(runtime)
        body = read(SlotBody) if flask.request.get_data(cache=True) else SlotBody()
        with admission.enter():
            engine = runtime.chat().engine
            if slot >= engine.n_parallel:
                raise ApiError(400, f"There is no slot {slot}: the last one is {engine.n_parallel - 1}.", param="slot")
            if action == "erase":
                return {"id_slot": slot, "n_erased": engine.with_slots(lambda slots: slots.erase(slot))}
            path = _path(folder, body.filename)
            started = time.perf_counter()
            try:
                if action == "save":
                    folder.mkdir(parents=True, exist_ok=True)
                    found = engine.with_slots(lambda slots: slots.save(slot, path))
                else:
                    found = engine.with_slots(lambda slots: slots.restore(slot, path))
            except SlotError as error:
                raise ApiError(400, f"Slot {slot} cannot be {action}d: {error}.", param="filename") from error
            except OSError as error:
                raise ApiError(500, f"{folder} cannot be written: {error.strerror}.") from error
            spent = (time.perf_counter() - started) * 1000
        told: dict[str, Any] = {"id_slot": slot, "filename": path.name}
        if action == "save":
            return {**told, "n_saved": found.tokens, "n_written": found.size, "timings": {"save_ms": spent}}
        return {**told, "n_restored": found.tokens, "n_read": found.size, "timings": {"restore_ms": spent}}

    return routes


def _folder(runtime: Runtime) -> Path:
    """Return the folder of the files.

    Raises:
        ApiError: there is none.
    """
    if not (folder := runtime.settings.slot_folder):
        raise ApiError(501, "Slots are not saved: the setting slot_folder names no folder.")
    return Path(folder).expanduser()


def _path(folder: Path, name: str) -> Path:
    """Return the file of a name, which is one of the folder itself.

    Raises:
        ApiError: it is no name of a file there.
    """
    path = folder / name
    if not _NAME.fullmatch(name) or path.is_symlink() or path.is_dir():
        raise ApiError(
            400,
            "filename must be the name of a file, of letters, digits, dots, dashes and underscores, and no path.",
            param="filename",
        )
    return path
