"""Serve the model over HTTP."""

import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from types import FrameType

from home_llm import __version__
from home_llm.api import create_app
from home_llm.api.server import HttpServer, PortError, bracketed
from home_llm.cli.logs import set_up_logging
from home_llm.panel import INGRESS_ADDRESSES, SUPERVISOR_ADDRESSES, create_panel
from home_llm.runtime import Runtime, Watchdog
from home_llm.settings import Settings, SettingsError, load
from home_llm.supervisor import ensure_api_key

_LOGGER = logging.getLogger("home_llm")
_PLACES = 16


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: every setting is a flag already."""
    del parser


def run(arguments: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; return 0 then."""
    settings = load(arguments)
    recent = set_up_logging(settings.log_level)
    api_key = _api_key(settings)
    runtime = Runtime(settings)
    app = create_app(runtime, api_key=api_key, admin_key=settings.admin_key, places=_PLACES)
    try:
        server = HttpServer(app, settings.hosts, settings.port, places=_PLACES)
        panel = None
        if settings.ingress_port:
            # Under the Supervisor nobody else may open the page, not even from within the container.
            allowed = SUPERVISOR_ADDRESSES if os.environ.get("SUPERVISOR_TOKEN") else INGRESS_ADDRESSES
            page = create_panel(runtime.health, log=recent.lines, allowed=allowed)
            panel = HttpServer(page, settings.hosts, settings.ingress_port, places=0)
    except PortError as error:
        print(f"home-llm: {error}", file=sys.stderr)
        return 2

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Waitress waits for the answers that are under way.
        runtime.stop_generations()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    watchdog = Watchdog(
        runtime.present, seconds=settings.hang_timeout, lines=recent.lines, folder=settings.data_dir / "cache"
    )
    if panel is not None:
        panel.start()
    runtime.start()
    watchdog.start()
    _announce(settings, api_key)
    try:
        # Waitress returns from here on SystemExit and KeyboardInterrupt, once its threads are done or 5 s have passed.
        server.run()
    finally:
        watchdog.stop()
        runtime.close()
        if panel is not None:
            panel.close()
    _LOGGER.info("Stopped")
    return 0


def _api_key(settings: Settings) -> str:
    """Return the key of the API; one is made where others than this machine can reach it and none was set."""
    if settings.api_key or settings.on_loopback:
        return settings.api_key
    try:
        return ensure_api_key(settings.data_dir)
    except OSError as error:
        raise SettingsError(
            f"{settings.data_dir} cannot be written ({error.strerror}): the API key is kept there. Make the folder "
            "writable, or name another with --data-dir"
        ) from error


def _announce(settings: Settings, api_key: str) -> None:
    addresses = [f"http://{bracketed(host)}:{settings.port}" for host in settings.hosts]
    address = addresses[0]
    _LOGGER.info("Home LLM %s listens on %s", __version__, ", ".join(addresses))
    if not api_key:
        _LOGGER.warning("No API key is set: every program on this machine can use the API (--api-key sets one)")
    elif not settings.api_key:
        _LOGGER.info("The API key is in %s", settings.data_dir / "api_key")
    if sys.stdout.isatty():
        print(
            "\nTry, in another terminal:\n"
            f"  curl {address}/health\n"
            '  home-llm demo "turn on the kitchen light"\n'
            "  home-llm chat\n"
        )
