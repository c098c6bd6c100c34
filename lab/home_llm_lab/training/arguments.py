"""The flags of train.py: those that it has always had, and a few more."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import TrainingError
from .preference import PairLoss
from .schedule import Shape


def _about(text: str, group: str) -> dict[str, str]:
    return {"help": text, "group": group}


@dataclass(slots=True)
class Arguments:
    """Everything that a training depends on; the flags of the same names tell what each is."""

    run_name: str = field(
        default="", metadata=_about("name of the run, and of its folder in models/", "data and model")
    )
    base_model: str = field(
        default="", metadata=_about("a GGUF file, a folder of safetensors, or a repository", "data and model")
    )
    train_dataset: list[str] = field(
        default_factory=list, metadata=_about("files of houses or chats, JSON lines, also .xz or .gz", "data and model")
    )
    test_dataset: list[str] = field(
        default_factory=list, metadata=_about("files on which the loss is told during training", "data and model")
    )
    output_dir: str = field(
        default="", metadata=_about("where everything is written; models/RUN_NAME unless told", "data and model")
    )
    ctx_size: int = field(
        default=4096, metadata=_about("tokens of a row; no conversation may be longer", "data and model")
    )
    bf16: bool = field(default=False, metadata=_about("compute in bfloat16", "data and model"))
    packing: bool = field(
        default=True, metadata=_about("let conversations share rows, and those of a house its prompt", "data and model")
    )
    seed: int = field(default=1, metadata=_about("what chance comes from", "data and model"))
    dataset_processing_threads: int = field(
        default=0, metadata=_about("processes that tokenize; 0 is one a core", "data and model")
    )
    skip_broken_rows: bool = field(
        default=False, metadata=_about("leave out broken and too long rows instead of stopping", "data and model")
    )

    batch_size: int = field(default=8, metadata=_about("rows of a step, all processes together", "schedule"))
    micro_batch_size: int = field(
        default=2, metadata=_about("rows that are read at once; halved when memory does not suffice", "schedule")
    )
    epochs: float = field(default=1.0, metadata=_about("how often the data is read", "schedule"))
    max_steps: int = field(default=0, metadata=_about("stop after so many steps; 0 is never", "schedule"))
    max_minutes: float = field(
        default=0.0, metadata=_about("end in time, with the schedule scaled to it; 0 is no limit", "schedule")
    )
    learning_rate: float = field(default=2e-4, metadata=_about("the highest learning rate", "schedule"))
    learning_rate_schedule: Shape = field(default="cosine", metadata=_about("how it falls", "schedule"))
    learning_rate_warmup: float = field(
        default=0.03, metadata=_about("part of the steps in which it rises, or their number", "schedule")
    )
    weight_decay: float = field(default=0.0, metadata=_about("of AdamW", "schedule"))
    gradient_clip: float = field(default=1.0, metadata=_about("the longest gradient; 0 is any", "schedule"))
    gradient_checkpointing: bool = field(
        default=False, metadata=_about("compute twice what does not fit into memory", "schedule")
    )
    group_by_length: bool = field(
        default=False, metadata=_about("rows of like length together, which matters without packing", "schedule")
    )
    eval_steps: int = field(default=200, metadata=_about("steps between evaluations; 0 is only at the end", "schedule"))
    eval_rows: int = field(
        default=0, metadata=_about("at most so many rows are evaluated before the end; 0 is all", "schedule")
    )
    final_eval_rows: int = field(
        default=0, metadata=_about("at most so many rows are evaluated at the end; 0 is all", "schedule")
    )
    save_steps: int = field(
        default=-1, metadata=_about("steps between checkpoints; -1 is every epoch, 0 only at the end", "schedule")
    )
    save_total_limit: int = field(default=1, metadata=_about("checkpoints that are kept", "schedule"))
    logging_steps: int = field(default=5, metadata=_about("steps between lines of progress", "schedule"))
    resume_from_checkpoint: str = field(
        default="", metadata=_about("a checkpoint, or `last` for the newest of the run", "schedule")
    )
    torch_compile: bool = field(default=False, metadata=_about("compile the layers", "schedule"))
    attention: Literal["auto", "flex", "sdpa", "chunks"] = field(
        default="auto", metadata=_about("how trees are attended to", "schedule")
    )
    pre_allocate_cuda_buffers: bool = field(
        default=True, metadata=_about("rows of one length, so that memory is claimed once", "schedule")
    )
    flops_baseline: float = field(
        default=0.0, metadata=_about("FLOP/s of the device, to tell how much of it is used", "schedule")
    )

    load_in_8bit: bool = field(
        default=False,
        metadata=_about("hold the base in 8 bits, which needs the package bitsandbytes and a GPU", "quantized base"),
    )
    load_in_4bit: bool = field(default=False, metadata=_about("hold the base in 4 bits, likewise", "quantized base"))
    load_as_gptq: bool = field(
        default=False,
        metadata=_about("the base is a GPTQ one, which needs the package gptqmodel and a GPU", "quantized base"),
    )

    use_lora: bool = field(default=False, metadata=_about("train an adapter instead of the whole model", "LoRA"))
    lora_rank: int = field(default=4, metadata=_about("rank of the adapter", "LoRA"))
    lora_alpha: int = field(default=32, metadata=_about("the adapter counts alpha / rank times", "LoRA"))
    lora_dropout: float = field(default=0.0, metadata=_about("dropout before the adapter", "LoRA"))
    lora_modules: str = field(
        default="", metadata=_about("modules with an adapter, by comma; every linear layer unless told", "LoRA")
    )
    lora_modules_to_save: str = field(default="", metadata=_about("modules that are trained whole, by comma", "LoRA"))
    adapter: str = field(
        default="",
        metadata=_about("an adapter that train.py wrote, to be trained on; its rank and modules stay", "LoRA"),
    )
    adapter_share: float = field(
        default=1.0,
        metadata=_about("how much of what the run has changed in --adapter is kept at the end, from 0 to 1", "LoRA"),
    )
    lora_merge: bool = field(default=False, metadata=_about("write the merged model too", "LoRA"))

    add_pad_token: bool = field(default=False, metadata=_about("give the base a token for padding", "tokens"))
    add_chatml_tokens: bool = field(default=False, metadata=_about("give the base ChatML's tokens", "tokens"))
    add_chatml_prompt_template: bool = field(default=False, metadata=_about("speak to it in ChatML", "tokens"))
    prefix_ids: str = field(default="", metadata=_about("tokens before the assistant's part, by comma", "tokens"))
    suffix_ids: str = field(default="", metadata=_about("tokens that end it, by comma", "tokens"))

    dpo: bool = field(
        default=False,
        metadata=_about("learn from pairs of a right and a wrong answer: a row's own, else another device", "DPO"),
    )
    beta: float = field(default=0.1, metadata=_about("how far the model may go from where it began", "DPO"))
    dpo_loss: PairLoss = field(default="sigmoid", metadata=_about("the loss of a pair", "DPO"))

    run_tensorboard: bool = field(
        default=False, metadata=_about("write TensorBoard's events too, which needs the package tensorboard", "other")
    )
    sync_to_bucket: str = field(
        default="",
        metadata=_about("a folder or an fsspec address to which checkpoints and the run are copied", "other"),
    )
    bucket_save_limit: int = field(default=0, metadata=_about("checkpoints that are kept there; 0 is all", "other"))

    @property
    def folder(self) -> Path:
        """Return where everything is written."""
        return Path(self.output_dir) if self.output_dir else Path("models") / self.run_name

    @property
    def processes(self) -> int:
        """Return how many processes tokenize."""
        return self.dataset_processing_threads or min(16, os.cpu_count() or 1)

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        return asdict(self)


def parse_arguments(given: Sequence[str] | None = None) -> Arguments:
    """Return the arguments of a command line.

    Raises:
        TrainingError: they do not go together.
    """
    parser = argparse.ArgumentParser(
        prog="train.py", description="Train a model on the data of the lab.", allow_abbrev=False
    )
    add_arguments(parser)
    return read_arguments(parser.parse_args(given))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag to a parser."""
    groups: dict[str, Any] = {}
    for item in fields(Arguments):
        title = item.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add(groups[title], item)


