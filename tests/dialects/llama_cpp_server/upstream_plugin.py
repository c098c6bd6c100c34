"""pytest plugin for llama.cpp's own server tests, which are run as they are but for their models and the network.

Every preset gets the substitute model, nothing is downloaded, and what became of each test is written to a file. The
environment says the rest: `SUBSTITUTE`, `RANKER` (its like that ranks documents), `SHARD` such as `0/2`, `ONLY` (a file
of test ids, or nothing) and `OUTCOMES`.
"""

import importlib
import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _no_download(url: str, **_: Any) -> None:
    raise OSError(f"the network is not there for tests: {url}")


# A package that has been without a release for ten years, for downloads alone.
_wget: Any = types.ModuleType("wget")
_wget.download = _no_download
sys.modules["wget"] = _wget

_outcomes: dict[str, dict[str, Any]] = {}


def pytest_sessionstart() -> None:
    """Give every preset the substitute model."""
    presets = importlib.import_module("utils").ServerPreset
    for name, preset in list(vars(presets).items()):
        if not isinstance(preset, staticmethod):
            continue
        if name == "load_all":
            setattr(presets, name, staticmethod(lambda: None))
        elif name != "router":
            setattr(presets, name, staticmethod(_substituted(preset.__func__)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this shard."""
    only = os.environ.get("ONLY")
    wanted = set(Path(only).read_text("utf-8").splitlines()) if only else None
    kept = [item for item in items if wanted is None or item.nodeid in wanted]
    shard, count = map(int, os.environ["SHARD"].split("/"))
    items[:] = [item for number, item in enumerate(kept) if number % count == shard]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what became of a test: it passed when nothing of it failed or was skipped."""
    outcome = _outcomes.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0, "reason": ""})
    outcome["seconds"] += report.duration
    if report.outcome != "passed":
        lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
        outcome |= {"outcome": report.outcome, "reason": lines[0][1:].strip() if lines else report.longreprtext[-200:]}


def pytest_sessionfinish() -> None:
    """Write what became of all of them."""
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(_outcomes), "utf-8")


def _substituted(preset: Callable[[], Any]) -> Callable[[], Any]:
    def make() -> Any:
        server = preset()
        server.model_hf_repo = server.model_hf_file = None
        server.model_file = os.environ["RANKER" if server.server_reranking else "SUBSTITUTE"]
        # Two shards run side by side, and the model is too small for a second thread.
        server.n_threads = 1
        return server

    return make
