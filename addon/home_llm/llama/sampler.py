"""Sampler chains: from logits to one token."""

import ctypes
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from home_llm.llama.context import Context
from home_llm.llama.model import Model

_MIN_KEEP = 1

# llama.cpp's llama_token_data.
_CANDIDATE = np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
# To find more of them costs as much as to go through all.
_MOST_CANDIDATES = 1024

# llama.cpp's default order of what comes between bias and the draw (common.h, common_params_sampling).
DEFAULT_ORDER = (
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typical_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
)


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How to choose the next token; the names and neutral values are llama.cpp's.

    Attributes:
        temperature: 0 chooses the likeliest token.
        dynamic_range: with an entropy-dependent temperature, how far it goes to either side of `temperature`; 0 is off.
        dynamic_exponent: shape of that dependence.
        top_k: 0 keeps all.
        top_p: 1 keeps all.
        min_p: 0 keeps all.
        typical_p: 1 keeps all.
        top_n_sigma: keep what is so many standard deviations from the likeliest; 0 keeps all.
        xtc_probability: of removing all likely tokens but the least likely of them; 0 is off.
        xtc_threshold: what counts as likely.
        repeat_penalty: 1 is off.
        repeat_last_n: how many tokens back the penalties look.
        frequency_penalty: 0 is off.
        presence_penalty: 0 is off.
        dry_multiplier: penalty on sequences that repeat; 0 is off.
        dry_base: how it grows with their length.
        dry_allowed_length: how long they may be.
        dry_breakers: strings that end a sequence.
        mirostat: 1 or 2 in place of everything but temperature; 0 is off.
        mirostat_tau: target surprise.
        mirostat_eta: how fast it is approached.
        adaptive_target: probability that chosen tokens should have; 0 is off.
        adaptive_decay: how fast earlier ones are forgotten.
        order: of the samplers; those left out do not run.
        seed: None draws one.
        logit_bias: added to the logits, by token.
    """

    temperature: float = 1.0
    dynamic_range: float = 0.0
    dynamic_exponent: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    top_n_sigma: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repeat_penalty: float = 1.0
    repeat_last_n: int = 1024
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    adaptive_target: float = 0.0
    adaptive_decay: float = 0.9
    order: tuple[str, ...] = DEFAULT_ORDER
    seed: int | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)

    @property
    def looks_back(self) -> bool:
        """Whether tokens seen before are held against."""
        return (_penalizes(self) or self.dry_multiplier != 0.0) and self.repeat_last_n > 0


class Sampler:
    """A chain of llama.cpp's samplers for one generation.

    Args:
        model: the model.
        parameters: how to choose.
        observed: whether `survivors` are wanted.
    """

    def __init__(self, model: Model, parameters: SamplingParameters, *, observed: bool = False) -> None:
        self._parameters = parameters
        self._chain: Any = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for link in _links(model, parameters):
            llama_cpp.llama_sampler_chain_add(self._chain, link)
        kept = _kept_first(parameters)
        kept = kept if 0 < kept < model.n_vocab else model.n_vocab
        self._candidates = _Candidates(kept) if observed or kept < model.n_vocab else None

    def sample(self, context: Context, index: int) -> int:
        """Choose a token by the logits of a token of the last batch, and remember it for the penalties."""
        if self._candidates is None:
            return int(llama_cpp.llama_sampler_sample(self._chain, context.handle, index))
        token = self._candidates.choose(self._chain, context.logits(index))
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    @property
    def survivors(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The tokens among which the last one was drawn, and their logits then, each of shape (n,)."""
        if self._candidates is None:
            raise AssertionError("only an observed sampler tells")
        return self._candidates.left()

    def prime(self, prompt: Sequence[int]) -> None:
        """Let the penalties see the end of the prompt, as llama-server's do."""
        if self._parameters.looks_back:
            for token in prompt[-self._parameters.repeat_last_n :]:
                llama_cpp.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


class _Candidates:
    """The likeliest tokens, where only they can be chosen: the chain then need not look at a whole vocabulary.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._table = np.zeros(count, _CANDIDATE)
        self._start = ctypes.cast(self._table.ctypes.data, ctypes.POINTER(llama_cpp.llama_token_data))
        self._array: Any = None

    def choose(self, chain: Any, logits: npt.NDArray[np.float32]) -> int:
        """Return the token that the chain chooses, from logits of shape (n_vocab,)."""
        count = len(self._table)
        likeliest = np.argpartition(logits, len(logits) - count)[-count:]
        self._table["id"] = likeliest
        self._table["logit"] = logits[likeliest]
        self._array = array = llama_cpp.llama_token_data_array(data=self._start, size=count, selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(chain, ctypes.byref(array))
        # The chain sorts, and may have moved the beginning.
        return int(array.data[array.selected].id)

    def left(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return what the chain has left of them in the last choice, and their logits, each of shape (n,)."""
        size = self._array.size * _CANDIDATE.itemsize
        address = ctypes.cast(self._array.data, ctypes.c_void_p).value
        left = np.frombuffer((ctypes.c_char * size).from_address(address), _CANDIDATE)
        return left["id"].copy(), left["logit"].copy()