def read_arguments(parsed: argparse.Namespace) -> Arguments:
    """Return the arguments that were parsed.

    Raises:
        TrainingError: they do not go together.
    """
    arguments = Arguments(**vars(parsed))
    _check(arguments)
    return arguments


def _add(group: Any, item: Any) -> None:
    name, text = f"--{item.name}", item.metadata["help"]
    kind = item.type if isinstance(item.type, str) else item.type.__name__
    if kind == "bool":
        group.add_argument(name, action=argparse.BooleanOptionalAction, default=item.default, help=text)
    elif kind.startswith("list"):
        group.add_argument(name, nargs="+", default=[], metavar="FILE", help=text)
    elif item.name in _CHOICES:
        group.add_argument(name, choices=_CHOICES[item.name], default=item.default, help=f"{text} (%(default)s)")
    else:
        of = {"int": int, "float": float, "str": str}[kind]
        told = f"{text} (%(default)s)" if item.default != "" else text
        group.add_argument(name, type=of, default=item.default, help=told)


_CHOICES = {
    "attention": ("auto", "flex", "sdpa", "chunks"),
    "learning_rate_schedule": get_args(Shape),
    "dpo_loss": get_args(PairLoss),
}


def _check(arguments: Arguments) -> None:
    for name in ("base_model", "train_dataset"):
        if not getattr(arguments, name):
            raise TrainingError(f"--{name} is missing")
    if not arguments.run_name and not arguments.output_dir:
        raise TrainingError("--run_name is missing: it names the folder that everything is written to")
    if arguments.load_in_8bit + arguments.load_in_4bit + arguments.load_as_gptq > 1:
        raise TrainingError("choose at most one of --load_in_8bit, --load_in_4bit and --load_as_gptq")
    quantized = arguments.load_in_8bit or arguments.load_in_4bit or arguments.load_as_gptq
    if quantized and not arguments.use_lora:
        raise TrainingError("a quantized base cannot be trained as a whole: add --use_lora")
    if arguments.micro_batch_size < 1 or arguments.batch_size < arguments.micro_batch_size:
        raise TrainingError("--micro_batch_size must be from 1 to --batch_size")
    if arguments.ctx_size % 128:
        raise TrainingError(f"--ctx_size must be a multiple of 128, such as {-(-arguments.ctx_size // 128) * 128}")
    if bool(arguments.prefix_ids) != bool(arguments.suffix_ids):
        raise TrainingError("--prefix_ids and --suffix_ids go together")
    if arguments.dpo and arguments.beta <= 0:
        raise TrainingError("--beta must be above 0")
    if arguments.bucket_save_limit and not arguments.sync_to_bucket:
        raise TrainingError("--bucket_save_limit is of no use without --sync_to_bucket")
    _check_lora(arguments)


def _check_lora(arguments: Arguments) -> None:
    if not 0 < arguments.adapter_share <= 1:
        raise TrainingError("--adapter_share must be above 0, and 1 at most")
    if arguments.adapter_share < 1 and not arguments.adapter:
        raise TrainingError("--adapter_share is of no use without --adapter")
    of_lora = ("adapter", "lora_merge", "lora_modules", "lora_modules_to_save")
    if not arguments.use_lora and any(getattr(arguments, name) for name in of_lora):
        raise TrainingError("flags of LoRA were given without --use_lora")
