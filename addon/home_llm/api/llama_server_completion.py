"""llama-server's own text completion, `POST /completion`.

Source: tools/server/README.md of llama.cpp.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import flask
from pydantic import AliasChoices, Field, field_validator

from home_llm.api.admission import Admission
from home_llm.api.body import read
from home_llm.api.errors import ApiError
from home_llm.api.openai import completion_choices, model_name, prompt_text
from home_llm.api.openai_answers import timings_of
from home_llm.api.openai_logprobs import native_logprobs
from home_llm.api.openai_messages import JsonSchema
from home_llm.api.openai_request import MaxTokens, bound, only_one
from home_llm.api.openapi import documented
from home_llm.api.replies import DATA_WITHOUT_END, Answer, stream
from home_llm.api.sampling import SamplingFields
from home_llm.api.several import Indexed, Several, collect_all
from home_llm.chat import Chat, CompletionRequest, Finish, Limits, Text
from home_llm.engine import Constraint, ConstraintKind, FinishReason, TokenLogprob
from home_llm.llama import SamplingParameters
from home_llm.runtime import Runtime

_MOST_PROMPTS = 64

# llama-server's defaults, which are not those of the other dialects.
_TEMPERATURE, _TOP_K, _MIN_P, _PENALTIES_BACK = 0.8, 40, 0.05, 64

_Mixed = list[str | int]


class CompletionBody(SamplingFields):
    """Body of `POST /completion`."""

    prompt: str | list[str | int | _Mixed]
    n_predict: MaxTokens = Field(None, validation_alias=AliasChoices("n_predict", "max_tokens"))
    stream: bool | None = None
    json_schema: JsonSchema | None = None
    n_probs: Annotated[int, Field(ge=0, le=100)] = 0
    post_sampling_probs: bool = False
    return_tokens: bool = False
    temperature: Annotated[float, Field(ge=0, le=100)] | None = _TEMPERATURE
    dynatemp_range: Annotated[float, Field(ge=0, le=100)] = 0.0
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = _TOP_K
    min_p: Annotated[float, Field(ge=0, le=1)] | None = _MIN_P
    repetition_penalty_range: Annotated[int, Field(ge=-1, le=1 << 20)] | None = Field(
        _PENALTIES_BACK, validation_alias=AliasChoices("repeat_last_n", "repetition_penalty_range")
    )

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """Read llama-server's list of pairs; `false` in one forbids the token, as far as a bias can."""
        if not isinstance(value, list):
            return value
        if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], int) for pair in value):
            raise ValueError("each bias must be a pair of a token's number and a number or false")
        return {token: -100 if bias is False else bias for token, bias in value}

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

    def requests(self, chat: Chat) -> tuple[CompletionRequest, ...]:
        """Return a request for the chat room for each prompt.

        Raises:
            ApiError: a prompt is no text and no tokens, or fields contradict each other.
        """
        if self.post_sampling_probs and self.n_probs:
            raise ApiError(
                400,
                "post_sampling_probs is not supported: n_probs tells the model's own probabilities.",
                param="post_sampling_probs",
            )
        limits = self.limits(None if self.n_predict == -1 else self.n_predict)
        sampling, constraint = self.sampling(), self._constraint()
        logprobs = self.n_probs if self.n_probs or self.return_tokens else None
        return tuple(
            CompletionRequest(prompt=prompt, sampling=sampling, limits=limits, constraint=constraint, logprobs=logprobs)
            for prompt in self._prompts(chat)
        )

    def _constraint(self) -> Constraint | None:
        return only_one(
            {
                "json_schema": bound(ConstraintKind.JSON_SCHEMA, self.json_schema),
                "grammar": self.grammar_constraint(),
            }
        )

    def _prompts(self, chat: Chat) -> list[str | tuple[int, ...]]:
        """Return the prompts: a list with a number in it is one prompt, any other list holds several."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if not self.prompt or any(isinstance(part, int) for part in self.prompt):
            return [_joined(chat, self.prompt)]
        if len(self.prompt) > _MOST_PROMPTS:
            raise ApiError(400, f"prompt can hold {_MOST_PROMPTS} prompts at most.", param="prompt")
        return [
            part if isinstance(part, str) else _joined(chat, part) for part in self.prompt if not isinstance(part, int)
        ]


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("llama_server_completion", __name__)

    @routes.post("/completion")
    @routes.post("/completions")
    @documented(
        "Continue a text",
        tag="llama-server",
        body=CompletionBody,
        example={"prompt": "The capital of France is", "n_predict": 5},
        streams=True,
    )
    def completion() -> flask.typing.ResponseReturnValue:
        body = read(CompletionBody)
        with admission.enter() as place:
            chat = runtime.chat()
            requests = body.requests(chat)
            several = Several([completion_choices(chat, request) for request in requests])
            prompts = [prompt_text(chat, request) for request in requests]
            writer = NativeWriter(model_name(runtime), body, requests[0], prompts)
            if body.stream:
                return place.keep_until_closed(stream(several, writer, DATA_WITHOUT_END))
            answers = [writer.whole(index, answer) for index, answer in enumerate(collect_all(several))]
        return flask.jsonify(answers[0] if isinstance(body.prompt, str) or len(answers) == 1 else answers)

    return routes


class NativeWriter:
    """Writes llama-server's answers and chunks.

    Args:
        model: the name of the model.
        body: the request.
        request: what the chat room was asked, of any of the prompts.
        prompts: the prompts as text.
    """

    def __init__(self, model: str, body: CompletionBody, request: CompletionRequest, prompts: Sequence[str]) -> None:
        self._model = model
        self._body = body
        self._request = request
        self._prompts = prompts
        self._written = [Answer() for _ in prompts]

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield nothing: the first chunk is the first text."""
        return iter(())

    def keep_alive(self) -> dict[str, Any]:
        """Return an empty text."""
        return self._chunk(0, "", ())

    def event(self, item: Indexed, /) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        answer = self._written[item.index]
        answer.add(item.event)
        match item.event:
            case Text(text=text, logprobs=tokens):
                yield self._chunk(item.index, text, tokens)
            case Finish(logprobs=tokens):
                # The whole text has been said; what is left are tokens without one.
                yield {**self._end(item.index, answer), **self._tokens(tokens), "content": ""}
            case _:
                return

    def whole(self, index: int, answer: Answer) -> dict[str, Any]:
        """Return an answer in one piece."""
        return {**self._end(index, answer), **self._tokens(answer.logprobs), "content": answer.text}

    def _chunk(self, index: int, text: str, tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
        return {"index": index, "content": text, **self._tokens(tokens), "id_slot": -1, "stop": False}

    def _tokens(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
        fields: dict[str, Any] = {"tokens": [token.token for token in tokens] if self._body.return_tokens else []}
        if self._body.n_probs and tokens:
            fields["completion_probabilities"] = native_logprobs(tokens)
        return fields

    def _end(self, index: int, answer: Answer) -> dict[str, Any]:
        finish, request = answer.end, self._request
        usage = finish.usage
        return {
            "index": index,
            "content": "",
            "tokens": [],
            "id_slot": -1,
            "stop": True,
            "model": self._model,
            "tokens_predicted": usage.completion_tokens,
            "tokens_evaluated": usage.prompt_tokens,
            "tokens_cached": usage.cached_tokens,
            "generation_settings": settings_of(
                request.sampling, request.limits, stream=bool(self._body.stream), n_probs=self._body.n_probs
            ),
            "prompt": self._prompts[index],
            "has_new_line": "\n" in answer.text,
            "truncated": False,
            "stop_type": _stop_type(finish),
            "stopping_word": finish.stop or "",
            "timings": timings_of(finish),
        }


def settings_of(sampling: SamplingParameters, limits: Limits, *, stream: bool, n_probs: int) -> dict[str, Any]:
    """Return how an answer is made, under llama-server's names."""
    limit = -1 if limits.max_tokens is None else limits.max_tokens
    return {
        "seed": 2**32 - 1 if sampling.seed is None else sampling.seed,
        "temperature": sampling.temperature,
        "dynatemp_range": sampling.dynamic_range,
        "dynatemp_exponent": sampling.dynamic_exponent,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "top_n_sigma": sampling.top_n_sigma,
        "xtc_probability": sampling.xtc_probability,
        "xtc_threshold": sampling.xtc_threshold,
        "typical_p": sampling.typical_p,
        "repeat_last_n": sampling.repeat_last_n,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "dry_multiplier": sampling.dry_multiplier,
        "dry_base": sampling.dry_base,
        "dry_allowed_length": sampling.dry_allowed_length,
        "dry_sequence_breakers": list(sampling.dry_breakers),
        "mirostat": sampling.mirostat,
        "mirostat_tau": sampling.mirostat_tau,
        "mirostat_eta": sampling.mirostat_eta,
        "samplers": list(sampling.order),
        "stop": list(limits.stop),
        "max_tokens": limit,
        "n_predict": limit,
        "ignore_eos": limits.ignore_end,
        "stream": stream,
        "n_probs": n_probs,
    }


def _joined(chat: Chat, parts: Sequence[Any]) -> tuple[int, ...]:
    """Return the tokens of a prompt that is given in texts and tokens."""
    tokens: list[int] = []
    for number, part in enumerate(parts):
        if isinstance(part, int):
            tokens.append(part)
        elif isinstance(part, str):
            tokens += chat.model.tokenize(part, add_special=number == 0 and chat.model.add_bos)
        else:
            raise ApiError(400, f"prompt[{number}] must be a text or a token.", param=f"prompt[{number}]")
    return tuple(tokens)


def _stop_type(finish: Finish) -> str:
    if finish.reason is FinishReason.LENGTH:
        return "limit"
    if finish.reason is FinishReason.CANCELLED:
        return "none"
    return "word" if finish.stop else "eos"
