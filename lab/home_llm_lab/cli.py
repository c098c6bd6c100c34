"""The command `home-llm-lab`: one module a command, imported when it is called for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

# What each command is for, and where it is. They need different environments, so that only one is imported.
_COMMANDS = {
    "data": ("home_llm_lab.data.command", "make examples over random houses, each executed in a real Home Assistant"),
    "train": ("home_llm_lab.training.command", "fine-tune a model on them"),
    "export": ("home_llm_lab.export.command", "write an adapter, a merged model and quants as GGUF"),
    "card": ("home_llm_lab.export.card_command", "write the model card of what was trained, exported and evaluated"),
    "evaluate": ("home_llm_lab.evaluate.command", "score models on data, through the server that is shipped"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="home-llm-lab", description="The model lab of Home LLM.")
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND", help="; ".join(_told()))
    if not given or given[0] not in _COMMANDS:
        parser.parse_args(given[:1] or ["--help"])
    name = given[0]
    try:
        module = importlib.import_module(_COMMANDS[name][0])
    except ModuleNotFoundError as error:
        print(f"home-llm-lab: {name} needs {error.name}, which is not in this environment.", file=sys.stderr)
        return 2
    own = argparse.ArgumentParser(prog=f"home-llm-lab {name}", description=f"{_COMMANDS[name][1].capitalize()}.")
    module.add_arguments(own)
    run: Callable[[argparse.Namespace], Any] = getattr(module, "run_command", None) or module.run
    return int(run(own.parse_args(given[1:])) or 0)


def _told() -> list[str]:
    return [f"{name}: {purpose}" for name, (_, purpose) in _COMMANDS.items()]


if __name__ == "__main__":
    sys.exit(main())
