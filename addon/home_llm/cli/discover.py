"""Announce the running server to Home Assistant's Supervisor."""

from argparse import ArgumentParser, Namespace

from home_llm.cli.logs import set_up_logging
from home_llm.settings import SettingsError, load
from home_llm.supervisor import discover


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: every setting is a flag already."""
    del parser


def run(arguments: Namespace) -> int:
    """Announce; return 0 whatever happens, so that the container goes on."""
    try:
        settings = load(arguments)
    except SettingsError:
        # The server was given the same, and says what is wrong with it.
        return 0
    set_up_logging(settings.log_level)
    return discover(data_dir=settings.data_dir, port=settings.port, api_key=settings.api_key)
