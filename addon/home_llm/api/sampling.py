"""The sampler fields that the dialects share, under text-generation-webui's and llama.cpp's names."""

from typing import Annotated, TypeVar

from pydantic import AliasChoices, Field

from home_llm.api.body import Lenient
from home_llm.chat import Limits
from home_llm.engine import Constraint, ConstraintKind
from home_llm.llama import SamplingParameters

Number = TypeVar("Number", int, float)
_Probability = Annotated[float, Field(ge=0, le=1)]


class SamplingFields(Lenient):
    """Sampler parameters; the defaults are text-generation-webui's."""

    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: _Probability | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: _Probability | None = None
    typical_p: _Probability | None = Field(None, validation_alias=AliasChoices("typical_p", "typical"))
    repetition_penalty: Annotated[float, Field(gt=0)] | None = Field(
        None, validation_alias=AliasChoices("repetition_penalty", "repeat_penalty")
    )
    repetition_penalty_range: Annotated[int, Field(ge=-1)] | None = Field(
        None, validation_alias=AliasChoices("repetition_penalty_range", "repeat_last_n")
    )
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] | None = None
    stop: str | list[str] | None = None
    ban_eos_token: bool | None = Field(None, validation_alias=AliasChoices("ban_eos_token", "ignore_eos"))
    grammar: str | None = Field(None, validation_alias=AliasChoices("grammar", "grammar_string"))

    def sampling(self) -> SamplingParameters:
        """Return the parameters for the engine."""
        seed = self.seed
        window = self.repetition_penalty_range
        return SamplingParameters(
            temperature=_or(self.temperature, 1.0),
            top_p=_or(self.top_p, 0.95),
            top_k=_or(self.top_k, 0),
            min_p=_or(self.min_p, 0.0),
            typical_p=_or(self.typical_p, 1.0),
            repeat_penalty=_or(self.repetition_penalty, 1.0),
            repeat_last_n=1024 if window is None or window < 0 else window,
            frequency_penalty=_or(self.frequency_penalty, 0.0),
            presence_penalty=_or(self.presence_penalty, 0.0),
            seed=None if seed is None or seed < 0 else seed,
            logit_bias=dict(self.logit_bias or {}),
        )

    def limits(self, max_tokens: int | None) -> Limits:
        """Return when to stop."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Limits(max_tokens=max_tokens, stop=stop, ignore_end=bool(self.ban_eos_token))

    def grammar_constraint(self) -> Constraint | None:
        """Return the GBNF grammar as a constraint."""
        return Constraint(ConstraintKind.GBNF, self.grammar) if self.grammar else None


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value
