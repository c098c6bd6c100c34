"""`home-llm-lab export`: an adapter, a merged model and its quants, from a folder that training saved."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .adapter import MAX_BYTES, TYPES, write_adapter
from .base import read_base
from .errors import ExportError
from .merge import write_merged
from .peft_adapter import read_peft
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
    parser.add_argument("--merge", action="store_true", help="write base and adapter as one model, too")
    parser.add_argument("--quant", action="append", default=[], metavar="QUANT", help=f"{', '.join(QUANTS)}, or all")
    parser.add_argument("--importance", type=Path, metavar="JSONL", help="measure an importance matrix with this data")
    parser.add_argument(
        "--chat-template", type=Path, metavar="FILE", help="for the merged model, in place of the base's"
    )


def run(arguments: Namespace) -> int:
    """Export, and return 0; 2 where something is wrong with what was given."""
    try:
        _export(arguments)
    except ExportError as error:
        print(f"home-llm-lab: {error}", file=sys.stderr)
        return 2
    return 0


def _export(arguments: Namespace) -> None:
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
    if not arguments.merge and not quants:
        return
    template = arguments.chat_template.read_text("utf-8") if arguments.chat_template else None
    merged = arguments.out / f"{arguments.name}-F16.gguf"
    write_merged(pairs, base, merged, name=arguments.name, chat_template=template)
    print(f"{merged}: merged model, {merged.stat().st_size / 1e6:.0f} MB")
    importance = None
    if arguments.importance:
        from .calibration import read_texts  # noqa: PLC0415 - what it imports is large
        from .importance import measure  # noqa: PLC0415

        importance = measure(merged, read_texts(arguments.importance, merged))
    for quant in quants:
        if quant != "F16":
            target = arguments.out / f"{arguments.name}-{quant}.gguf"
            size = quantize_file(merged, target, quant, importance=importance)
            print(f"{target}: {size / 1e6:.0f} MB")
