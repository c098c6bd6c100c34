"""The flags of train.py: those of old are all there, and each does something or says why it cannot."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from home_llm_lab.cli import main as lab_main
from home_llm_lab.training.arguments import parse_arguments
from home_llm_lab.training.base import find_base, load_tokenizer
from home_llm_lab.training.chat import ChatEncoder
from home_llm_lab.training.dataset import Reading, read_dataset
from home_llm_lab.training.errors import TrainingError
from home_llm_lab.training.run import main
from home_llm_lab.training.supply import Supply
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from .tiny import flags, house, make_tokenizer, plain_house, whole_model, write_base, write_rows

# The command line that the first Home model was trained with, on modules of a Llama.
OLD = shlex.split(
    "--run_name home-3b-v1 --base_model base --add_pad_token --add_chatml_tokens --bf16 --train_dataset train.jsonl "
    "--test_dataset test.jsonl --learning_rate 1e-5 --save_steps 1000 --micro_batch_size 2 --gradient_checkpointing "
    "--ctx_size 2048 --use_lora --lora_rank 32 --lora_alpha 64 --lora_modules q_proj,v_proj "
    "--lora_modules_to_save embed_tokens,lm_head --lora_merge"
)
LATER = shlex.split(
    "--batch_size 8 --epochs 1 --learning_rate_schedule cosine --learning_rate_warmup 0.0 --weight_decay 0.1 "
    "--gradient_clip 1.0 --resume_from_checkpoint last --eval_steps 200 --save_total_limit 1 --logging_steps 5 "
    "--group_by_length --pre_allocate_cuda_buffers --lora_dropout 0.05 --run_tensorboard --dpo --beta 0.1 "
    "--dpo_loss sigmoid --add_chatml_prompt_template --prefix_ids 1,2 --suffix_ids 3 --sync_to_bucket folder "
    "--bucket_save_limit 2 --flops_baseline 1e12 --dataset_processing_threads 2 --load_in_8bit"
)


def test_every_flag_of_old_is_read() -> None:
    """The command lines of the first versions are understood, value by value."""
    arguments = parse_arguments([*OLD, *LATER])
    assert (arguments.run_name, arguments.ctx_size, arguments.lora_alpha) == ("home-3b-v1", 2048, 64)
    assert arguments.folder == Path("models/home-3b-v1")
    assert arguments.lora_modules_to_save == "embed_tokens,lm_head"
    assert all(getattr(arguments, name) for name in ("bf16", "add_pad_token", "use_lora", "lora_merge", "dpo"))
    for name in ("load_in_4bit", "load_as_gptq"):
        assert getattr(parse_arguments([*OLD, f"--{name}"]), name)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--load_in_8bit", "--load_in_4bit"], "choose at most one"),
        (["--ctx_size", "2000"], "such as 2048"),
        (["--micro_batch_size", "9"], "--micro_batch_size must be from 1 to --batch_size"),
        (["--prefix_ids", "1"], "--prefix_ids and --suffix_ids go together"),
        (["--bucket_save_limit", "1"], "--sync_to_bucket"),
        (["--dpo", "--beta", "0"], "--beta must be above 0"),
        (["--adapter_share", "0"], "--adapter_share must be above 0"),
        (["--adapter_share", "0.5"], "of no use without --adapter"),
        (["--no-use_lora"], "without --use_lora"),
    ],
)
def test_flags_that_do_not_go_together(more: list[str], told: str) -> None:
    """A wrong command line is refused with the flag to change."""
    with pytest.raises(TrainingError, match=told):
        parse_arguments([*OLD, *more])


def test_the_command_of_the_first_model_runs(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old command line trains, saves embeddings and head, and writes a merged model, by home-llm-lab too."""
    monkeypatch.chdir(tmp_path)
    data = write_rows(tmp_path / "data.jsonl", [house(number) for number in range(4)])
    line = [str(base) if item == "base" else str(data) if item.endswith(".jsonl") else item for item in OLD]
    assert lab_main(["train", *line, "--max_steps", "2", "--learning_rate", "1e-2"]) == 0
    run = tmp_path / "models" / "home-3b-v1"
    names = set(load_file(str(run / "adapter_model.safetensors")))
    assert any("embed_tokens" in name for name in names)
    assert any("lm_head" in name for name in names)
    assert not any("k_proj" in name for name in names)
    merged = AutoModelForCausalLM.from_pretrained(run / "merged")
    before = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    for name in ("model.layers.0.self_attn.q_proj.weight", "lm_head.weight"):
        assert not torch.equal(merged.state_dict()[name], before.state_dict()[name])
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(merged.state_dict()[name], before.state_dict()[name])
    assert AutoTokenizer.from_pretrained(run / "merged").chat_template


