"""`home-llm-lab train`: the same as train.py."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from . import arguments
from .run import attempt

HELP = "fine-tune a model on them"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the flags of train.py."""
    arguments.add_arguments(parser)


def run(parsed: Namespace) -> int:
    """Train, and return 0; 1 where something is wrong with what was given, 130 where it was interrupted."""
    return attempt(lambda: arguments.read_arguments(parsed))
