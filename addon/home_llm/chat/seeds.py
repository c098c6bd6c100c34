"""Seeds of requests that name none, and of several choices of one request."""

from dataclasses import replace

from home_llm.llama import SamplingParameters


def with_seed(sampling: SamplingParameters, seed: int | None, choice: int = 0) -> SamplingParameters:
    """Return how a choice is sampled: each has a seed of its own, the first one that of the request.

    Args:
        sampling: of the request.
        seed: for a request that has none; None draws one.
        choice: which of several it is.
    """
    first = seed if sampling.seed is None else sampling.seed
    return sampling if first is None else replace(sampling, seed=(first + choice) % 2**32)
