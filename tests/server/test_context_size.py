"""The size of the context: chosen for the memory that is free, and said so; real loads."""

import logging
from pathlib import Path

import pytest

from served import Served

MB = 10**6


def test_it_shrinks_with_the_memory(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With little memory the context is smaller; health, the list of models and the log say which and why."""
    caplog.set_level(logging.INFO)
    with Served(data_dir, context_size=0, cache_type="f16", memory=lambda: 560 * MB) as served:
        message = served.wait_until("ok")["message"]
        meta = served.get("/v1/models").json["data"][0]["meta"]
        assert meta["n_ctx"] == 4096
        assert meta["n_ctx_reason"] == "with 8192 it would take 556 MB of the 560 MB of memory that are free"
        assert f"a context of 4096 tokens ({meta['n_ctx_reason']})" in message
        assert message in caplog.text
        answer = served.post("/v1/completions", {"prompt": "one two three " * 2000, "max_tokens": 1})
        assert answer.json["error"]["n_ctx"] == 4096
        assert served.post("/v1/completions", {"prompt": "one two three ", "max_tokens": 1}).status == 200


def test_keys_of_8_bits_hold_more(data_dir: Path) -> None:
    """By itself, the cache holds the embedded model's keys in 8 bits, and half as much again fits the memory."""
    with Served(data_dir, context_size=0, memory=lambda: 560 * MB) as served:
        served.wait_until("ok")
        assert served.get("/v1/models").json["data"][0]["meta"]["n_ctx"] == 6144


def test_a_smaller_cache_holds_more(data_dir: Path) -> None:
    """With values of 8 bits the whole context fits the same memory."""
    with Served(data_dir, context_size=0, cache_type="q8_0", memory=lambda: 560 * MB) as served:
        served.wait_until("ok")
        meta = served.get("/v1/models").json["data"][0]["meta"]
        assert meta["n_ctx"] == 8192
        assert "enough for a house" in meta["n_ctx_reason"]


def test_a_size_that_does_not_fit(data_dir: Path) -> None:
    """A size that is set and does not fit is an error with the size that would; that one can be loaded."""
    with Served(data_dir, context_size=16_384, cache_type="f16", memory=lambda: 560 * MB) as served:
        message = served.wait_until("error")["message"]
        assert "for a context of 16384 tokens" in message
        assert "560 MB are free" in message
        fitting = int(message.partition("A context of ")[2].split()[0])
        assert fitting == 8192
        load = {"model_name": "smollm2-135m", "args": {"ctx_size": fitting}}
        assert served.post("/v1/internal/model/load", load).json == "OK"
        assert served.get("/v1/models").json["data"][0]["meta"]["n_ctx"] == fitting


def test_no_room_at_all(data_dir: Path) -> None:
    """Where not even the least context fits, the model is not loaded, and the numbers say why."""
    with Served(data_dir, context_size=0, memory=lambda: 400 * MB) as served:
        message = served.wait_until("error")["message"]
        assert "for a context of 2048 tokens" in message
        assert "400 MB are free" in message


def test_more_than_it_was_trained_with(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A size beyond what the model was trained with is taken, with a warning in the log and in health."""
    with Served(data_dir, context_size=9216) as served:
        message = served.wait_until("ok")["message"]
        assert "trained with a context of 8192 tokens" in message
        assert served.get("/v1/models").json["data"][0]["meta"]["n_ctx"] == 9216
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in warnings if "8192 tokens, and context_size is 9216" in line]
