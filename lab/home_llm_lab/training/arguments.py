"""The flags of train.py: those that it has always had, and a few more."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import TrainingError
from .schedule import Shape


def _flag(default: Any, text: str, *, group: str, many: bool = False) -> Any:
    metadata = {"help": text, "group": group, "many": many}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(slots=True)
class Arguments:
    """Everything that a training depends on; the flags of the same names tell what each is."""

    run_name: str = _flag("", "name of the run, and of its folder in models/", group="data and model")
    base_model: str = _flag("", "a GGUF file, a folder of safetensors, or a repository", group="data and model")
    train_dataset: list[str] = _flag(
        [], "files of houses or chats, JSON lines, also .xz or .gz", group="data and model"
    )
    test_dataset: list[str] = _flag([], "files on which the loss is told during training", group="data and model")
    output_dir: str = _flag("", "where everything is written; models/RUN_NAME unless told", group="data and model")
    ctx_size: int = _flag(4096, "tokens of a row; no conversation may be longer", group="data and model")
    bf16: bool = _flag(False, "compute in bfloat16", group="data and model")
    packing: bool = _flag(True, "let conversations share a row, and their prompt", group="data and model")
    seed: int = _flag(1, "what chance comes from", group="data and model")
    dataset_processing_threads: int = _flag(0, "processes that tokenize; 0 is one a core", group="data and model")
    skip_broken_rows: bool = _flag(
        False, "leave out broken and too long rows instead of stopping", group="data and model"
    )

    batch_size: int = _flag(8, "rows of a step, all processes together", group="schedule")
    micro_batch_size: int = _flag(
        2, "rows that are read at once; halved when memory does not suffice", group="schedule"
    )
    epochs: float = _flag(1.0, "how often the data is read", group="schedule")
    max_steps: int = _flag(0, "stop after so many steps; 0 is never", group="schedule")
    max_minutes: float = _flag(0.0, "end in time, with the schedule scaled to it; 0 is no limit", group="schedule")
    learning_rate: float = _flag(2e-4, "the highest learning rate", group="schedule")
    learning_rate_schedule: Shape = _flag("cosine", "how it falls", group="schedule")
    learning_rate_warmup: float = _flag(0.03, "part of the steps in which it rises, or their number", group="schedule")
    weight_decay: float = _flag(0.0, "of AdamW", group="schedule")
    gradient_clip: float = _flag(1.0, "the longest gradient; 0 is any", group="schedule")
    gradient_checkpointing: bool = _flag(False, "compute twice what does not fit into memory", group="schedule")
    group_by_length: bool = _flag(
        False, "rows of like length together, which matters without packing", group="schedule"
    )
    eval_steps: int = _flag(200, "steps between evaluations; 0 is only at the end", group="schedule")
    eval_rows: int = _flag(0, "at most so many rows are evaluated before the end; 0 is all", group="schedule")
    final_eval_rows: int = _flag(0, "at most so many rows are evaluated at the end; 0 is all", group="schedule")
    save_steps: int = _flag(-1, "steps between checkpoints; -1 is every epoch, 0 only at the end", group="schedule")
    save_total_limit: int = _flag(1, "checkpoints that are kept", group="schedule")
    logging_steps: int = _flag(5, "steps between lines of progress", group="schedule")
    resume_from_checkpoint: str = _flag("", "a checkpoint, or `last` for the newest of the run", group="schedule")
    torch_compile: bool = _flag(False, "compile the layers", group="schedule")
    attention: Literal["auto", "flex", "sdpa"] = _flag("auto", "how trees are attended to", group="schedule")
    pre_allocate_cuda_buffers: bool = _flag(
        True, "rows of one length, so that memory is claimed once", group="schedule"
    )
    flops_baseline: float = _flag(0.0, "FLOP/s of the device, to tell how much of it is used", group="schedule")

    load_in_8bit: bool = _flag(False, "hold the base in 8 bits (bitsandbytes)", group="quantized base")
    load_in_4bit: bool = _flag(False, "hold the base in 4 bits (bitsandbytes)", group="quantized base")
    load_as_gptq: bool = _flag(False, "the base is a GPTQ one", group="quantized base")

    use_lora: bool = _flag(False, "train an adapter instead of the whole model", group="LoRA")
    lora_rank: int = _flag(4, "rank of the adapter", group="LoRA")
    lora_alpha: int = _flag(32, "scale of the adapter, times its rank", group="LoRA")
    lora_dropout: float = _flag(0.0, "dropout before the adapter", group="LoRA")
    lora_modules: str = _flag("", "modules with an adapter, by comma; every linear layer unless told", group="LoRA")
    lora_modules_to_save: str = _flag("", "modules that are trained whole, by comma", group="LoRA")
    lora_merge: bool = _flag(False, "write the merged model too", group="LoRA")

    add_pad_token: bool = _flag(False, "give the base a token for padding", group="tokens")
    add_chatml_tokens: bool = _flag(False, "give the base ChatML's tokens", group="tokens")
    add_chatml_prompt_template: bool = _flag(False, "speak to it in ChatML", group="tokens")
    prefix_ids: str = _flag("", "tokens before the assistant's part, by comma", group="tokens")
    suffix_ids: str = _flag("", "tokens that end it, by comma", group="tokens")

    dpo: bool = _flag(False, "learn from pairs of a right and a wrong answer", group="DPO")
    beta: float = _flag(0.1, "how far the model may go from where it began", group="DPO")
    dpo_loss: Literal["sigmoid", "hinge", "ipo"] = _flag("sigmoid", "the loss of a pair", group="DPO")

    run_tensorboard: bool = _flag(False, "write TensorBoard's events too", group="other")
    sync_to_bucket: str = _flag("", "a folder or an fsspec address to which everything is copied", group="other")
    bucket_save_limit: int = _flag(0, "checkpoints that are kept there; 0 is all", group="other")

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
    groups: dict[str, Any] = {}
    for item in fields(Arguments):
        title = item.metadata["group"]
        group = groups.setdefault(title, parser.add_argument_group(title))
        _add(group, item)
    arguments = Arguments(**vars(parser.parse_args(given)))
    _check(arguments)
    return arguments


def _add(group: Any, item: Any) -> None:
    name, text = f"--{item.name}", item.metadata["help"]
    kind = item.type if isinstance(item.type, str) else item.type.__name__
    if kind == "bool":
        group.add_argument(name, action=argparse.BooleanOptionalAction, default=item.default, help=text)
    elif kind.startswith("list"):
        group.add_argument(name, nargs="+", default=[], metavar="FILE", help=text)
    elif kind == "Shape" or kind.startswith("Literal"):
        choices = get_args(Shape) if kind == "Shape" else _CHOICES[item.name]
        group.add_argument(name, choices=choices, default=item.default, help=f"{text} (%(default)s)")
    else:
        of = {"int": int, "float": float, "str": str}[kind]
        told = f"{text} (%(default)s)" if item.default != "" else text
        group.add_argument(name, type=of, default=item.default, help=told)


_CHOICES = {"attention": ("auto", "flex", "sdpa"), "dpo_loss": ("sigmoid", "hinge", "ipo")}


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
    if not arguments.use_lora and (arguments.lora_merge or arguments.lora_modules or arguments.lora_modules_to_save):
        raise TrainingError("flags of LoRA were given without --use_lora")
