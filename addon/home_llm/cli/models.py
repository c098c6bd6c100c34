"""List, download, remove and look at models."""

import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from home_llm.cli.logs import set_up_logging
from home_llm.models import (
    BASE_ID,
    EMBEDDED_ID,
    EMBEDDED_NAME,
    EMBEDDED_QUANT,
    HOME_ID,
    Hub,
    ModelError,
    Progress,
    StoppedError,
    Store,
    Wanted,
    available_memory,
    catalogue,
    find_candidates,
    find_entry,
    gigabytes,
    read_gguf,
    resolve,
)
from home_llm.settings import Settings, load


def add_arguments(parser: ArgumentParser) -> None:
    """Add the actions."""
    parser.add_argument("action", choices=("list", "pull", "remove", "info"), help="what to do")
    parser.add_argument(
        "name",
        nargs="?",
        help="a name of the list, owner/repository, or owner/repository:QUANT; default: --model",
    )


def run(arguments: Namespace) -> int:
    """Run one action; return 0."""
    settings = load(arguments)
    set_up_logging("warning" if settings.log_level == "info" else settings.log_level)
    name = arguments.name or settings.wanted_model
    match arguments.action:
        case "list":
            _list(settings)
        case "pull":
            _pull(replace(settings, model=name, repository=""))
        case "remove":
            if not arguments.name:
                raise ModelError("Say which model to remove: home-llm models remove NAME.")
            print(f"Removed {name}: {gigabytes(Store(settings.data_dir).remove(name))} freed.")
        case _:
            _info(settings, name)
    return 0


def _list(settings: Settings) -> None:
    stored = Store(settings.data_dir).models()
    print("On this machine:")
    print(f"  {EMBEDDED_ID:<36} comes with Home LLM")
    for model in stored:
        print(f"  {model.id:<36} {model.quant:<7} {gigabytes(model.size)}")
    print("\nIn the catalogue (home-llm models info NAME shows the quants):")
    for entry in catalogue():
        print(f"  {entry.id:<36} {entry.licence:<16} {entry.good_for}")


def _pull(settings: Settings) -> None:
    cancel = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: cancel.set())
    signal.signal(signal.SIGTERM, lambda *_: cancel.set())
    wanted = Wanted(model=settings.model, quant=settings.quant, file=settings.file, context_size=settings.context_size)
    try:
        weights = resolve(
            wanted,
            store=Store(settings.data_dir),
            hub=Hub(settings.hub_url, settings.hub_token),
            memory_available=available_memory(),
            on_progress=_show,
            cancel=cancel,
        )
    except StoppedError:
        print("\nStopped. The same command goes on where this one stopped.", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"\n{weights.id} is here: {weights.path} ({gigabytes(weights.size)})")


def _show(progress: Progress) -> None:
    rate = progress.rate / 1e6
    print(f"\r{progress.file}  {progress.percent:5.1f}%  {rate:.1f} MB/s ", end="", file=sys.stderr, flush=True)


def _built_in(name: str) -> str:
    """Return what the model that comes with Home LLM is, by one of its names."""
    entry = find_entry(name)
    adapter = entry.adapter_path if entry else None
    weights = f"{EMBEDDED_NAME}, {EMBEDDED_QUANT}"
    made = f"{HOME_ID}: {weights}, with the adapter {adapter.name}" if adapter else f"{BASE_ID}: {weights}"
    lines = [f"{made}, Apache-2.0. It comes with Home LLM."]
    if entry:
        lines += [f"  {entry.good_for}", f"  languages: {', '.join(entry.languages)}"]
    return "\n".join(lines)


def _info(settings: Settings, name: str) -> None:
    if name.lower() in (EMBEDDED_ID, HOME_ID, BASE_ID):
        print(_built_in(name.lower()))
        return
    stored = [model for model in Store(settings.data_dir).models() if name in (model.id, model.repository)]
    for model in stored:
        facts = read_gguf(model.path)
        print(f"{model.id}: {model.path}\n  {facts}")
    if stored:
        return
    repository = name
    if "/" not in name:
        entry = find_entry(name)
        if entry is None:
            raise ModelError(f"There is no model {name!r} here or in the catalogue (home-llm models list).")
        repository = entry.repository
        print(
            f"{entry.title}\n  {entry.good_for}\n  repository: {entry.repository}\n  licence: {entry.licence}\n"
            f"  languages: {', '.join(entry.languages)}"
        )
    hub = Hub(settings.hub_url, settings.hub_token)
    found = hub.repository(repository, threading.Event())
    print("  quants:")
    for candidate in find_candidates(found.files):
        print(f"    {candidate.quant:<8} {gigabytes(candidate.size)}")
