"""train.py on a tiny base: it learns, goes on where it was interrupted, and adapts to memory and processes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from home_llm_lab.training import loop as loop_module
from home_llm_lab.training import schedule
from home_llm_lab.training.run import main
from safetensors.torch import load_file

from .tiny import flags, house, plain_house, whole_model, write_rows

TRAIN = Path(__file__).parents[3] / "lab" / "train.py"


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Return the log of a run."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def adapter_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a run's adapter."""
    weights: dict[str, torch.Tensor] = load_file(str(folder / "adapter_model.safetensors"))
    return weights


def test_it_learns_and_says_how_far_it_is(base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The loss falls, answers become exact, and the run's folder has model, tokenizer, log and curves."""
    caplog.set_level("INFO")
    data = write_rows(tmp_path / "data.jsonl", [plain_house(number) for number in range(16)])
    run = tmp_path / "run"
    more = {"epochs": 30, "test_dataset": data, "eval_steps": 20, "eval_rows": 1, "logging_steps": 5}
    assert main(whole_model(flags(base, data, run, **more, learning_rate=5e-3))) == 0
    lines = log_of(run)
    losses = [line["loss"] for line in lines if "rate" in line]
    scores = [line["test"] for line in lines if "test" in line]
    assert losses[-1] < losses[0] / 10
    assert scores[0]["exact"] < scores[-1]["exact"] > 0.9
    assert scores[-1]["calls"] >= scores[-1]["exact"]
    # The last evaluation reads all rows.
    assert scores[0]["conversations"] < scores[-1]["conversations"] == 32
    assert sorted(scores[-1]["kinds"]) == ["act_off", "act_on"]
    told = [record.getMessage() for record in caplog.records]
    assert any("tokens/s" in line and line.endswith(" left") for line in told)
    names = {path.name for path in run.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "training.json", "log.jsonl", "curves.png"} <= names


def test_several_files_and_packed_ones_are_one_dataset(base: Path, tmp_path: Path) -> None:
    """Files given together, plain, gzipped or xz, are learned from as one is."""
    import gzip  # noqa: PLC0415
    import lzma  # noqa: PLC0415

    rows = [house(number) for number in range(6)]
    whole = write_rows(tmp_path / "all.jsonl", rows)
    parts = [write_rows(tmp_path / f"{index}.jsonl", rows[2 * index : 2 * index + 2]) for index in range(3)]
    packed = [parts[0], tmp_path / "1.jsonl.gz", tmp_path / "2.jsonl.xz"]
    packed[1].write_bytes(gzip.compress(parts[1].read_bytes()))
    packed[2].write_bytes(lzma.compress(parts[2].read_bytes()))
    for name, files in (("one", [whole]), ("more", packed)):
        line = flags(base, files[0], tmp_path / name, max_steps=3)
        at = line.index("--train_dataset") + 2
        assert main([*line[:at], *map(str, files[1:]), *line[at:]]) == 0
    one, more = adapter_of(tmp_path / "one"), adapter_of(tmp_path / "more")
    assert all(torch.equal(one[name], more[name]) for name in one)


def test_processes_that_tokenize_change_nothing(base: Path, data: Path, tmp_path: Path) -> None:
    """Two processes read what one reads."""
    for count in (1, 2):
        run = tmp_path / str(count)
        assert main(flags(base, data, run, max_steps=2, dataset_processing_threads=count)) == 0
    one, two = adapter_of(tmp_path / "1"), adapter_of(tmp_path / "2")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_resumed_run_is_the_same(base: Path, data: Path, tmp_path: Path) -> None:
    """A run that goes on from a checkpoint in the middle of an epoch ends with the weights and log of one in a go."""
    more: dict[str, Any] = {"max_steps": 7, "save_steps": 3, "save_total_limit": 9, "logging_steps": 1}
    more |= {"batch_size": 1, "micro_batch_size": 1, "lora_dropout": 0.1}
    assert main(flags(base, data, tmp_path / "whole", **more)) == 0
    shutil.copytree(tmp_path / "whole" / "checkpoint-3", tmp_path / "half" / "checkpoint-3")
    lines = [line for line in log_of(tmp_path / "whole") if line["step"] <= 5]
    write_rows(tmp_path / "half" / "log.jsonl", lines)
    assert main(flags(base, data, tmp_path / "half", **more, resume_from_checkpoint="last")) == 0
    whole, half = adapter_of(tmp_path / "whole"), adapter_of(tmp_path / "half")
    assert all(torch.equal(whole[name], half[name]) for name in whole)
    losses = [
        [(line["step"], line["loss"]) for line in log_of(tmp_path / name) if "rate" in line]
        for name in ("whole", "half")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 7


def test_an_adapter_is_trained_on(base: Path, tmp_path: Path) -> None:
    """A run that begins with an adapter begins with what that has learned, and keeps its rank."""
    data = write_rows(tmp_path / "data.jsonl", [plain_house(number) for number in range(16)])
    assert main(flags(base, data, tmp_path / "first", epochs=12, logging_steps=1)) == 0
    more = {"adapter": tmp_path / "first", "lora_rank": 8, "max_steps": 2, "logging_steps": 1, "learning_rate": 1e-6}
    assert main(flags(base, data, tmp_path / "second", **more)) == 0
    losses = [line["loss"] for name in ("first", "second") for line in log_of(tmp_path / name) if "rate" in line]
    assert losses[-2] < losses[0] - 0.2
    one, two = adapter_of(tmp_path / "first"), adapter_of(tmp_path / "second")
    assert all(one[name].shape == two[name].shape for name in one)
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_a_share_of_what_was_changed_is_kept(base: Path, data: Path, tmp_path: Path) -> None:
    """With --adapter_share the weights lie between those that the run began with and those that it came to."""
    assert main(flags(base, data, tmp_path / "first", max_steps=3)) == 0
    for share in (1, 0.25):
        more = {"adapter": tmp_path / "first", "adapter_share": share, "max_steps": 3}
        assert main(flags(base, data, tmp_path / str(share), **more)) == 0
    began, whole, part = (adapter_of(tmp_path / name) for name in ("first", "1", "0.25"))
    assert any(not torch.equal(began[name], whole[name]) for name in began)
    for name, weight in part.items():
        torch.testing.assert_close(weight, began[name] + 0.25 * (whole[name] - began[name]))


def test_a_whole_model_is_trained_and_resumed(base: Path, data: Path, tmp_path: Path) -> None:
    """Without LoRA all weights are learned; checkpoints hold them."""
    more: dict[str, Any] = {"max_steps": 4, "save_steps": 2, "save_total_limit": 9, "learning_rate": 1e-3}
    assert main(whole_model(flags(base, data, tmp_path / "whole", **more))) == 0
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "half" / "checkpoint-2")
    assert main(whole_model(flags(base, data, tmp_path / "half", **more, resume_from_checkpoint="last"))) == 0
    whole, half = (load_file(str(tmp_path / name / "model.safetensors")) for name in ("whole", "half"))
    before = load_file(str(base / "model.safetensors"))
    assert all(torch.equal(whole[name], half[name]) for name in whole)
    assert not torch.equal(whole["model.layers.0.mlp.up_proj.weight"], before["model.layers.0.mlp.up_proj.weight"])


def test_less_is_read_at_once_where_memory_does_not_suffice(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Running out of memory halves the micro batch, says so, and loses no step; with one row it says what to do."""
    more = {"max_steps": 3, "batch_size": 4, "ctx_size": 384}
    assert main(flags(base, data, tmp_path / "small", **more, micro_batch_size=1)) == 0
    gradients = loop_module.Loop._gradients
    room = {"rows": 1}

    def narrow(self: Any, step: Any) -> Any:
        if self.supply.micro > room["rows"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradients(self, step)

    monkeypatch.setattr(loop_module.Loop, "_gradients", narrow)
    assert main(flags(base, data, tmp_path / "large", **more, micro_batch_size=4)) == 0
    assert "going on with --micro_batch_size 1" in caplog.text
    small, large = adapter_of(tmp_path / "small"), adapter_of(tmp_path / "large")
    assert all(torch.equal(small[name], large[name]) for name in small)
    room["rows"] = 0
    assert main(flags(base, data, tmp_path / "none", **more, micro_batch_size=2)) == 1


def test_time_ends_a_run_with_its_schedule(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of half a minute, 15 seconds are kept for the end: steps of half a second stop after 30, at a rate of nothing."""
    clock = itertools.count(time.monotonic(), 0.5)
    monkeypatch.setattr(schedule, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    more = {"epochs": 10_000, "max_minutes": 0.5, "logging_steps": 1, "batch_size": 8, "micro_batch_size": 8}
    assert main(flags(base, data, tmp_path, **more)) == 0
    rates = [line["rate"] for line in log_of(tmp_path) if "rate" in line]
    assert 30 <= len(rates) < 100
    assert max(rates) > 5e-3
    assert rates[-1] < 1e-4


def test_torchrun_computes_what_one_process_does(base: Path, data: Path, tmp_path: Path) -> None:
    """Two processes, which share the rows of each step and have none in some, learn what one learns."""
    more = {"max_steps": 6, "batch_size": 3, "ctx_size": 384, "micro_batch_size": 1, "test_dataset": data}
    assert main(flags(base, data, tmp_path / "one", **more)) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29611"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    line = [*torchrun, str(TRAIN), *flags(base, data, tmp_path / "two", **more)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = adapter_of(tmp_path / "one"), adapter_of(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-5)
    scores = [[line["test"] for line in log_of(tmp_path / name) if "test" in line][-1] for name in ("one", "two")]
    assert scores[0]["conversations"] == scores[1]["conversations"] == 32
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-3)


def test_an_interrupted_run_says_how_to_go_on(base: Path, data: Path, tmp_path: Path) -> None:
    """Ctrl-C ends a run with a hint, and what it has saved is whole."""
    more = {"epochs": 10_000, "save_steps": 2, "logging_steps": 1}
    line = [sys.executable, "-u", str(TRAIN), *flags(base, data, tmp_path, **more)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for told in process.stderr:
            if "saved" in told:
                process.send_signal(2)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "go on with --resume_from_checkpoint last" in rest
    assert main(flags(base, data, tmp_path, max_steps=30, resume_from_checkpoint="last")) == 0
