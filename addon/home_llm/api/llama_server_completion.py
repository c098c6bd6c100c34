"""llama-server's own text completion, `POST /completion`.

Source: tools/server/README.md of llama.cpp.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import flask

from home_llm.api.admission import Admission, Place
from home_llm.api.body import read
from home_llm.api.llama_server_request import CompletionBody, NativeFields
from home_llm.api.openai import completion_choices, model_name
from home_llm.api.openai_answers import timings_of
from home_llm.api.openai_logprobs import native_logprobs, sampled_probabilities
from home_llm.api.openapi import documented
from home_llm.api.replies import DATA_WITHOUT_END, Answer, stream
from home_llm.api.schemas import llama_server as schemas
from home_llm.api.several import Indexed, Several, collect_all
from home_llm.api.telling import progress_fields, text_fields
from home_llm.chat import Chat, CompletionRequest, Finish, Limits, Progress, Text
from home_llm.chat.seeds import with_seed
from home_llm.engine import FinishReason, TokenLogprob
from home_llm.llama import SamplingParameters
from home_llm.runtime import Runtime


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
        answer=schemas.COMPLETION,
        event=schemas.COMPLETION_CHUNK,
    )
    def completion() -> flask.typing.ResponseReturnValue:
        body = read(CompletionBody)
        with admission.enter() as place:
            chat = runtime.chat()
            return answer(model_name(runtime), body, chat, body.requests(chat), place)

    return routes


def answer(
    name: str, body: NativeFields, chat: Chat, requests: Sequence[CompletionRequest], place: Place
) -> flask.typing.ResponseReturnValue:
    """Answer as the request wants it: a stream, one answer, or a list where there are several prompts.

    Args:
        name: the name of the model.
        body: the request.
        chat: what answers.
        requests: what it is asked, for each prompt.
        place: the request's place, kept while it is streamed.
    """
    requests = [replace(each, sampling=with_seed(each.sampling, chat.seed)) for each in requests]
    prompts = [chat.model.detokenize(chat.prompt_tokens(request)) for request in requests]
    several = Several([completion_choices(chat, request) for request in requests])
    writer = NativeWriter(name, body, requests[0], prompts, ends=chat.model.end_of_generation, n_ctx=chat.engine.n_ctx)
    if body.stream:
        return place.keep_until_closed(stream(several, writer, DATA_WITHOUT_END))
    answers = [writer.whole(index, whole) for index, whole in enumerate(collect_all(several))]
    return flask.jsonify(answers[0] if len(answers) == 1 else answers)


class NativeWriter:
    """Writes llama-server's answers and chunks.

    Args:
        model: the name of the model.
        body: the request.
        request: what the chat room was asked, of any of the prompts.
        prompts: the prompts as the model reads them, as text.
        ends: the tokens that end an answer.
        n_ctx: tokens that there is room for.
    """

    def __init__(
        self,
        model: str,
        body: NativeFields,
        request: CompletionRequest,
        prompts: Sequence[str],
        *,
        ends: Sequence[int],
        n_ctx: int,
    ) -> None:
        self._model = model
        self._body = body
        self._request = request
        self._prompts = prompts
        self._ends = ends
        self._n_ctx = n_ctx
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
            case Text() as piece:
                for text, tokens in _by_token(piece):
                    yield {**self._chunk(item.index, text, tokens), **text_fields(piece)}
            case Progress() as progress:
                told = progress_fields(progress, timings=self._body.telling.timings)
                yield {**self._chunk(item.index, "", ()), **told}
            case Finish(logprobs=tokens):
                # The whole text has been said; what is left are tokens without one.
                yield self._chosen({**self._end(item.index, answer), **self._tokens(tokens), "content": ""})
            case _:
                return

    def whole(self, index: int, answer: Answer) -> dict[str, Any]:
        """Return an answer in one piece."""
        return self._chosen({**self._end(index, answer), **self._tokens(answer.logprobs), "content": answer.text})

    def _chosen(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return those fields of an end that the client asked for, by their paths; all where it did not ask."""
        wanted = self._body.response_fields
        return {path: found[0] for path in wanted if (found := _at(fields, path))} if wanted else fields

    def _chunk(self, index: int, text: str, tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
        return {"index": index, "content": text, **self._tokens(tokens), "id_slot": -1, "stop": False}

    def _tokens(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
        fields: dict[str, Any] = {"tokens": [token.token for token in tokens] if self._body.return_tokens else []}
        if self._body.n_probs and tokens:
            told = sampled_probabilities if self._body.post_sampling_probs else native_logprobs
            fields["completion_probabilities"] = told(tokens)
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
                request.sampling,
                request.limits,
                stream=bool(self._body.stream),
                n_probs=self._body.n_probs,
                ends=self._ends,
            ),
            "prompt": self._prompts[index],
            "has_new_line": "\n" in answer.text,
            "truncated": usage.prompt_tokens + usage.completion_tokens >= self._n_ctx,
            "stop_type": _stop_type(finish),
            "stopping_word": finish.stop or "",
            "timings": timings_of(finish),
        }


def settings_of(
    sampling: SamplingParameters, limits: Limits, *, stream: bool, n_probs: int, ends: Sequence[int] = ()
) -> dict[str, Any]:
    """Return how an answer is made, under llama-server's names.

    Args:
        sampling: how tokens are chosen.
        limits: when the answer ends.
        stream: whether it is streamed.
        n_probs: how many likely tokens are told.
        ends: the tokens that end an answer, which never come where the limits say to go on after them.
    """
    limit = -1 if limits.max_tokens is None else limits.max_tokens
    bias = {**sampling.logit_bias, **dict.fromkeys(ends if limits.ignore_end else (), -math.inf)}
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
        "adaptive_target": sampling.adaptive_target,
        "adaptive_decay": sampling.adaptive_decay,
        # JSON has no infinity; null is what llama-server writes for it.
        "logit_bias": [
            {"token": token, "bias": value if math.isfinite(value) else None} for token, value in bias.items()
        ],
        "samplers": list(sampling.order),
        "stop": list(limits.stop),
        "max_tokens": limit,
        "n_predict": limit,
        "ignore_eos": limits.ignore_end,
        "stream": stream,
        "n_probs": n_probs,
    }


def _by_token(piece: Text) -> Iterator[tuple[str, tuple[TokenLogprob, ...]]]:
    """Yield the text of each token with it, where tokens are told: llama-server's clients look for one in a chunk."""
    told = 0
    for token in piece.logprobs:
        end = max(min(token.end - piece.at, len(piece.text)), told)
        yield piece.text[told:end], (token,)
        told = end
    if told < len(piece.text):
        yield piece.text[told:], ()


def _at(value: Any, path: str) -> list[Any]:
    """Return what stands at a path such as `generation_settings/n_predict`, in a list; an empty one for nothing."""
    for key in path.split("/"):
        if not isinstance(value, dict) or key not in value:
            return []
        value = value[key]
    return [value]


def _stop_type(finish: Finish) -> str:
    if finish.reason is FinishReason.LENGTH:
        return "limit"
    if finish.reason is FinishReason.CANCELLED:
        return "none"
    return "word" if finish.stop else "eos"
