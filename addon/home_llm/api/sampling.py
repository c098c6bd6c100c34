"""The sampler fields that the dialects share, under text-generation-webui's and llama.cpp's names."""

import json
from typing import Annotated, TypeVar

from pydantic import AliasChoices, Field

from home_llm.api.body import Lenient
from home_llm.api.errors import ApiError
from home_llm.chat import Limits
from home_llm.engine import Constraint, ConstraintKind
from home_llm.llama import DEFAULT_ORDER, SamplingParameters

Number = TypeVar("Number", int, float)
_Probability = Annotated[float, Field(ge=0, le=1)]

# llama.cpp's numbers have 32 bits. How far back penalties look is memory that it takes for each request.
_Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
_MOST_TOKENS_BACK = 1 << 20

# Each is looked for in every piece of an answer.
_MOST_STOPS = 256
_LONGEST_STOP = 1024

_SAMPLERS = {
    # text-generation-webui's names of the samplers by ours, and llama.cpp's where they differ.
    "repetition_penalty": "penalties",
    "penalties": "penalties",
    "dry": "dry",
    "top_n_sigma": "top_n_sigma",
    "top_k": "top_k",
    "typical_p": "typical_p",
    "typ_p": "typical_p",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc": "xtc",
    "temperature": "temperature",
}


