"""The `home-llm` command."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from home_llm import __version__
from home_llm.cli import chat, demo, discover, models, rpc_worker, serve
from home_llm.models import ModelError
from home_llm.settings import SettingsError, add_flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: in place of the process's own.
    """
    parsed = _parser().parse_args(arguments)
    command: Callable[[Namespace], int] = parsed.command
    try:
        return command(parsed)
    except (SettingsError, ModelError) as error:
        print(f"home-llm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `home-llm models list | head`: the reader has seen enough.
        sys.stderr.close()
        return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="home-llm", description="A language model for the house, on the house's own hardware.")
    parser.add_argument("--version", action="version", version=f"home-llm {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, module in (
        ("serve", serve),
        ("models", models),
        ("chat", chat),
        ("demo", demo),
        ("discover", discover),
        ("rpc-worker", rpc_worker),
    ):
        documentation = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, help=documentation, description=documentation)
        command.set_defaults(command=module.run)
        add_flags(command)
        module.add_arguments(command)
    return parser
