"""An answer on its way: the engine's events as events of the one vocabulary."""

import dataclasses
import logging
from collections.abc import Iterator

from home_llm.chat.content import ContentTokens, Positions
from home_llm.chat.markups import CallParser
from home_llm.chat.vocabulary import Event, Finish, Reasoning, Text, ToolCall, Usage
from home_llm.engine import Chunk, Done, Failed, FinishReason, Generation, Progress, Timings

_LOGGER = logging.getLogger(__name__)


class Reply:
    """An answer on its way. For one reader; `cancel` may come from any thread.

    Args:
        generation: where it comes from.
        parser: reads calls out of what is said.
        reasoning: tells what is thought from what is said, before that; it may find calls, too.
        before: text to tell before anything else.
    """

    def __init__(
        self,
        generation: Generation,
        parser: CallParser | None,
        reasoning: CallParser | None,
        *,
        before: str = "",
    ) -> None:
        self._before = before
        self._generation = generation
        self._parser = parser
        self._reasoning = reasoning
        self._received = 0
        # Where in the answer stands what the parser was given, which is not the reasoning.
        self._positions = Positions()
        self._tokens = ContentTokens()
        self.finished = False
        # Whether the prompt has been read: its end is in the cache then.
        self.began = False

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has."""
        return len(self._generation.request.prompt)

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._generation.cancel()

    def poll(self, timeout: float) -> list[Event]:
        """Return the events of the next piece, none when `timeout` seconds pass or a piece is held back.

        Raises:
            Exception: whatever broke the generation.
        """
        if self._before:
            before, self._before = self._before, ""
            return [Text(before)]
        event = self._generation.next_event(timeout)
        if event is None:
            return []
        if isinstance(event, Progress):
            return [event]
        self.began = True
        if isinstance(event, Failed):
            self.finished = True
            raise event.error
        if isinstance(event, Chunk):
            _LOGGER.debug("Answer: %s", event.text)
            self._tokens.arrived(event.logprobs)
            return [_timed(each, event.timings) for each in self._parse(event.text)]
        self.finished = True
        events: list[Event] = list(self._rest(event))
        rest = self._tokens.rest(event.logprobs)
        return [*events, Finish(event.reason, Usage.of(event.timings), event.timings, event.stop, rest)]

    def events(self) -> Iterator[Event]:
        """Yield every event up to Finish, waiting as long as it takes."""
        while not self.finished:
            yield from self.poll(60.0)

    def _parse(self, text: str) -> Iterator[Event]:
        whole = Text(text, at=self._received)
        self._received += len(text)
        for event in self._reasoning.feed(text) if self._reasoning else (whole,):
            yield from self._calls(event)

    def _calls(self, event: Text | Reasoning | ToolCall) -> Iterator[Event]:
        if not isinstance(event, Text):
            yield event
        elif self._parser is None:
            yield self._with_tokens(event, [(event.at, event.at + len(event.text))])
        else:
            self._positions.passed(event.at, len(event.text))
            yield from self._parsed(self._parser.feed(event.text))

    def _parsed(self, events: Iterator[Text | Reasoning | ToolCall]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Text):
                yield self._with_tokens(event, self._positions.ranges(event.at, len(event.text)))
            else:
                yield event

    def _with_tokens(self, text: Text, ranges: list[tuple[int, int]]) -> Text:
        tokens = self._tokens.said(ranges)
        return dataclasses.replace(text, logprobs=tokens) if tokens else text

    def _rest(self, done: Done) -> Iterator[Event]:
        truncated = done.reason is not FinishReason.STOP
        if self._reasoning is not None:
            for event in self._reasoning.close(truncated=truncated):
                yield from self._calls(event)
        if self._parser is not None:
            yield from self._parsed(self._parser.close(truncated=truncated))


def _timed(event: Event, timings: Timings | None) -> Event:
    return dataclasses.replace(event, timings=timings) if timings and isinstance(event, Text) else event
