"""Answers of OpenAI's chat completions, whole and in chunks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from home_llm.api.openai_answers import Writer, finish_reason, timings_of
from home_llm.api.openai_logprobs import chat_logprobs
from home_llm.api.replies import Answer
from home_llm.api.several import Indexed
from home_llm.api.telling import progress_fields, text_fields
from home_llm.chat import Finish, Progress, Reasoning, Text, ToolCall
from home_llm.engine import TokenLogprob

_CHUNK = "chat.completion.chunk"


class ChatWriter(Writer):
    """Writes `chat.completion` answers and chunks.

    The rules of a stream: the role comes at once with a null content; one complete call a chunk, with nothing else in
    it; the finish reason in a chunk of its own; usage only when asked for; nothing but `data:` lines.

    Args:
        model: the name of the model.
        usage: whether a stream ends with a usage chunk.
        logprobs: whether the log-probabilities of the content's tokens are told.
        choices: how many answers there are.
        legacy: write a call as `function_call`, for clients that asked with `functions`; there is one at most.
        prompt: what the model reads, where an answer in one piece shall tell it.
        timings: whether progress is told with what it cost.
        nested: write a streamed call one level deeper too, for clients that look for it there.
    """

    def __init__(
        self,
        model: str,
        *,
        usage: bool,
        logprobs: bool = False,
        choices: int = 1,
        legacy: bool = False,
        prompt: str | None = None,
        timings: bool = False,
        nested: bool = False,
    ) -> None:
        super().__init__(model, prefix="chatcmpl", usage=usage, choices=choices)
        # As llama-server names it.
        self._told = {} if prompt is None else {"__verbose": {"prompt": prompt}}
        self._logprobs = logprobs
        self._legacy = legacy
        self._timings = timings
        self._nested = nested
        self._calls: Counter[int] = Counter()

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the role of each choice."""
        for index in range(self.count):
            yield self._delta(index, {"role": "assistant", "content": None})

    def keep_alive(self) -> dict[str, Any]:
        """Return an empty delta."""
        return self._delta(0, {})

    def event(self, item: Indexed, /) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        index, event = item.index, item.event
        match event:
            case Text():
                yield self._delta(index, {"content": event.text}, tokens=event.logprobs, **text_fields(event))
            case Progress():
                yield self._delta(index, {}, **progress_fields(event, timings=self._timings))
            case Reasoning():
                yield self._delta(index, {"reasoning_content": event.text})
            case ToolCall():
                number = self._calls[index]
                self._calls[index] += 1
                if not self._legacy:
                    call = _call(event)
                    if self._nested:
                        call["function"] |= {"function": _function(event)}
                    yield self._delta(index, {"tool_calls": [{"index": number, **call}]})
                elif number == 0:
                    yield self._delta(index, {"function_call": _function(event)})
            case Finish():
                reason = self._reason(event, has_calls=self._calls[index] > 0)
                yield self._delta(index, {}, reason, tokens=event.logprobs, timings=timings_of(event))
                if last := self.ended(index, event):
                    yield self.chunk(_CHUNK, [], **last)

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the answers in one piece."""
        choices = [self._choice(index, answer) for index, answer in enumerate(answers)]
        finishes = [answer.end for answer in answers]
        for index, finish in enumerate(finishes):
            self.ended(index, finish)
        timings = timings_of(finishes[0])
        return self.chunk("chat.completion", choices, usage=self.usage(), timings=timings, **self._told)

    def _choice(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["content"] = answer.text or None
            if self._legacy:
                message["function_call"] = _function(answer.calls[0])
            else:
                message["tool_calls"] = [_call(call) for call in answer.calls]
        return {
            "index": index,
            "message": message,
            # Clients of text-generation-webui of 2024 read the text from here.
            "text": answer.text,
            "finish_reason": self._reason(answer.end, has_calls=bool(answer.calls)),
            "logprobs": chat_logprobs(answer.logprobs) if self._logprobs else None,
        }

    def _reason(self, finish: Finish, *, has_calls: bool) -> str:
        word = "function_call" if self._legacy else "tool_calls"
        return finish_reason(finish, calls=word if has_calls else None)

    def _delta(
        self,
        index: int,
        delta: dict[str, Any],
        reason: str | None = None,
        *,
        tokens: Sequence[TokenLogprob] = (),
        **extra: Any,
    ) -> dict[str, Any]:
        logprobs = chat_logprobs(tokens) if tokens else None
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs}
        return self.chunk(_CHUNK, [choice], **extra)


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": _function(call)}


def _function(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments_json}