def test_checkpointing_gradients_changes_nothing(base: Path, data: Path, tmp_path: Path) -> None:
    """Layers that are computed twice give the same weights."""
    for name, given in (("plain", False), ("twice", True)):
        assert main(flags(base, data, tmp_path / name, max_steps=2, gradient_checkpointing=given)) == 0
    one, two = (load_file(str(tmp_path / name / "adapter_model.safetensors")) for name in ("plain", "twice"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_chatml_tokens_and_padding_are_added(tmp_path: Path, data: Path) -> None:
    """A base without ChatML gets its tokens, its template, and rows for them."""
    base = write_base(tmp_path / "base", template=None)
    path = base / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("pad_token")
    path.write_text(json.dumps(config))
    more = {"add_chatml_tokens": True, "add_chatml_prompt_template": True, "add_pad_token": True, "max_steps": 1}
    assert main(whole_model(flags(base, data, tmp_path / "run", **more))) == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    assert tokenizer.pad_token == "<|pad|>"
    assert "<|im_start|>" in tokenizer.chat_template
    rows = load_file(str(tmp_path / "run" / "model.safetensors"))["model.embed_tokens.weight"]
    assert len(rows) >= len(tokenizer)


def test_marked_answers_are_those_that_rendering_finds(data: Path) -> None:
    """prefix_ids and suffix_ids mark the same answers that the template shows."""
    tokenizer = make_tokenizer()
    prefix, suffix = (tokenizer(text).input_ids for text in ("<|im_start|>assistant\n", "<|im_end|>"))
    plain = Reading(ChatEncoder(tokenizer, eos=tokenizer.eos_token_id), 512)
    marked = Reading(ChatEncoder(tokenizer, prefix_ids=prefix, suffix_ids=suffix), 512)
    for one, other in zip(read_dataset(data, plain).trees, read_dataset(data, marked).trees, strict=True):
        learned = [item.tokens[item.learned > 0].tolist() for item in (one, other)]
        assert learned[0] == learned[1]
        assert learned[0]


def _supply(data: Path, *, packing: bool = True, **more: Any) -> Supply:
    tokenizer = make_tokenizer()
    reading = Reading(ChatEncoder(tokenizer, eos=tokenizer.eos_token_id), 2048, packing=packing)
    return Supply(read_dataset(data, reading), 2048, 4, 2, 1, **more)


def test_rows_of_one_conversation_and_rows_of_like_length(tmp_path: Path) -> None:
    """Without packing a row is one conversation; by length, batches of a step hold rows of nearly the same."""
    rows = [house(number, conversations=1 + number % 4) for number in range(16)]
    data = write_rows(tmp_path / "data.jsonl", rows)
    packed = _supply(data).rows(0)
    alone = _supply(data, packing=False).rows(0)
    assert len(packed) < len(alone) == sum(len(row["conversations"]) for row in rows)
    assert all(len(row) == 1 and len(row[0].starts) == 1 for row in alone)

    def padding(supply: Supply) -> int:
        return sum(batch.tokens.numel() - batch.used for step in supply.epoch(0) for batch in step.batches)

    assert padding(_supply(data, packing=False, by_length=True)) < padding(_supply(data, packing=False))


def test_runs_are_copied_elsewhere(base: Path, data: Path, tmp_path: Path) -> None:
    """A bucket has the run, and no more checkpoints than it may."""
    more = {"max_steps": 5, "save_steps": 1, "save_total_limit": 9, "bucket_save_limit": 2}
    assert main(flags(base, data, tmp_path / "run", **more, sync_to_bucket=tmp_path / "bucket")) == 0
    copied = tmp_path / "bucket" / "run"
    assert sorted(path.name for path in copied.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]
    assert len(list((tmp_path / "run").glob("checkpoint-*"))) == 4
    for name in ("adapter_model.safetensors", "log.jsonl", "checkpoint-4/state.pt"):
        source = name if (tmp_path / "run" / name).exists() else ""
        assert (copied / name).read_bytes() == (tmp_path / "run" / source).read_bytes()


def test_tensorboard_gets_the_numbers(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With TensorBoard its events are written; without, it is said which package is missing."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main(flags(base, data, tmp_path / "none", run_tensorboard=True)) == 1
    assert "pip install tensorboard" in capsys.readouterr().err
    told: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            told.append((folder, 0, 0))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def flush(self) -> None:
            """Write nothing."""

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    more = {"max_steps": 2, "logging_steps": 1, "test_dataset": data, "run_tensorboard": True}
    assert main(flags(base, data, tmp_path / "run", **more)) == 0
    assert {("loss", 1), ("loss", 2), ("test/exact", 2)} <= {(name, step) for name, _, step in told}


def test_flops_are_told(base: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the FLOP/s of the device it is told how much of it is used."""
    caplog.set_level("INFO")
    assert main(flags(base, data, tmp_path, max_steps=1, flops_baseline=1e12)) == 0
    assert "% of the device" in caplog.text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("load_in_8bit", "needs a GPU"),
        ("load_in_4bit", "needs a GPU"),
        ("load_as_gptq", "is no GPTQ model"),
    ],
)
def test_quantized_bases_say_what_they_need(
    name: str, told: str, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a CPU, and for a base that is none, it is said why it cannot be loaded so."""
    if torch.cuda.is_available():
        told = "is no GPTQ model" if name == "load_as_gptq" else "bitsandbytes"
    assert main(flags(base, data, tmp_path, **{name: True})) == 1
    assert told in capsys.readouterr().err


def test_bfloat16_is_computed_with(base: Path, tmp_path: Path) -> None:
    """In bfloat16 it learns what it learns in float32, nearly; the adapter stays in 32 bits."""
    data = write_rows(tmp_path / "data.jsonl", [plain_house(number) for number in range(8)])
    for name, given in (("full", False), ("half", True)):
        assert main(flags(base, data, tmp_path / name, epochs=10, bf16=given)) == 0
        AcceleratorState._reset_state(reset_partial_state=True)
    losses = []
    for name in ("full", "half"):
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        losses.append([line["loss"] for line in lines if "rate" in line])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    weights = load_file(str(tmp_path / "half" / "adapter_model.safetensors"))
    assert {value.dtype for value in weights.values()} == {torch.float32}


def test_the_tokenizer_of_a_base_is_found(base: Path) -> None:
    """A base is a folder, or a file in it, and its tokenizer is fast."""
    assert find_base(str(base)).gguf is None
    assert load_tokenizer(find_base(str(base))).is_fast
