"""Bodies of llama-server's own text completion as requests for the chat room.

Source: tools/server/README.md of llama.cpp.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from home_llm.api.errors import ApiError
from home_llm.api.llama_server_prompts import Prompts, joined, plainly, prompts_of
from home_llm.api.openai_messages import JsonSchema
from home_llm.api.openai_request import MaxTokens, bound, only_one
from home_llm.api.sampling import SamplingFields
from home_llm.api.telling import TellingFields
from home_llm.chat import Chat, CompletionRequest
from home_llm.engine import Constraint, ConstraintKind
from home_llm.llama import Model, SamplingParameters

_MOST_PROMPTS = 64

# llama-server's defaults, which are not those of the other dialects.
_TEMPERATURE, _TOP_K, _MIN_P, _PENALTIES_BACK = 0.8, 40, 0.05, 64

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_Bias = Annotated[float, Field(ge=-100, le=100)]


class NativeFields(TellingFields, SamplingFields):
    """What llama-server's own routes take beside what is to be continued."""

    n_predict: MaxTokens = Field(None, validation_alias=AliasChoices("n_predict", "max_tokens"))
    json_schema: JsonSchema | None = None
    n_probs: Annotated[int, Field(ge=0, le=100)] = 0
    post_sampling_probs: bool = False
    return_tokens: bool = False
    response_fields: list[str] = Field(default_factory=list)
    temperature: Annotated[float, Field(ge=0, le=100)] | None = _TEMPERATURE
    dynatemp_range: Annotated[float, Field(ge=0, le=100)] = 0.0
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = _TOP_K
    min_p: Annotated[float, Field(ge=0, le=1)] | None = _MIN_P
    repetition_penalty_range: Annotated[int, Field(ge=-1, le=1 << 20)] | None = Field(
        _PENALTIES_BACK, validation_alias=AliasChoices("repeat_last_n", "repetition_penalty_range")
    )
    # Where `logit_bias` names texts; only its own reading fills it.
    text_bias: SkipJsonSchema[dict[str, _Bias]] = Field(default_factory=dict, validation_alias="logit_bias_of_texts")

    @model_validator(mode="before")
    @classmethod
    def _biases(cls, body: Any) -> Any:
        """Read llama-server's list of pairs, in which `false` forbids as far as a bias can, and texts for tokens."""
        given = body.get("logit_bias") if isinstance(body, dict) else None
        if isinstance(given, dict):
            given = [[int(name) if _NUMBER.fullmatch(name) else name, bias] for name, bias in given.items()]
        if not isinstance(given, list):
            return body
        of_tokens: dict[int, Any] = {}
        of_texts: dict[str, Any] = {}
        for pair in given:
            if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str | int)):
                raise ApiError(
                    400,
                    "logit_bias: each bias must be a pair of a token's number, or a text, and a number or false.",
                    param="logit_bias",
                )
            bias = -100 if pair[1] is False else pair[1]
            if isinstance(pair[0], str):
                of_texts[pair[0]] = bias
            else:
                of_tokens[pair[0]] = bias
        return {**body, "logit_bias": of_tokens, "logit_bias_of_texts": of_texts}

    def sampling(self) -> SamplingParameters:
        """Return the parameters for the engine.

        Raises:
            ApiError: a list in a string cannot be read.
        """
        if self.dynatemp_range <= 0:
            return super().sampling()
        middle = _TEMPERATURE if self.temperature is None else self.temperature
        low, high = max(middle - self.dynatemp_range, 0.0), middle + self.dynatemp_range
        update = {"dynatemp_range": 0.0, "dynamic_temperature": True, "dynatemp_low": low, "dynatemp_high": high}
        return self.model_copy(update=update).sampling()

    def requests_for(self, chat: Chat, prompts: Sequence[str | tuple[int, ...]]) -> tuple[CompletionRequest, ...]:
        """Return a request for the chat room for each prompt.

        Raises:
            ApiError: fields contradict each other.
        """
        limits = self.limits(None if self.n_predict == -1 else self.n_predict)
        sampling, constraint = self._biased(chat.model), self._constraint()
        logprobs = self.n_probs if self.n_probs or self.return_tokens else None
        return tuple(
            CompletionRequest(
                prompt=prompt,
                sampling=sampling,
                limits=limits,
                constraint=constraint,
                logprobs=logprobs,
                sampled=self.post_sampling_probs,
                telling=self.telling,
                slot=self.slot,
            )
            for prompt in prompts
        )

    def _biased(self, model: Model) -> SamplingParameters:
        """Return the parameters for the engine, with the biases of every token that the texts are made of."""
        sampling = self.sampling()
        bias = {token: bias for text, bias in self.text_bias.items() for token in model.tokenize(text)}
        return dataclasses.replace(sampling, logit_bias={**bias, **sampling.logit_bias}) if bias else sampling

    def _constraint(self) -> Constraint | None:
        return only_one(
            {
                "json_schema": bound(ConstraintKind.JSON_SCHEMA, self.json_schema),
                "grammar": self.grammar_constraint(),
            }
        )


class CompletionBody(NativeFields):
    """Body of `POST /completion`."""

    prompt: Prompts

    def requests(self, chat: Chat) -> tuple[CompletionRequest, ...]:
        """Return a request for the chat room for each prompt.

        Raises:
            ApiError: a prompt is no text and no tokens, or fields contradict each other.
        """
        prompts = prompts_of(self.prompt)
        if len(prompts) > _MOST_PROMPTS:
            raise ApiError(400, f"prompt can hold {_MOST_PROMPTS} prompts at most.", param="prompt")
        tokenize = plainly(chat.model)
        return self.requests_for(
            chat, [part if isinstance(part, str) else tuple(joined(part, tokenize)) for part in prompts]
        )
