"""Sampler parameters: each one reaches llama.cpp, and what is out of range is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from home_llm.api.sampling import SamplingFields
from home_llm.llama import DEFAULT_ORDER
from served import Served

BODY = {
    "prompt": "Once upon a time there was a",
    "max_tokens": 12,
    "seed": 5,
    "temperature": 1.3,
    "top_p": 1,
    "top_k": 40,
}


@pytest.fixture(scope="module", name="served")
def served_fixture(data_dir: Path) -> Iterator[Served]:
    """Serve in a context so small that llama.cpp always adds in the same order: a last digit changes what is drawn."""
    with Served(data_dir, context_size=256) as served:
        served.wait_until("ok")
        yield served


def text(served: Served, **fields: Any) -> str:
    """Return a completion."""
    answer = served.post("/v1/completions", {**BODY, **fields})
    assert answer.status == 200, answer.body
    return str(answer.json["choices"][0]["text"])


def test_seeds(served: Served) -> None:
    """The same seed and parameters give the same text, another seed another."""
    assert text(served) == text(served)
    assert text(served, seed=6) != text(served)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0},
        {"temperature": 0.2},
        {"dynamic_temperature": True, "dynatemp_low": 0.1, "dynatemp_high": 0.5},
        {"top_p": 0.3},
        {"top_k": 2},
        {"min_p": 0.4},
        {"typical_p": 0.3},
        {"top_n_sigma": 0.5},
        {"xtc_probability": 1, "xtc_threshold": 0.05},
        {"repetition_penalty": 1.8},
        {"repeat_penalty": 1.8, "repeat_last_n": 8},
        {"frequency_penalty": 2},
        {"presence_penalty": 2},
        {"dry_multiplier": 5, "dry_allowed_length": 1, "prompt": "The lamp is on. " * 6, "temperature": 0},
        {"mirostat_mode": 1, "mirostat_tau": 1},
        {"mirostat_mode": 2, "mirostat_tau": 1},
        {"adaptive_target": 0.9},
    ],
)
def test_every_parameter_tells(served: Served, fields: dict[str, Any]) -> None:
    """Setting it changes the text, and the changed text is reproducible."""
    same = ("prompt", "temperature") if "prompt" in fields else ()
    plain = text(served, **{key: fields[key] for key in same})
    assert text(served, **fields) != plain
    assert text(served, **fields) == text(served, **fields)


def test_bans_and_bias(served: Served) -> None:
    """A banned token never comes; a favoured one always."""
    token = served.post("/v1/internal/encode", {"text": " lamp"}).json["tokens"][0]
    assert text(served, logit_bias={str(token): 100}, temperature=0, max_tokens=3) == " lamp" * 3
    first = served.post("/v1/internal/encode", {"text": text(served, temperature=0, max_tokens=1)}).json["tokens"][0]
    assert not text(served, temperature=0, custom_token_bans=f"{first}").startswith(text(served, temperature=0)[:3])


def _fields(**values: Any) -> SamplingFields:
    return SamplingFields.model_validate(values)


def test_order(served: Served) -> None:
    """The order of the samplers can be given as text-generation-webui and llama.cpp do; unknown ones are ignored."""
    by_lines = _fields(sampler_priority="temperature\ntop_p\nunknown").sampling().order
    assert by_lines[:2] == ("temperature", "top_p")
    assert sorted(by_lines) == sorted(DEFAULT_ORDER)
    by_list = _fields(samplers=["top_p", "typ_p", "temperature"], temperature_last=True).sampling().order
    assert by_list[:2] == ("top_p", "typical_p")
    assert by_list[-1] == "temperature"
    assert text(served, top_p=0.5, temperature=2.0, top_k=0, sampler_priority="temperature\ntop_p")


@pytest.mark.parametrize(
    "fields",
    [
        {"top_p": -0.1},
        {"min_p": 1.1},
        {"top_k": -2},
        {"repetition_penalty": 0},
        {"frequency_penalty": 3},
        {"mirostat_mode": 3},
        {"dry_sequence_breakers": '"unclosed'},
        {"custom_token_bans": "1,x"},
        {"xtc_probability": 2},
        {"seed": "x"},
        {"temperature": 1e9},
    ],
)
def test_out_of_range(served: Served, fields: dict[str, Any]) -> None:
    """A value out of range is a 400 that names it."""
    answer = served.post("/v1/completions", {**BODY, **fields})
    assert answer.status == 400
    assert answer.json["error"]["param"] == next(iter(fields))
