"""What the engine is asked and what it answers."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from home_llm.engine.constraint import Constraint
from home_llm.engine.logprobs import TokenLogprob
from home_llm.engine.thinking import Thinking
from home_llm.llama import SamplingParameters


class FinishReason(StrEnum):
    """Why a generation ended; LENGTH also where the constraint cannot be gone on with: the text is not whole."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to complete.

    Attributes:
        prompt: at least one token, and fewer than the context holds.
        max_tokens: most tokens to generate; None is what the context leaves, 0 only reads the prompt into the cache.
        sampling: how to choose tokens.
        constraint: what the text must match.
        thinking: what the model may write before the text that the constraint binds; None is nothing.
        stop: strings that end the generation; they are not part of the text.
        visible_tokens: special tokens whose text is wanted; others have none.
        ignore_end: go on after an end-of-generation token.
        background: give way to every request that is not.
        pinned: keep what is read of this prompt in the cache as long as there is anything else to forget.
        progress: tell how far the prompt has been read.
        timings: tell with each piece what has been done so far.
        logprobs: tell how likely each token was, and name so many of the likeliest in its place; 0 names none, None
            tells nothing. Every token is then chosen by itself: none is forced by the constraint, and none guessed.
        sampled: tell how likely each was after the samplers and the constraint, in place of what the model thinks.
        slot: a number under which what it leaves in the cache can be saved.
    """

    prompt: tuple[int, ...]
    max_tokens: int | None = None
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    constraint: Constraint | None = None
    thinking: Thinking | None = None
    stop: tuple[str, ...] = ()
    visible_tokens: frozenset[int] = frozenset()
    ignore_end: bool = False
    background: bool = False
    pinned: bool = False
    progress: bool = False
    timings: bool = False
    logprobs: int | None = None
    sampled: bool = False
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """What a generation cost; the fields are llama-server's `timings`, and two more.

    Attributes:
        cache_n: prompt tokens found in the KV cache.
        prompt_n: prompt tokens processed.
        prompt_ms: milliseconds from the beginning of that to the first token.
        predicted_n: tokens generated.
        predicted_ms: milliseconds from the first token to the last.
        queue_ms: milliseconds of waiting before.
        forced_n: tokens generated that the constraint left no choice about.
    """

    cache_n: int
    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    queue_ms: float = 0.0
    forced_n: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a prompt has been read; comes before anything is said, where it was asked for.

    Attributes:
        total: tokens of the prompt.
        cache: of those, that were in the cache.
        processed: of those, that have been read, or did not have to be.
        timings: what it cost so far.
    """

    total: int
    cache: int
    processed: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer, whole UTF-8 characters, never empty.

    Attributes:
        text: the piece.
        logprobs: the tokens whose text ends in it, where they were asked for.
        timings: what it cost so far, where that was asked for.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a generation.

    Attributes:
        reason: why it ended.
        timings: what it cost.
        stop: the stop string that ended it, if one did.
        logprobs: of tokens without a text of their own, such as a character that was not finished. What a stop string
            cut off is not among them.
    """

    reason: FinishReason
    timings: Timings
    stop: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The generation broke; what was sent before stands."""

    error: Exception


Event = Progress | Chunk | Done | Failed


# Text that comes sooner than this after the last is sent together with what follows it. Sending takes processor time
# from the threads that compute, and nobody reads a word in less.
_GATHER_SECONDS = 0.05


class Generation:
    """A request on its way: read its events, or cancel it. Safe for several threads."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.submitted = time.perf_counter()
        self.cancelled = threading.Event()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._gathered: list[Chunk] = []
        self._sent = 0.0

    def cancel(self) -> None:
        """Stop as soon as possible; a Done with reason CANCELLED follows."""
        self.cancelled.set()

    def put(self, event: Event) -> None:
        """Hand out an event, a short text not before the next one; for the engine's thread."""
        now = time.perf_counter()
        if isinstance(event, Chunk):
            self._gathered.append(event)
            if now - self._sent < _GATHER_SECONDS:
                return
        if self._gathered:
            logprobs = tuple(logprob for chunk in self._gathered for logprob in chunk.logprobs)
            text = "".join(chunk.text for chunk in self._gathered)
            self._events.put(Chunk(text, logprobs, self._gathered[-1].timings))
            self._gathered.clear()
            self._sent = now
        if not isinstance(event, Chunk):
            self._events.put(event)

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Return the next event, or None when `timeout` seconds pass without one."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def events(self) -> Iterator[Event]:
        """Yield every event up to Done or Failed."""
        while True:
            event = self._events.get()
            yield event
            if isinstance(event, Done | Failed):
                return
