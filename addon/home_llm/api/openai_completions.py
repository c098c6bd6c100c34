"""OpenAI's text completions: the body, and its answers whole and in chunks."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import pydantic
from pydantic import AliasChoices, Field

from home_llm.api.errors import ApiError
from home_llm.api.openai_answers import Writer, finish_reason, timings_of
from home_llm.api.openai_logprobs import completion_logprobs
from home_llm.api.openai_messages import JsonSchema, MessageFields, messages
from home_llm.api.openai_request import MaxTokens, ResponseFormat, StreamFields, bound, max_tokens, only_one
from home_llm.api.replies import Answer
from home_llm.api.several import Indexed
from home_llm.api.telling import progress_fields, text_fields
from home_llm.chat import ChatRequest, CompletionRequest, Finish, Progress, Text
from home_llm.engine import ConstraintKind, TokenLogprob

_MOST_ANSWERS = 64

Prompt = str | tuple[int, ...]
"""A prompt as text or tokens."""


class CompletionBody(StreamFields):
    """Body of `POST /v1/completions`."""

    prompt: str | list[int] | list[str] | list[list[int]] | None = None
    # text-generation-webui's, in place of a prompt.
    messages: Annotated[list[MessageFields], Field(min_length=1)] | None = None
    max_tokens: MaxTokens = Field(512, validation_alias=AliasChoices("max_tokens", "n_predict"))
    best_of: Annotated[int, Field(ge=1)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    response_format: ResponseFormat | None = None
    json_schema: JsonSchema | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @pydantic.field_validator("logprobs", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        """Read the chat route's `false` as what it means, not as the number 0, which asks for the tokens alone."""
        return None if value is False else value

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts as texts or tokens."""
        if self.prompt is None:
            raise ApiError(400, "prompt is missing.", param="prompt")
        if isinstance(self.prompt, str):
            return (self.prompt,)
        tokens = tuple(part for part in self.prompt if isinstance(part, int))
        if tokens or not self.prompt:
            return (tokens,)
        return tuple(
            part if isinstance(part, str) else tuple(part) for part in self.prompt if not isinstance(part, int)
        )

    def conversation(self) -> ChatRequest | None:
        """Return the conversation whose prompt is to be continued, where there is no prompt.

        Raises:
            ApiError: a message cannot be used.
        """
        if self.prompt is not None or self.messages is None:
            return None
        return ChatRequest(messages=messages(self.messages))

    def requests(self) -> tuple[CompletionRequest, ...]:
        """Return a request for the chat room for each prompt.

        Raises:
            ApiError: there are too many, or something is asked for that there is not.
        """
        if len(self.prompts) * self.choices > _MOST_ANSWERS:
            raise ApiError(400, f"prompt: there can be {_MOST_ANSWERS} answers at most in a request.", param="prompt")
        if self.best_of not in {None, 1, self.choices}:
            raise ApiError(
                400, "best_of is not supported: leave it out, and choose among n answers yourself.", param="best_of"
            )
        sampling, limits = self.sampling(), self.limits(max_tokens(self.max_tokens, "max_tokens"))
        constraint = only_one(
            {
                "response_format": None if self.response_format is None else self.response_format.constraint(),
                "json_schema": bound(ConstraintKind.JSON_SCHEMA, self.json_schema),
                "grammar": self.grammar_constraint(),
            }
        )
        return tuple(
            CompletionRequest(
                prompt=prompt,
                sampling=sampling,
                limits=limits,
                constraint=constraint,
                logprobs=self.logprobs,
                telling=self.telling,
            )
            for prompt in self.prompts
        )


class CompletionWriter(Writer):
    """Writes `text_completion` answers and chunks.

    Args:
        model: the name of the model.
        usage: whether a stream ends with a usage chunk.
        before: text before the answers of each prompt, the prompt when it is echoed.
        after: text after each answer.
        choices: how many answers each prompt has.
        logprobs: how many of the likeliest tokens are told for each token; None tells nothing.
        timings: whether progress is told with what it cost.
    """

    def __init__(
        self,
        model: str,
        *,
        usage: bool,
        before: Sequence[str],
        after: str,
        choices: int = 1,
        logprobs: int | None = None,
        timings: bool = False,
    ) -> None:
        super().__init__(model, prefix="cmpl", usage=usage, prompts=len(before), choices=choices)
        self._top = logprobs
        self._timings = timings
        self._before = [text for text in before for _ in range(choices)]
        self._after = after

    def start(self) -> Iterator[dict[str, Any]]:
        """Yield the text before each answer, empty or not."""
        for index, text in enumerate(self._before):
            yield self._text(index, text)

    def keep_alive(self) -> dict[str, Any]:
        """Return an empty text."""
        return self._text(0, "")

    def event(self, item: Indexed, /) -> Iterator[dict[str, Any]]:
        """Yield the chunks of an event."""
        index, event = item.index, item.event
        match event:
            case Text():
                yield self._text(index, event.text, tokens=event.logprobs, **text_fields(event))
            case Progress():
                yield self._text(index, "", **progress_fields(event, timings=self._timings))
            case Finish():
                reason = finish_reason(event)
                yield self._text(index, self._after, reason, tokens=event.logprobs, timings=timings_of(event))
                if last := self.ended(index, event):
                    yield self.chunk("text_completion", [], **last)
            case _:
                return

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the answers in one piece."""
        choices: list[dict[str, Any]] = []
        for index, answer in enumerate(answers):
            self.ended(index, answer.end)
            text = self._before[index] + answer.text + self._after
            logprobs = self._table(index, answer.logprobs)
            reason = finish_reason(answer.end)
            choices.append({"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs})
        return self.chunk("text_completion", choices, usage=self.usage(), timings=timings_of(answers[0].end))

    def _text(
        self,
        index: int,
        text: str,
        reason: str | None = None,
        *,
        tokens: Sequence[TokenLogprob] = (),
        **extra: Any,
    ) -> dict[str, Any]:
        logprobs = self._table(index, tokens) if tokens else None
        choice = {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}
        return self.chunk("text_completion", [choice], **extra)

    def _table(self, index: int, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if self._top is None:
            return None
        return completion_logprobs(tokens, top=self._top, offset=len(self._before[index]))
