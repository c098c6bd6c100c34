"""A training from its flags to its files."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from .arguments import Arguments, parse_arguments
from .attention import choose_attention
from .base import BaseFiles, check_gptq, find_base, first_token, load_model, load_tokenizer
from .bucket import Bucket
from .chat import ChatEncoder
from .checkpoint import Place, base_facts, blend, find_checkpoint, load_checkpoint, read_place, save_model
from .dataset import Dataset, Reading, read_dataset
from .errors import TrainingError
from .journal import Journal, open_board
from .learner import LINEAR, Learner, add_lora, load_lora
from .loop import Loop
from .preference import Preference
from .schedule import Schedule
from .supply import Supply

_LOGGER = logging.getLogger(__name__)


def main(given: Sequence[str] | None = None) -> int:
    """Run train.py with a command line; return the exit status."""
    return attempt(lambda: parse_arguments(given))


def attempt(read: Callable[[], Arguments]) -> int:
    """Train with what `read` returns, tell what is wrong, and return the exit status."""
    begun = time.monotonic()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for name in ("httpx", "transformers", "accelerate", "gguf"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        train(read(), begun)
    except TrainingError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train.py: stopped; go on with --resume_from_checkpoint last", file=sys.stderr)
        return 130
    return 0


def train(arguments: Arguments, begun: float | None = None) -> Path:
    """Train, and return the folder of the run.

    Raises:
        TrainingError: it cannot start or go on.
    """
    begun = time.monotonic() if begun is None else begun
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    accelerator = Accelerator(mixed_precision="bf16" if arguments.bf16 else "no")
    if not accelerator.is_main_process:
        logging.getLogger().setLevel(logging.WARNING)
    set_seed(arguments.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    files = find_base(arguments.base_model)
    tokenizer = load_tokenizer(
        files,
        pad=arguments.add_pad_token,
        chatml_tokens=arguments.add_chatml_tokens,
        chatml=arguments.add_chatml_prompt_template,
    )
    data, tests = _read(arguments, tokenizer)
    # What was read stays: the collector of garbage need not go through it again and again.
    gc.collect()
    gc.freeze()
    model, kind = _model(arguments, files, tokenizer, accelerator)
    facts = base_facts(model.config)
    place, checkpoint = _place(arguments, facts)
    preference = Preference(arguments.beta, arguments.dpo_loss) if arguments.dpo else None
    learner = Learner(model, kind, preference).to(accelerator.device)
    if arguments.dpo:
        learner.remember()
    if arguments.torch_compile:
        learner.compile_layers()
    weights = [weight for weight in learner.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=arguments.learning_rate, weight_decay=arguments.weight_decay, fused=True, betas=(0.9, 0.95)
    )
    if checkpoint:
        load_checkpoint(checkpoint, model, optimizer)
    prepared, optimizer = accelerator.prepare(learner, optimizer)
    supply = _supply(arguments, data, accelerator)
    steps = max(1, round(supply.steps_per_epoch() * arguments.epochs))
    steps = min(steps, arguments.max_steps) if arguments.max_steps else steps
    seconds = arguments.max_minutes * 60 or None
    schedule = Schedule(
        arguments.learning_rate,
        arguments.learning_rate_schedule,
        arguments.learning_rate_warmup,
        steps,
        seconds,
        begun,
    )
    board = open_board(arguments.folder) if arguments.run_tensorboard and accelerator.is_main_process else None
    bucket = Bucket(arguments.sync_to_bucket, arguments.bucket_save_limit) if arguments.sync_to_bucket else None
    journal = Journal(arguments.folder, accelerator.is_main_process, board)
    journal.forget_after(place.step)
    if journal.active:
        trained = sum(weight.numel() for weight in weights)
        _LOGGER.info(
            "%d conversations, %d tokens, %d learned; %d steps of %d rows of %d tokens; "
            "%.1f million weights are trained, with %s attention on %s",
            data.conversations, data.tokens, data.learned, steps, arguments.batch_size, arguments.ctx_size,
            trained / 1e6, kind, accelerator.device,
        )  # fmt: skip
        journal.write(step=place.step, arguments=arguments.as_json(), base=facts, tokens=data.tokens)
    active = sum(weight.numel() for weight in learner.parameters())
    loop = Loop(
        arguments, accelerator, prepared, model, optimizer, supply, tests, schedule, journal, place, active, bucket
    )
    loop.run()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _finish(arguments, model, tokenizer, journal, facts)
        if bucket:
            bucket.put(arguments.folder, inside=arguments.folder.name)
        _LOGGER.info("written to %s", arguments.folder)
    accelerator.end_training()
    return arguments.folder


def _read(arguments: Arguments, tokenizer: Any) -> tuple[Dataset, list[Dataset]]:
    encoder = ChatEncoder(
        tokenizer,
        bos=first_token(tokenizer),
        eos=tokenizer.eos_token_id,
        prefix_ids=_numbers(arguments.prefix_ids),
        suffix_ids=_numbers(arguments.suffix_ids),
    )
    reading = Reading(
        encoder, arguments.ctx_size, arguments.processes, arguments.packing, skip=arguments.skip_broken_rows
    )
    learning = replace(reading, pairs=arguments.dpo, seed=arguments.seed)
    sets = [read_dataset(Path(name), learning) for name in arguments.train_dataset]
    # Pairs or not, it is right answers that count.
    tests = [read_dataset(Path(name), reading) for name in arguments.test_dataset]
    trees = tuple(tree for item in sets for tree in item.trees)
    return Dataset("+".join(item.name for item in sets), trees, arguments.packing), tests


def _model(arguments: Arguments, files: BaseFiles, tokenizer: Any, accelerator: Accelerator) -> tuple[Any, Any]:
    """Return the model that is trained, and how it attends."""
    # Weights that are trained stay in 32 bits; those of a base below an adapter need no more than is computed with.
    dtype = torch.bfloat16 if arguments.bf16 and arguments.use_lora else torch.float32
    bits = 8 if arguments.load_in_8bit else 4 if arguments.load_in_4bit else None
    if arguments.load_as_gptq:
        check_gptq(files)
    model: Any = load_model(files, tokenizer, dtype=dtype, bits=bits)
    if arguments.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if arguments.use_lora and arguments.adapter:
        model = load_lora(model, Path(arguments.adapter))
    elif arguments.use_lora:
        model = add_lora(
            model,
            rank=arguments.lora_rank,
            alpha=arguments.lora_alpha,
            dropout=arguments.lora_dropout,
            modules=_names(arguments.lora_modules) or LINEAR,
            saved=_names(arguments.lora_modules_to_save),
        )
    if arguments.use_lora:
        model.peft_config["default"].base_model_name_or_path = arguments.base_model
        if arguments.gradient_checkpointing:
            model.enable_input_require_grads()
    if arguments.attention != "auto":
        return model, arguments.attention
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kind = choose_attention(accelerator.device, config.num_attention_heads, config.num_key_value_heads, width)
    return model, kind


def _place(arguments: Arguments, facts: dict[str, Any]) -> tuple[Place, Path | None]:
    if not arguments.resume_from_checkpoint:
        return Place(base=facts), None
    checkpoint = find_checkpoint(arguments.resume_from_checkpoint, arguments.folder)
    return read_place(checkpoint, facts), checkpoint


def _supply(arguments: Arguments, data: Dataset, accelerator: Accelerator) -> Supply:
    gpu = accelerator.device.type == "cuda"
    return Supply(
        data,
        arguments.ctx_size,
        arguments.batch_size,
        arguments.micro_batch_size,
        arguments.seed,
        full=gpu and arguments.pre_allocate_cuda_buffers and arguments.packing,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        pinned=gpu,
        by_length=arguments.group_by_length,
        pairs=arguments.dpo,
    )


def _finish(arguments: Arguments, model: Any, tokenizer: Any, journal: Journal, facts: dict[str, Any]) -> None:
    folder = arguments.folder
    if arguments.adapter_share < 1:
        blend(model, Path(arguments.adapter), arguments.adapter_share)
    save_model(model, folder)
    tokenizer.save_pretrained(str(folder))
    (folder / "training.json").write_text(json.dumps({"arguments": arguments.as_json(), "base": facts}, indent=1))
    journal.draw()
    if arguments.lora_merge:
        merged = model.merge_and_unload()
        save_model(merged, folder / "merged")
        tokenizer.save_pretrained(str(folder / "merged"))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in _names(text)]
    except ValueError as error:
        raise TrainingError(f"{text!r} is no list of numbers with commas between them") from error
