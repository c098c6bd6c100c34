"""Choosing tokens."""

import pytest

from home_llm.llama import Batch, Context, Model, Sampler, SamplingParameters

PROMPT = "Tell me a story about a house by the sea."


@pytest.mark.parametrize(
    "parameters",
    [
        {"top_k": 40},
        {"top_k": 1},
        {"top_k": 1000, "top_p": 0.9, "min_p": 0.02},
        {"top_k": 5, "typical_p": 0.8, "xtc_probability": 0.5, "xtc_threshold": 0.1},
        {"top_k": 40, "order": ("top_k", "temperature", "penalties"), "repeat_penalty": 1.3},
    ],
)
def test_the_likeliest_tokens_are_enough(model: Model, parameters: dict[str, object]) -> None:
    """Where a chain keeps only the likeliest tokens, it draws from those alone as from the whole vocabulary."""
    context = Context(model, n_ctx=256, threads=2)
    batch = Batch(64)
    try:
        index = batch.add(model.tokenize(PROMPT), position=0, sequence=0, logits=1)
        context.decode(batch)
        draws = []
        # A bias that changes nothing keeps the chain from beginning with top_k.
        for bias in ({}, {0: 0.0}):
            sampler = Sampler(
                model,
                SamplingParameters(temperature=1.2, seed=11, logit_bias=bias, **parameters),  # type: ignore[arg-type]
            )
            draws.append([sampler.sample(context, index) for _ in range(50)])
            sampler.close()
        assert draws[0] == draws[1]
        assert len(set(draws[0])) > 1 or parameters["top_k"] == 1
    finally:
        batch.close()
        context.close()
