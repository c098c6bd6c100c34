"""`home-llm-lab export`: an adapter, a merged model and its quants, from a folder that training saved."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from home_llm_lab.evaluate.models import ModelSpec
from home_llm_lab.evaluate.rows import DataError, Task
from home_llm_lab.evaluate.server import ServerError

from .adapter import MAX_BYTES, TYPES, write_adapter
from .base import Base, read_base
from .errors import ExportError
from .gate import pass_gate, sample
from .merge import write_merged
from .peft_adapter import Pair, read_peft
from .quantize import QUANTS, quantize_file

HELP = "write an adapter, a merged model and quants as GGUF"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("adapter", type=Path, help="folder with adapter_config.json and adapter_model.safetensors")
    parser.add_argument("--base", type=Path, required=True, help="GGUF file of the base that it was trained on")
    parser.add_argument("--name", default="home", help="what the files are called, such as home-135m")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the files (default: here)")
    parser.add_argument("--type", choices=TYPES, default="q8_0", help="how the adapter is stored (default: q8_0)")
    parser.add_argument("--license", default="apache-2.0", help="of the adapter (default: apache-2.0)")
    parser.add_argument("--gate", type=Path, metavar="JSONL", help="test data; what does not pass is not released")
    parser.add_argument("--ungated", action="store_true", help="write without trying, for files that nobody gets")
    parser.add_argument("--merge", action="store_true", help="write base and adapter as one model, too")
    parser.add_argument("--quant", action="append", default=[], metavar="QUANT", help=f"{', '.join(QUANTS)}, or all")
    parser.add_argument("--importance", type=Path, metavar="JSONL", help="measure an importance matrix with this data")
    parser.add_argument(
        "--chat-template",
        default="home",
        metavar="FILE",
        help="of the merged model: home shows calls as it writes them (default), base is the base's, or a file",
    )


def run(arguments: Namespace) -> int:
    """Export, and return 0; 1 where something was not released, 2 where something is wrong with what was given."""
    try:
        return _export(arguments)
    except (ExportError, DataError, ServerError) as error:
        print(f"home-llm-lab: {error}", file=sys.stderr)
        return 2


def _export(arguments: Namespace) -> int:
    """Return 1 where something did not pass the gate."""
    if not arguments.gate and not arguments.ungated:
        raise ExportError("No file leaves untried: give --gate with test data, or --ungated to keep it to yourself.")
    tasks = sample(arguments.gate) if arguments.gate else []
    quants = list(QUANTS) if "all" in arguments.quant else arguments.quant
    if unknown := [quant for quant in quants if quant not in QUANTS]:
        raise ExportError(f"There is no quant {unknown[0]}. There are: {', '.join(QUANTS)}, all.")
    base = read_base(arguments.base)
    pairs = read_peft(arguments.adapter)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"{arguments.name}.gguf"
    about = {
        "general.name": arguments.name,
        "general.license": arguments.license,
        "general.base_model.0.name": base.name,
    }
    size = write_adapter(pairs, base, path, kind=arguments.type, about=about)
    print(f"{path}: adapter of {len(pairs)} tensors, {size / 1e6:.1f} MB")
    if size > MAX_BYTES:
        print(f"{path} is over {MAX_BYTES / 1e6:.0f} MB: train with a lower rank, or fewer modules.", file=sys.stderr)
    refused = not _released(path, ModelSpec(arguments.name, str(base.path), path), tasks)
    if not arguments.merge and not quants:
        return int(refused)
    merged = arguments.out / f"{arguments.name}-F16.gguf"
    for written in _models(arguments, base, pairs, merged, quants):
        print(f"{written}: {written.stat().st_size / 1e6:.0f} MB")
        refused |= not _released(written, ModelSpec(written.stem, str(written)), tasks)
    return int(refused)


def _models(
    arguments: Namespace, base: Base, pairs: Sequence[Pair], merged: Path, quants: Sequence[str]
) -> Iterator[Path]:
    """Write the merged model and its quants, and yield the file of each."""
    template = _template(arguments.chat_template)
    write_merged(pairs, base, merged, name=arguments.name, chat_template=template)
    importance = None
    if arguments.importance:
        from .calibration import read_texts  # noqa: PLC0415 - what it imports is large
        from .importance import measure  # noqa: PLC0415

        importance = measure(merged, read_texts(arguments.importance, merged))
    for quant in quants:
        if quant != "F16":
            target = merged.with_name(f"{arguments.name}-{quant}.gguf")
            quantize_file(merged, target, quant, importance=importance)
            yield target
    # Last, because a refused one is renamed.
    yield merged


def _template(chosen: str) -> str | None:
    if chosen == "base":
        return None
    path = Path(__file__).with_name("home.jinja") if chosen == "home" else Path(chosen)
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ExportError(f"The chat template {path} cannot be read: {error.strerror}.") from error


def _released(path: Path, spec: ModelSpec, tasks: Sequence[Task]) -> bool:
    """Try a file, and rename it where it does not pass."""
    if not tasks:
        return True
    reasons = pass_gate(spec, tasks)
    if not reasons:
        print(f"{path}: passed the gate with {len(tasks)} conversations")
        return True
    for reason in reasons:
        print(f"{path}: {reason}", file=sys.stderr)
    refused = path.with_suffix(".refused")
    path.replace(refused)
    print(f"{path} is not released; it is kept as {refused.name}.", file=sys.stderr)
    return False
