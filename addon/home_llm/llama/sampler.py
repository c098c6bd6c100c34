"""Sampler chains: from logits to one token."""

import ctypes
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import llama_cpp

from home_llm.llama.context import Context
from home_llm.llama.model import Model

_MIN_KEEP = 1


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How to choose the next token; the names and neutral values are llama.cpp's.

    Attributes:
        temperature: 0 chooses the likeliest token.
        top_k: 0 keeps all.
        top_p: 1 keeps all.
        min_p: 0 keeps all.
        typical_p: 1 keeps all.
        repeat_penalty: 1 is off.
        repeat_last_n: how many tokens back the penalties look.
        frequency_penalty: 0 is off.
        presence_penalty: 0 is off.
        seed: None draws one.
        logit_bias: added to the logits, by token.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 1024
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)

    @property
    def penalizes(self) -> bool:
        """Whether tokens seen before are held against."""
        on = self.repeat_penalty != 1.0 or self.frequency_penalty != 0.0 or self.presence_penalty != 0.0
        return on and self.repeat_last_n > 0


class Sampler:
    """A chain of llama.cpp's samplers for one generation.

    The order is llama.cpp's default: bias, penalties, top-k, typical-p, top-p, min-p, temperature, draw.
    """

    def __init__(self, model: Model, parameters: SamplingParameters) -> None:
        self._parameters = parameters
        self._chain: Any = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for link in _links(model, parameters):
            llama_cpp.llama_sampler_chain_add(self._chain, link)

    def sample(self, context: Context, index: int) -> int:
        """Choose a token by the logits of a token of the last batch, and remember it for the penalties."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context.handle, index))

    def prime(self, prompt: Sequence[int]) -> None:
        """Let the penalties see the end of the prompt, as llama-server's do."""
        if self._parameters.penalizes:
            for token in prompt[-self._parameters.repeat_last_n :]:
                llama_cpp.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


def _links(model: Model, p: SamplingParameters) -> list[Any]:
    links: list[Any] = []
    if p.logit_bias:
        entries = (llama_cpp.llama_logit_bias * len(p.logit_bias))(
            *(llama_cpp.llama_logit_bias(token, bias) for token, bias in p.logit_bias.items())
        )
        links.append(llama_cpp.llama_sampler_init_logit_bias(model.n_vocab, len(entries), entries))
    if p.penalizes:
        links.append(
            llama_cpp.llama_sampler_init_penalties(
                model.n_vocab, p.repeat_last_n, p.repeat_penalty, p.frequency_penalty, p.presence_penalty
            )
        )
    if p.temperature <= 0:
        return [*links, llama_cpp.llama_sampler_init_greedy()]
    if p.top_k > 0:
        links.append(llama_cpp.llama_sampler_init_top_k(p.top_k))
    if p.typical_p < 1.0:
        links.append(llama_cpp.llama_sampler_init_typical(p.typical_p, _MIN_KEEP))
    if p.top_p < 1.0:
        links.append(llama_cpp.llama_sampler_init_top_p(p.top_p, _MIN_KEEP))
    if p.min_p > 0.0:
        links.append(llama_cpp.llama_sampler_init_min_p(p.min_p, _MIN_KEEP))
    links.append(llama_cpp.llama_sampler_init_temp(p.temperature))
    seed = p.seed if p.seed is not None else secrets.randbits(32)
    links.append(llama_cpp.llama_sampler_init_dist(ctypes.c_uint32(seed).value))
    return links