def _kept_first(p: SamplingParameters) -> int:
    """Return how many of the likeliest tokens the chain keeps before it does anything else; 0 is all of them."""
    if p.temperature <= 0 or p.mirostat or p.logit_bias or p.top_k > _MOST_CANDIDATES:
        return 0
    return p.top_k if next(iter(_active(p)), "") == "top_k" else 0


def _active(p: SamplingParameters) -> list[str]:
    """Return the samplers of the order that change anything."""
    # The likeliest token stays the likeliest whatever else is cut off; only penalties may change which it is.
    ordered = [name for name in p.order if p.temperature > 0 or name in ("penalties", "dry")]
    idle = {
        "penalties": not _penalizes(p),
        "dry": not p.dry_multiplier,
        "top_n_sigma": p.top_n_sigma <= 0,
        "top_k": p.top_k <= 0,
        "typical_p": p.typical_p >= 1,
        "top_p": p.top_p >= 1,
        "min_p": p.min_p <= 0,
        "xtc": p.xtc_probability <= 0,
    }
    return [name for name in ordered if not idle.get(name, False)]


def _penalizes(p: SamplingParameters) -> bool:
    return p.repeat_penalty != 1.0 or p.frequency_penalty != 0.0 or p.presence_penalty != 0.0


def _links(model: Model, p: SamplingParameters) -> list[Any]:
    links: list[Any] = []
    if p.logit_bias:
        entries = (llama_cpp.llama_logit_bias * len(p.logit_bias))(
            *(llama_cpp.llama_logit_bias(token, bias) for token, bias in p.logit_bias.items())
        )
        links.append(llama_cpp.llama_sampler_init_logit_bias(model.n_vocab, len(entries), entries))
    greedy = p.temperature <= 0
    seed = ctypes.c_uint32(p.seed if p.seed is not None else secrets.randbits(32)).value
    if p.mirostat and not greedy:
        links.append(llama_cpp.llama_sampler_init_temp(p.temperature))
        if p.mirostat == 1:
            miro = llama_cpp.llama_sampler_init_mirostat(model.n_vocab, seed, p.mirostat_tau, p.mirostat_eta, 100)
        else:
            miro = llama_cpp.llama_sampler_init_mirostat_v2(seed, p.mirostat_tau, p.mirostat_eta)
        return [*links, miro]
    links.extend(_LINKS[name](model, p, seed) for name in _active(p))
    if greedy:
        return [*links, llama_cpp.llama_sampler_init_greedy()]
    if p.adaptive_target > 0:
        return [*links, llama_cpp.llama_sampler_init_adaptive_p(p.adaptive_target, p.adaptive_decay, seed)]
    return [*links, llama_cpp.llama_sampler_init_dist(seed)]


def _penalties(model: Model, p: SamplingParameters, _seed: int) -> Any:
    return llama_cpp.llama_sampler_init_penalties(
        model.n_vocab, p.repeat_last_n, p.repeat_penalty, p.frequency_penalty, p.presence_penalty
    )


def _dry(model: Model, p: SamplingParameters, _seed: int) -> Any:
    raw = [text.encode() for text in p.dry_breakers]
    breakers = (ctypes.c_char_p * len(raw))(*raw)
    return llama_cpp.llama_sampler_init_dry(
        model.vocab,
        p.dry_multiplier,
        p.dry_base,
        p.dry_allowed_length,
        p.repeat_last_n,
        breakers,
        len(raw),
    )


def _temperature(_model: Model, p: SamplingParameters, _seed: int) -> Any:
    if p.dynamic_range > 0:
        return llama_cpp.llama_sampler_init_temp_ext(p.temperature, p.dynamic_range, p.dynamic_exponent)
    return llama_cpp.llama_sampler_init_temp(p.temperature)


_LINKS: dict[str, Callable[[Model, SamplingParameters, int], Any]] = {
    "penalties": _penalties,
    "dry": _dry,
    "top_n_sigma": lambda _m, p, _s: llama_cpp.llama_sampler_init_top_n_sigma(p.top_n_sigma),
    "top_k": lambda _m, p, _s: llama_cpp.llama_sampler_init_top_k(p.top_k),
    "typical_p": lambda _m, p, _s: llama_cpp.llama_sampler_init_typical(p.typical_p, _MIN_KEEP),
    "top_p": lambda _m, p, _s: llama_cpp.llama_sampler_init_top_p(p.top_p, _MIN_KEEP),
    "min_p": lambda _m, p, _s: llama_cpp.llama_sampler_init_min_p(p.min_p, _MIN_KEEP),
    "xtc": lambda _m, p, seed: llama_cpp.llama_sampler_init_xtc(p.xtc_probability, p.xtc_threshold, _MIN_KEEP, seed),
    "temperature": _temperature,
}
