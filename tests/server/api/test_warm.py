"""Warming a prefix, and metrics."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from served import Served

SYSTEM = {"role": "system", "content": "The lamp in the hall is on. " * 40}


def chat(question: str) -> dict[str, object]:
    """Return a chat request."""
    return {"messages": [SYSTEM, {"role": "user", "content": question}], "max_tokens": 3}


def test_warming(served: Served) -> None:
    """A warmed prefix is read once, and the command that follows finds it."""
    cold = served.post("/v1/internal/warm", {"messages": [SYSTEM]})
    assert cold.status == 200
    assert cold.json["usage"]["completion_tokens"] == 0
    assert cold.json["timings"]["prompt_n"] > 250
    answer = served.post("/v1/chat/completions", chat("Is it on?")).json
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 250
    assert answer["timings"]["prompt_n"] < 30
    assert served.post("/v1/internal/warm", {"messages": [SYSTEM]}).json["timings"]["prompt_n"] == 0
    assert served.post("/v1/internal/warm", {"messages": []}).status == 400


def metrics(served: Served) -> dict[str, float]:
    """Return the metrics by name."""
    answer = served.get("/metrics")
    assert answer.status == 200
    families = text_string_to_metric_families(answer.body.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics(served: Served) -> None:
    """Metrics have llama-server's names and count what a request cost."""
    before = metrics(served)
    usage = served.post("/v1/chat/completions", chat("And now?")).json["usage"]
    after = metrics(served)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    for name, cost in (
        ("llamacpp:prompt_tokens_total", usage["prompt_tokens"] - cached),
        ("llamacpp:prompt_tokens_cached_total", cached),
        ("llamacpp:tokens_predicted_total", usage["completion_tokens"]),
        ("home_llm:requests_total", 1),
    ):
        assert after[name] - before[name] == cost
    assert after["llamacpp:n_decode_total"] > before["llamacpp:n_decode_total"]
    assert after["home_llm:model_loaded"] == 1
    # The library reads this counter, whose name llama-server gave no ending, under a name with one.
    assert after["llamacpp:n_tokens_max_total"] >= usage["total_tokens"]
    lines = served.get("/metrics").body.decode().splitlines()
    assert "# TYPE llamacpp:n_tokens_max counter" in lines
    assert [line for line in lines if line.startswith("llamacpp:n_tokens_max ")]
    assert 0 < after["llamacpp:n_busy_slots_per_decode"] <= 8
    assert after["llamacpp:predicted_tokens_seconds"] > 0
    # Nobody has asked for anything since the last look.
    assert metrics(served)["llamacpp:predicted_tokens_seconds"] == 0


def test_counters_only_grow(data_dir: Path) -> None:
    """What was counted is still told without the model, and with the next one."""
    with Served(data_dir) as served:
        served.wait_until("ok")
        served.post("/v1/completions", {"prompt": "one", "max_tokens": 3})
        # Nobody has looked while it was there.
        served.post("/v1/internal/model/unload")
        before = metrics(served)
        assert (before["llamacpp:tokens_predicted_total"], before["home_llm:model_loaded"]) == (3, 0)
        served.post("/v1/internal/model/load", {"model_name": "smollm2-135m"})
        served.post("/v1/completions", {"prompt": "one", "max_tokens": 2})
        after = metrics(served)
        assert after["llamacpp:tokens_predicted_total"] == 5
        assert after["llamacpp:n_decode_total"] > before["llamacpp:n_decode_total"]


def test_metrics_without_a_model(tmp_path: Path) -> None:
    """Metrics answer when no model is loaded."""
    with Served(tmp_path, model="/nowhere.gguf") as served:
        served.wait_until("error")
        assert metrics(served) == {"home_llm:model_loaded": 0}