class SamplingFields(Lenient):
    """Sampler parameters; names and defaults are text-generation-webui's, llama.cpp's names are understood too.

    Source: GenerationOptions in modules/api/typing.py of text-generation-webui 4.7.3, and how its llama.cpp loader
    passes them on. Those without an equivalent in llama.cpp are ignored with every other unknown field.
    """

    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    dynamic_temperature: bool | None = None
    dynatemp_low: Annotated[float, Field(ge=0, le=100)] | None = None
    dynatemp_high: Annotated[float, Field(ge=0, le=100)] | None = None
    dynatemp_exponent: Annotated[float, Field(gt=0)] | None = None
    top_p: _Probability | None = None
    # Some clients write -1 for off.
    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1)] | None = None
    min_p: _Probability | None = None
    typical_p: _Probability | None = Field(None, validation_alias=AliasChoices("typical_p", "typical"))
    top_n_sigma: float | None = None
    xtc_threshold: _Probability | None = None
    xtc_probability: _Probability | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = Field(
        None, validation_alias=AliasChoices("repetition_penalty", "repeat_penalty")
    )
    repetition_penalty_range: Annotated[int, Field(ge=-1, le=_MOST_TOKENS_BACK)] | None = Field(
        None, validation_alias=AliasChoices("repetition_penalty_range", "repeat_last_n")
    )
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    dry_multiplier: Annotated[float, Field(ge=0)] | None = None
    dry_base: Annotated[float, Field(ge=1)] | None = None
    dry_allowed_length: _Count | None = None
    dry_sequence_breakers: str | list[str] | None = None
    mirostat_mode: Annotated[int, Field(ge=0, le=2)] | None = Field(
        None, validation_alias=AliasChoices("mirostat_mode", "mirostat")
    )
    mirostat_tau: Annotated[float, Field(gt=0)] | None = None
    mirostat_eta: Annotated[float, Field(gt=0)] | None = None
    # Nothing above 0 is off.
    adaptive_target: Annotated[float, Field(le=1)] | None = None
    adaptive_decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    sampler_priority: str | list[str] | None = Field(
        None, validation_alias=AliasChoices("sampler_priority", "samplers")
    )
    temperature_last: bool | None = None
    seed: int | None = None
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] | None = None
    custom_token_bans: str | None = None
    stop: str | list[str] | None = None
    ban_eos_token: bool | None = Field(None, validation_alias=AliasChoices("ban_eos_token", "ignore_eos"))
    grammar: str | None = Field(None, validation_alias=AliasChoices("grammar", "grammar_string"))

    def sampling(self) -> SamplingParameters:
        """Return the parameters for the engine.

        Raises:
            ApiError: a list in a string cannot be read.
        """
        temperature, dynamic_range = _or(self.temperature, 1.0), 0.0
        if self.dynamic_temperature:
            low, high = _or(self.dynatemp_low, 1.0), _or(self.dynatemp_high, 1.0)
            temperature, dynamic_range = (low + high) / 2, abs(high - low) / 2
        seed, window = self.seed, self.repetition_penalty_range
        return SamplingParameters(
            temperature=temperature,
            dynamic_range=dynamic_range,
            dynamic_exponent=_or(self.dynatemp_exponent, 1.0),
            top_p=_or(self.top_p, 0.95),
            top_k=max(_or(self.top_k, 0), 0),
            min_p=_or(self.min_p, 0.0),
            typical_p=_or(self.typical_p, 1.0),
            top_n_sigma=_or(self.top_n_sigma, 0.0),
            xtc_probability=_or(self.xtc_probability, 0.0),
            xtc_threshold=_or(self.xtc_threshold, 0.1),
            repeat_penalty=_or(self.repetition_penalty, 1.0),
            repeat_last_n=1024 if window is None or window < 0 else window,
            frequency_penalty=_or(self.frequency_penalty, 0.0),
            presence_penalty=_or(self.presence_penalty, 0.0),
            dry_multiplier=_or(self.dry_multiplier, 0.0),
            dry_base=_or(self.dry_base, 1.75),
            dry_allowed_length=_or(self.dry_allowed_length, 2),
            dry_breakers=self._breakers(),
            mirostat=_or(self.mirostat_mode, 0),
            mirostat_tau=_or(self.mirostat_tau, 5.0),
            mirostat_eta=_or(self.mirostat_eta, 0.1),
            adaptive_target=max(_or(self.adaptive_target, 0.0), 0.0),
            adaptive_decay=_or(self.adaptive_decay, 0.9),
            order=self._order(),
            seed=None if seed is None or seed < 0 else seed,
            logit_bias=self._bias(),
        )

    def _breakers(self) -> tuple[str, ...]:
        """Return the sequence breakers; text-generation-webui has them as a JSON list without its brackets."""
        value = self.dry_sequence_breakers
        if value is None:
            return ("\n", ":", '"', "*")
        if isinstance(value, str):
            try:
                value = json.loads(value if value.lstrip().startswith("[") else f"[{value}]")
            except ValueError:
                value = None
            if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
                raise ApiError(
                    400, "dry_sequence_breakers must be a JSON list of strings.", param="dry_sequence_breakers"
                )
        return tuple(value)

    def _order(self) -> tuple[str, ...]:
        """Return the order of the samplers; names that llama.cpp has nothing for are left out."""
        names = self.sampler_priority
        if isinstance(names, str):
            names = names.replace(",", "\n").split("\n")
        order: tuple[str, ...] = DEFAULT_ORDER
        if names:
            known = [_SAMPLERS[name.strip()] for name in names if name.strip() in _SAMPLERS]
            order = (*dict.fromkeys(known), *(name for name in DEFAULT_ORDER if name not in known))
        if self.temperature_last:
            order = (*(name for name in order if name != "temperature"), "temperature")
        return order

    def _bias(self) -> dict[int, float]:
        """Return the biases, with banned tokens among them."""
        bias = dict(self.logit_bias or {})
        for part in (self.custom_token_bans or "").split(","):
            if part.strip():
                try:
                    bias[int(part)] = float("-inf")
                except ValueError:
                    raise ApiError(
                        400, "custom_token_bans must be token numbers with commas between.", param="custom_token_bans"
                    ) from None
        return bias

    def limits(self, max_tokens: int | None) -> Limits:
        """Return when to stop.

        Raises:
            ApiError: there are too many stop strings, or one is too long.
        """
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stop) > _MOST_STOPS or any(len(text) > _LONGEST_STOP for text in stop):
            raise ApiError(
                400, f"stop can hold {_MOST_STOPS} strings of {_LONGEST_STOP} characters at most.", param="stop"
            )
        return Limits(max_tokens=max_tokens, stop=stop, ignore_end=bool(self.ban_eos_token))

    def grammar_constraint(self) -> Constraint | None:
        """Return the GBNF grammar as a constraint."""
        return Constraint(ConstraintKind.GBNF, self.grammar) if self.grammar else None


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value
