"""OpenAI's dialect: chat completions, completions, models."""

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import flask

from home_llm.api.admission import Admission, Place
from home_llm.api.body import read
from home_llm.api.errors import ApiError
from home_llm.api.openai_logprobs import chat_logprobs, completion_logprobs
from home_llm.api.openai_request import ChatBody, CompletionBody, StreamFields
from home_llm.api.replies import Answer, collect, stream
from home_llm.chat import Finish, Reasoning, Reply, Text, ToolCall
from home_llm.chat.vocabulary import Event
from home_llm.engine import FinishReason, TokenLogprob
from home_llm.runtime import Runtime


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes under `/v1`."""
    routes = flask.Blueprint("openai", __name__, url_prefix="/v1")

    @routes.post("/chat/completions")
    def chat_completions() -> flask.typing.ResponseReturnValue:
        body = read(ChatBody)
        request = body.request()
        with admission.enter() as place:
            reply = runtime.chat().prepare(request)
            writer = ChatWriter(_model_name(runtime), usage=body.wants_usage, logprobs=request.logprobs is not None)
            return _answer(body, reply, writer, place)

    @routes.post("/internal/warm")
    def warm() -> flask.typing.ResponseReturnValue:
        request = read(ChatBody).request()
        with admission.enter():
            _, finish = collect(runtime.chat().warm(request))
        return {
            "object": "warm",
            "model": _model_name(runtime),
            "usage": usage_of(finish),
            "timings": timings_of(finish),
        }

    @routes.post("/completions")
    def completions() -> flask.typing.ResponseReturnValue:
        body = read(CompletionBody)
        request = body.request()
        with admission.enter() as place:
            chat = runtime.chat()
            reply = chat.complete(request)
            prompt = body.text if isinstance(body.text, str) else chat.model.detokenize(body.text)
            writer = CompletionWriter(
                _model_name(runtime),
                usage=body.wants_usage,
                before=prompt if body.echo else "",
                after=body.suffix or "",
                logprobs=request.logprobs,
            )
            return _answer(body, reply, writer, place)

    @routes.get("/models")
    def models() -> flask.typing.ResponseReturnValue:
        return {"object": "list", "data": _models(runtime)}

    @routes.get("/models/<path:name>")
    def model(name: str) -> flask.typing.ResponseReturnValue:
        for entry in _models(runtime):
            if entry["id"] == name:
                return entry
        raise ApiError(404, f"There is no model {name!r}.", param="model")

    return routes


class _Writer:
    """What the chunks of one answer share."""

    def __init__(self, model: str, *, prefix: str, usage: bool) -> None:
        self._head = {"id": f"{prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}
        self._usage = usage

    def _chunk(self, kind: str, choice: dict[str, Any] | None, **extra: Any) -> dict[str, Any]:
        choices = [] if choice is None else [{"index": 0, **choice}]
        return {**self._head, "object": kind, "system_fingerprint": None, "choices": choices, **extra}


class ChatWriter(_Writer):
    """Writes `chat.completion` answers and chunks.

    The rules of a stream: the role comes at once with a null content; one complete call a chunk, with nothing else in
    it; the finish reason in a chunk of its own; usage only when asked for; nothing but `data:` lines.

    Args:
        model: the name of the model.
        usage: whether a stream ends with a usage chunk.
        logprobs: whether the log-probabilities of the content's tokens are told.
    """

    def __init__(self, model: str, *, usage: bool, logprobs: bool = False) -> None:
        super().__init__(model, prefix="chatcmpl", usage=usage)
        self._logprobs = logprobs
        self._calls = 0

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the role."""
        yield self._delta({"role": "assistant", "content": None})

    def keep_alive(self) -> dict[str, Any]:
        """Return an empty delta."""
        return self._delta({})

    def event(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        match event:
            case Text():
                yield self._delta({"content": event.text}, tokens=event.logprobs)
            case Reasoning():
                yield self._delta({"reasoning_content": event.text})
            case ToolCall():
                yield self._delta({"tool_calls": [{"index": self._calls, **_call(event)}]})
                self._calls += 1
            case Finish():
                reason = _finish_reason(event, has_calls=self._calls > 0)
                yield self._delta({}, reason, tokens=event.logprobs, timings=timings_of(event))
                if self._usage:
                    yield self._chunk("chat.completion.chunk", None, usage=usage_of(event))

    def whole(self, answer: Answer, finish: Finish) -> dict[str, Any]:
        """Return the answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [_call(call) for call in answer.calls]
        choice = {
            "message": message,
            # Clients of text-generation-webui of 2024 read the text from here.
            "text": answer.text,
            "finish_reason": _finish_reason(finish, has_calls=bool(answer.calls)),
            "logprobs": chat_logprobs(answer.logprobs) if self._logprobs else None,
        }
        return self._chunk("chat.completion", choice, usage=usage_of(finish), timings=timings_of(finish))

    def _delta(
        self, delta: dict[str, Any], reason: str | None = None, *, tokens: Sequence[TokenLogprob] = (), **extra: Any
    ) -> dict[str, Any]:
        choice = {"delta": delta, "finish_reason": reason, "logprobs": chat_logprobs(tokens) if tokens else None}
        return self._chunk("chat.completion.chunk", choice, **extra)


class CompletionWriter(_Writer):
    """Writes `text_completion` answers and chunks.

    Args:
        model: the name of the model.
        usage: whether a stream ends with a usage chunk.
        before: text before the answer, the prompt when it is echoed.
        after: text after it.
        logprobs: how many of the likeliest tokens are told for each token; None tells nothing.
    """

    def __init__(self, model: str, *, usage: bool, before: str, after: str, logprobs: int | None = None) -> None:
        super().__init__(model, prefix="cmpl", usage=usage)
        self._top = logprobs
        self._before = before
        self._after = after

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the text before the answer, empty or not."""
        yield self._text(self._before)

    def keep_alive(self) -> dict[str, Any]:
        """Return an empty text."""
        return self._text("")

    def event(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        match event:
            case Text():
                yield self._text(event.text, tokens=event.logprobs)
            case Finish():
                reason = _finish_reason(event)
                yield self._text(self._after, reason, tokens=event.logprobs, timings=timings_of(event))
                if self._usage:
                    yield self._chunk("text_completion", None, usage=usage_of(event))
            case _:
                return

    def whole(self, answer: Answer, finish: Finish) -> dict[str, Any]:
        """Return the answer in one piece."""
        text = self._before + answer.text + self._after
        choice = {"text": text, "finish_reason": _finish_reason(finish), "logprobs": self._table(answer.logprobs)}
        return self._chunk("text_completion", choice, usage=usage_of(finish), timings=timings_of(finish))

    def _text(
        self, text: str, reason: str | None = None, *, tokens: Sequence[TokenLogprob] = (), **extra: Any
    ) -> dict[str, Any]:
        choice = {"text": text, "finish_reason": reason, "logprobs": self._table(tokens) if tokens else None}
        return self._chunk("text_completion", choice, **extra)

    def _table(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if self._top is None:
            return None
        return completion_logprobs(tokens, top=self._top, offset=len(self._before))


def _answer(
    body: StreamFields, reply: Reply, writer: ChatWriter | CompletionWriter, place: Place
) -> flask.typing.ResponseReturnValue:
    """Answer as the request wants it, streamed or in one piece."""
    if body.stream:
        return place.keep_until_closed(stream(reply, writer))
    return writer.whole(*collect(reply))


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json},
    }


def _finish_reason(finish: Finish, *, has_calls: bool = False) -> str:
    if has_calls:
        return "tool_calls"
    return "length" if finish.reason is FinishReason.LENGTH else "stop"


def usage_of(finish: Finish) -> dict[str, Any]:
    """Return OpenAI's usage."""
    usage = finish.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def timings_of(finish: Finish) -> dict[str, Any]:
    """Return llama-server's timings, and what it waited and was forced to."""
    timings = finish.timings
    return {
        "cache_n": timings.cache_n,
        "prompt_n": timings.prompt_n,
        "prompt_ms": round(timings.prompt_ms, 3),
        "prompt_per_second": _rate(timings.prompt_n, timings.prompt_ms),
        "predicted_n": timings.predicted_n,
        "predicted_ms": round(timings.predicted_ms, 3),
        "queue_ms": round(timings.queue_ms, 3),
        "forced_n": timings.forced_n,
        "predicted_per_second": _rate(timings.predicted_n - 1, timings.predicted_ms),
    }


def _rate(count: int, milliseconds: float) -> float:
    return round(1000 * count / milliseconds, 2) if milliseconds > 0 and count > 0 else 0.0


def _model_name(runtime: Runtime) -> str:
    return runtime.status.model or "none"


def _models(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the model that answers, or that is on its way; clients take the first one."""
    name = runtime.status.model
    if name is None:
        return []
    entry: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "home-llm"}
    facts = runtime.model_facts()
    return [{**entry, "meta": facts} if facts else entry]
