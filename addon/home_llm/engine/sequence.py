"""One running generation: its place in the KV cache, its sampler, its constraint, its text."""

import time

from home_llm.engine.constraint import Matcher
from home_llm.engine.generation import Chunk, Done, Failed, FinishReason, Generation, Timings
from home_llm.engine.text import TextAssembler
from home_llm.llama import Context, DecodeAbortedError, Model, Sampler


class Sequence:
    """A generation in the context, advanced by `step` until `finished`.

    Args:
        generation: the request and where its events go.
        model: the model.
        context: the context; `cached` of its cells hold a prefix of the prompt.
        matcher: the constraint's matcher.
        cached: tokens of the prompt that the KV cache holds already.
        seq_id: llama.cpp's number of the sequence.
    """

    def __init__(
        self,
        generation: Generation,
        model: Model,
        context: Context,
        *,
        matcher: Matcher | None,
        cached: int,
        seq_id: int = 0,
    ) -> None:
        self.generation = generation
        self.seq_id = seq_id
        self.finished = False
        # What the KV cache holds of this sequence: the next request compares its prompt with it.
        self.tokens: list[int] = list(generation.request.prompt[:cached])
        self._request = generation.request
        self._model = model
        self._context = context
        self._matcher = matcher
        self._cached = cached
        self._text = TextAssembler(self._request.stop)
        self._sampler = Sampler(model, self._request.sampling)
        self._ends = frozenset() if self._request.ignore_end else frozenset(model.end_of_generation)
        self._predicted = 0
        self._prompt_seconds = 0.0
        self._predicted_seconds = 0.0
        self._sampler.prime(self._request.prompt)

    def step(self) -> None:
        """Do one decode: a chunk of the prompt, or one token. Sends events; may set `finished`."""
        started = time.perf_counter()
        try:
            if self.generation.cancelled.is_set():
                self._finish(FinishReason.CANCELLED)
            elif (done := len(self.tokens)) < len(self._request.prompt):
                self._decode(self._request.prompt[done : done + self._context.n_batch])
                self._prompt_seconds += time.perf_counter() - started
                if len(self.tokens) == len(self._request.prompt):
                    self._choose()
            else:
                self._decode((self._next,))
                self._choose()
        except DecodeAbortedError:
            self._restore()
            self._finish(FinishReason.CANCELLED)
        except Exception as error:  # noqa: BLE001 - whatever broke is the answer to this request; the engine goes on
            self._restore()
            self.finished = True
            self._sampler.close()
            self.generation.put(Failed(error))

    def _decode(self, tokens: tuple[int, ...]) -> None:
        self._context.decode(tokens, position=len(self.tokens), sequence=self.seq_id)
        self.tokens.extend(tokens)

    def _restore(self) -> None:
        """Forget what an interrupted decode may have left in the KV cache."""
        left = self._context.truncate(len(self.tokens), sequence=self.seq_id)
        del self.tokens[left:]

    def _choose(self) -> None:
        """Sample the next token from the logits of the last decode, and send its text."""
        started = time.perf_counter()
        if self._matcher is not None:
            self._matcher.mask(self._context.logits())
        token = self._sampler.sample(self._context)
        if token in self._ends:
            self._finish(FinishReason.STOP)
            return
        self._predicted += 1
        self._next = token
        piece = self._model.piece(token, special=token in self._request.visible_tokens)
        if text := self._text.feed(piece):
            self.generation.put(Chunk(text))
        if self._matcher is not None:
            self._matcher.consume(token)
        if self._predicted == 1:
            self._prompt_seconds += time.perf_counter() - started
            self._first_token = time.perf_counter()
        self._predicted_seconds = time.perf_counter() - self._first_token
        if self._text.stopped_by is not None or (self._matcher is not None and self._matcher.stopped):
            self._finish(FinishReason.STOP)
        elif self._predicted >= self._limit:
            self._finish(FinishReason.LENGTH)

    @property
    def _limit(self) -> int:
        room = self._context.n_ctx - len(self._request.prompt)
        wanted = self._request.max_tokens
        return room if wanted is None else min(wanted, room)

    def _finish(self, reason: FinishReason) -> None:
        self.finished = True
        self._sampler.close()
        if tail := self._text.close():
            self.generation.put(Chunk(tail))
        self.generation.put(Done(reason, self._timings(), self._text.stopped_by))

    def _timings(self) -> Timings:
        return Timings(
            cache_n=self._cached,
            prompt_n=min(len(self.tokens), len(self._request.prompt)) - self._cached,
            prompt_ms=self._prompt_seconds * 1000,
            predicted_n=self._predicted,
            predicted_ms=self._predicted_seconds * 1000,
        )
