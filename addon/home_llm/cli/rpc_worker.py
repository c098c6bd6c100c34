"""Lend this machine's memory and processor to a Home LLM on another machine."""

import logging
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from types import FrameType

from home_llm.cli.logs import set_up_logging
from home_llm.engine.threads import usable_cores
from home_llm.llama import DeviceError, devices, serve_rpc
from home_llm.models import gigabytes
from home_llm.settings import Settings, load

_LOGGER = logging.getLogger("home_llm")
_PORT = 50052


def add_arguments(parser: ArgumentParser) -> None:
    """Give the port another default: a worker is not the API."""
    parser.set_defaults(port=_PORT)


def run(arguments: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; return 0 then, and 2 where it cannot be done."""
    settings = load(arguments)
    set_up_logging(settings.log_level)
    ended = threading.Event()
    failure: list[str] = []

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def serve() -> None:
        try:
            _serve(settings)
            failure.append(f"Cannot listen on {settings.host}:{settings.port}. Choose another port with --port.")
        except DeviceError as error:
            failure.append(str(error))
        except OSError as error:
            failure.append(f"{settings.data_dir} cannot be written: {error.strerror}. Choose another with --data-dir.")
        finally:
            ended.set()

    signal.signal(signal.SIGTERM, stop)
    # llama.cpp's loop never returns and does not let Python's signal handlers run.
    threading.Thread(target=serve, name="rpc", daemon=True).start()
    ended.wait()
    print(f"home-llm: {''.join(failure) or 'The worker has ended; the lines above say why.'}", file=sys.stderr)
    return 2


def _serve(settings: Settings) -> None:
    cache = settings.data_dir / "cache" / "rpc"
    cache.mkdir(parents=True, exist_ok=True)
    for device in devices():
        _LOGGER.info("%s: %s, %s of memory free", device.name, device.description, gigabytes(device.free))
    _LOGGER.info("Lending to Home LLM on other machines at %s:%d", settings.host, settings.port)
    if not settings.on_loopback:
        _LOGGER.warning(
            "Whoever reaches port %d can use this machine's memory: llama.cpp's RPC has no key and no encryption. "
            "Keep it inside a network that you trust",
            settings.port,
        )
    serve_rpc(settings.hosts[0], settings.port, threads=settings.threads or usable_cores(), cache=cache)
