"""Programs that stand in for home-llm where the real one would have to break."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

# The standard library's server, with the few routes and the key that the real one has.
_SERVER = """#!{python} -IS
import http.server, json, os, pathlib, signal, sys, threading, time

here = pathlib.Path(__file__).parent
if sys.argv[1:] == ["--version"]:
    print("home-llm 9.9.9")
    sys.exit()
arguments = dict(item[2:].split("=", 1) for item in sys.argv[2:])
(here / "started").open("a").write(" ".join(sys.argv[1:]) + "\\n")
if (here / "stubborn").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if (here / "refuse").exists():
    print("home-llm: " + (here / "refuse").read_text(), file=sys.stderr)
    sys.exit(2)
if (here / "sleep").exists():
    time.sleep(60)
key = os.environ["HOME_LLM_API_KEY"]
print("2026-01-01 00:00:00,000 WARNING (main) [home_llm] my key is " + key, file=sys.stderr, flush=True)
print("llama_model_loader: loaded", os.environ.get("HOME_LLM_HUB_TOKEN", "-"), flush=True)

def look():
    while True:
        if (here / "die").exists():
            os.kill(os.getpid(), int((here / "die").read_text()))
        time.sleep(0.02)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        if (here / "stuck").exists():
            time.sleep(60)
        status, body = 200, {{"status": "ok", "version": "9.9.9", "message": "", "model": "m"}}
        if (here / "health").exists():
            body |= json.loads((here / "health").read_text())
        if self.path == "/v1/models":
            body = {{"data": [{{"id": "m", "owned_by": "home-llm"}}]}}
            if self.headers.get("Authorization") != "Bearer " + key:
                status, body = 401, {{"error": "no"}}
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

threading.Thread(target=look, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments["port"])), Handler).serve_forever()
"""


def write_program(folder: Path, text: str) -> Path:
    """Write a shell script in the place of home-llm."""
    return _write(folder, f"#!/bin/sh\n{text}\n")


def write_nonsense(folder: Path) -> Path:
    """Write what the system takes for a program and cannot run in the place of home-llm."""
    path = _write(folder, "")
    path.write_bytes(b"\x7fELF nonsense")
    return path


def write_server(folder: Path) -> Path:
    """Write a server in the place of home-llm, which does what files beside it say: die, stuck, sleep and others."""
    return _write(folder, _SERVER.format(python=sys.executable))


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "home-llm"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something outside Home Assistant is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - no event tells of another process
            await asyncio.sleep(0.02)
