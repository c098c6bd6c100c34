"""The `home-llm` command."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from home_llm import __version__
from home_llm.settings import SettingsError, add_flags

# A command's module is imported when it is called: what the server needs takes most of a second to import, and others
# need none of it.
_COMMANDS = {
    "serve": "Serve the model over HTTP.",
    "models": "List, download, remove and look at models.",
    "chat": "Talk to the model in the terminal.",
    "demo": "Command a simulated house, without Home Assistant.",
    "discover": "Announce the running server to Home Assistant's Supervisor.",
    "rpc-worker": "Lend this machine's memory and processor to a Home LLM on another machine.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: in place of the process's own.
    """
    given = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(given[0] if given else "").parse_args(given)
    command: Callable[[Namespace], int] = parsed.command
    try:
        return command(parsed)
    except _errors_in_words() as error:
        print(f"home-llm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `home-llm models list | head`: the reader has seen enough.
        sys.stderr.close()
        return 0


def _errors_in_words() -> tuple[type[Exception], ...]:
    """Return the errors whose text is for people; asked for when one has come, so that nothing is imported for it."""
    from home_llm.models import ModelError  # noqa: PLC0415 - see above

    return SettingsError, ModelError


def _parser(called: str) -> ArgumentParser:
    parser = ArgumentParser(prog="home-llm", description="A language model for the house, on the house's own hardware.")
    parser.add_argument("--version", action="version", version=f"home-llm {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == called:
            module = import_module(f"home_llm.cli.{name.replace('-', '_')}")
            command.set_defaults(command=module.run)
            add_flags(command)
            module.add_arguments(command)
    return parser
