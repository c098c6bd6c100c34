"""What is wrong with what was given: each says so, and what to do, and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from home_llm_lab.training.errors import TrainingError
from home_llm_lab.training.learner import load_lora
from home_llm_lab.training.run import main
from transformers import AutoModelForCausalLM

from .tiny import flags, house, write_base, write_rows

BROKEN = [
    ("{", "line 2: Expecting property name"),
    ('{"text": "a"}', "line 2: it has neither prompt and conversations nor messages"),
    ('{"messages": []}', "line 2: messages is no list, or empty"),
    ('{"messages": [{"role": "user", "content": "a"}]}', "the last message is not the assistant's"),
    ('{"messages": [{"role": "robot", "content": "a"}]}', "message 0 has no role of assistant, system, tool, user"),
    ('{"messages": [{"role": "assistant", "content": 1}]}', "message 0 has no text"),
    ('{"prompt": "a", "conversations": [{"kind": "x"}]}', "line 2: it has no 'messages'"),
    ('{"prompt": "a", "conversations": [1]}', "conversation 0 is no object"),
]


@pytest.mark.parametrize(("line", "told"), BROKEN)
def test_broken_rows_are_named_or_left_out(
    line: str, told: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken row stops training with its line and reason; --skip_broken_rows leaves just it out."""
    data = tmp_path / "data.jsonl"
    data.write_text(f"{json.dumps(house(1))}\n{line}\n\n{json.dumps(house(2))}\n")
    assert main(flags(base, data, tmp_path / "run")) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "--skip_broken_rows" in error
    assert not (tmp_path / "run").exists()
    assert main(flags(base, data, tmp_path / "run", skip_broken_rows=True, max_steps=1)) == 0
    training = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    whole = write_rows(tmp_path / "whole.jsonl", [house(1), house(2)])
    assert main(flags(base, whole, tmp_path / "other", max_steps=1)) == 0
    assert training["tokens"] == json.loads((tmp_path / "other" / "log.jsonl").read_text().splitlines()[0])["tokens"]


def test_a_context_shorter_than_an_example(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Conversations that do not fit are counted, with the context that would suffice, which then does."""
    data = write_rows(tmp_path / "data.jsonl", [house(1, conversations=2), house(2, conversations=9)])
    assert main(flags(base, data, tmp_path / "run", ctx_size=256)) == 1
    error = capsys.readouterr().err
    assert "9 conversations are longer than the context of 256 tokens" in error
    size = int(error.split("--ctx_size ")[1].split()[0])
    assert main(flags(base, data, tmp_path / "run", ctx_size=size, max_steps=1)) == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot read the dataset"), ("", "holds no conversation"), (b"\xff\xfe\n", "cannot read the dataset")],
)
def test_files_that_are_no_datasets(
    content: Any, told: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is missing, empty, or no text is named."""
    data = tmp_path / "data.jsonl"
    if content is not None:
        data.write_bytes(content or b"")
    assert main(flags(base, data, tmp_path / "run")) == 1
    assert told in capsys.readouterr().err


def test_a_broken_archive(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated .xz is named."""
    import lzma  # noqa: PLC0415

    data = tmp_path / "data.jsonl.xz"
    data.write_bytes(lzma.compress(json.dumps(house(1)).encode() * 50)[:-40])
    assert main(flags(base, data, tmp_path / "run")) == 1
    assert "cannot read the dataset" in capsys.readouterr().err


def test_a_base_without_a_chat_template(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said how to give it one."""
    base = write_base(tmp_path / "base", template=None)
    assert main(flags(base, data, tmp_path / "run")) == 1
    error = capsys.readouterr().err
    assert "no chat template" in error
    assert "--add_chatml_prompt_template" in error


@pytest.mark.parametrize("template", ["{{ raise_exception('no system') }}", "{{ messages[-1].content }}"])
def test_templates_that_cannot_be_learned_with(
    template: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A template that refuses the messages, or does not go on where it was, stops training with the reason."""
    base = write_base(tmp_path / "base", template=template)
    assert main(flags(base, data, tmp_path / "run")) == 1
    assert "the chat template" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "none.gguf", "there is no base at"),
        (lambda folder: folder / "text.txt", "is no GGUF file"),
        (lambda folder: folder / "half.gguf", "cannot be read as a GGUF file"),
        (lambda folder: folder / "empty", "cannot load the tokenizer"),
    ],
)
def test_bases_that_are_none(
    make: Any, told: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path without a model, or with half of one, is named."""
    (tmp_path / "text.txt").write_text("a")
    (tmp_path / "half.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    (tmp_path / "empty").mkdir()
    assert main(flags(make(tmp_path), data, tmp_path / "run")) == 1
    assert told in capsys.readouterr().err


def test_modules_that_the_base_has_not(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module of another architecture is refused with those that there are."""
    assert main(flags(base, data, tmp_path / "run", lora_modules="Wqkv,q_proj")) == 1
    error = capsys.readouterr().err
    assert "no module Wqkv; it has" in error
    assert "q_proj" in error


def test_checkpoints_and_adapters_of_another_base(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint, and an adapter, of a base of another size are refused and left as they are."""
    other = write_base(tmp_path / "other", hidden_size=48)
    run = tmp_path / "run"
    assert main(flags(other, data, run, max_steps=3, save_steps=2)) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(flags(base, data, run, resume_from_checkpoint="last")) == 1
    assert "trained on another base: hidden_size 48 instead of 32" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    with pytest.raises(TrainingError, match="does not fit this base"):
        load_lora(AutoModelForCausalLM.from_pretrained(base), run)
    assert main(flags(base, data, tmp_path / "more", adapter=run)) == 1
    assert "does not fit this base" in capsys.readouterr().err
    assert main(flags(base, data, tmp_path / "more", adapter=data.parent)) == 1
    assert "holds no adapter of peft" in capsys.readouterr().err
    assert main(flags(other, data, run, resume_from_checkpoint="last", lora_rank=8)) == 1
    assert "does not fit these flags" in capsys.readouterr().err


def test_nothing_to_resume_from(base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Resuming a run that has no checkpoint says so; a half-written one does not count."""
    (tmp_path / "run" / ".checkpoint-5.part").mkdir(parents=True)
    assert main(flags(base, data, tmp_path / "run", resume_from_checkpoint="last")) == 1
    assert "holds no checkpoint to resume from" in capsys.readouterr().err
    assert main(flags(base, data, tmp_path / "run", resume_from_checkpoint=str(tmp_path))) == 1
    assert "is no checkpoint of train.py" in capsys.readouterr().err


def test_not_even_a_row_fits_into_memory(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where not even a row fits, it is said which flags need less."""

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("home_llm_lab.training.loop.Loop._gradients", full)
    assert main(flags(base, data, tmp_path, micro_batch_size=1)) == 1
    assert "add --gradient_checkpointing, or lower --ctx_size" in capsys.readouterr().err
