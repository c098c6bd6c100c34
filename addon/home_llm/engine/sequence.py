"""One running generation: what it has read, what it has said, and how it chooses what comes next."""

import logging
import time
from collections.abc import Sequence as Tokens

from home_llm.engine.cache import CachedSequence
from home_llm.engine.constraint import DeadEndError, Matcher
from home_llm.engine.generation import Chunk, Done, Failed, FinishReason, Generation, Progress, Timings
from home_llm.engine.logprobs import LogprobRecorder
from home_llm.engine.speculation import PhraseIndex
from home_llm.engine.text import TextAssembler
from home_llm.llama import Context, Model, Sampler

_LOGGER = logging.getLogger(__name__)


class Sequence:
    """A generation in the context.

    `tokens` is everything that belongs into the KV cache: the prompt, then what was generated. What of it is not there
    yet is `pending`: the rest of a prompt, the last token chosen, tokens that a constraint forced, or all of it after
    the cells were needed for somebody else. The engine decodes what is pending and calls `advance` when nothing is.

    Args:
        generation: the request and where its events go.
        model: the model.
        context: the context.
        matcher: the constraint's matcher.
    """

    def __init__(self, generation: Generation, model: Model, context: Context, matcher: Matcher | None) -> None:
        self.generation = generation
        self.request = generation.request
        self.tokens: list[int] = list(self.request.prompt)
        self.cached: CachedSequence | None = None
        self.finished = False
        # Where to stop reading for a moment, so that the cache can keep what has been read; 0 is nowhere.
        self.keep_at = 0
        self._model = model
        self._context = context
        self._matcher = matcher
        self._text = TextAssembler(self.request.stop)
        top = self.request.logprobs
        self._logprobs = None if top is None else LogprobRecorder(model, top)
        self._sampler: Sampler | None = None
        self._ends = frozenset() if self.request.ignore_end else frozenset(model.end_of_generation)
        self._phrases = PhraseIndex()
        # What a constraint leaves the model to write, unless in one token with what follows.
        self._likely: list[int] = []
        self._reused: int | None = None
        # How much of the prompt was read when that was told last.
        self._told: int | None = None
        self._predicted = 0
        self._chosen = 0
        self._started = 0.0
        self._first_token = 0.0
        self._last_token = 0.0

    @property
    def in_cache(self) -> int:
        """How many of the tokens are in the KV cache."""
        return 0 if self.cached is None else len(self.cached.tokens)

    @property
    def pending(self) -> int:
        """How many of the tokens are not in the KV cache yet."""
        return len(self.tokens) - self.in_cache

    @property
    def speaking(self) -> bool:
        """Whether it has said something, so that somebody would notice a pause."""
        return self._chosen > 0

    @property
    def background(self) -> bool:
        """Whether it gives way to all others."""
        return self.request.background

    @property
    def admitted(self) -> float:
        """When it was admitted."""
        return self._started

    def begin(self, cached: CachedSequence) -> None:
        """Take a place in the cache, which holds a beginning of the tokens; again after the cells were needed."""
        self.cached = cached
        if self._reused is None:
            self._reused = len(cached.tokens)
            self._started = time.perf_counter()
            self._sampler = Sampler(self._model, self.request.sampling, observed=self._tells_sampled)
            self._sampler.prime(self.request.prompt)
            self._tell_progress(self._started)
            if self.request.max_tokens != 0:
                # What an answer must begin with is read together with the prompt.
                self._accept_forced()

    def took(self, count: int) -> None:
        """Note that so many of the pending tokens have been decoded."""
        if self.cached is not None:
            start = len(self.cached.tokens)
            self.cached.tokens.extend(self.tokens[start : start + count])
            self._tell_progress()

    def advance(self, index: int, drafts: Tokens[int] = ()) -> int:
        """Choose the next tokens from the logits of the last decode. Sends events; may set `finished`.

        Args:
            index: where in the batch the logits of the last pending token are; those of the drafts follow.
            drafts: tokens that were decoded on the guess that they come next.

        Returns:
            How many of the drafts were right.
        """
        right = 0
        if self.request.max_tokens == 0:
            self.finish(FinishReason.LENGTH)
            return right
        while True:
            try:
                token = self._choose(index + right)
            except DeadEndError as error:
                self._give_up(error)
                return right
            self._last_token = time.perf_counter()
            self._first_token = self._first_token or self._last_token
            if token in self._ends:
                self.finish(FinishReason.STOP)
                return right
            self._chosen += 1
            self._likely = []
            begin = len(self.tokens)
            if self._accept(token):
                self._accept_forced()
            for new in self.tokens[begin:]:
                if right == len(drafts) or new != drafts[right]:
                    return right
                # The guess is in the cache already.
                self.took(1)
                right += 1
            if self.finished:
                return right

    @property
    def likely(self) -> list[int]:
        """What almost certainly comes after the pending tokens, because a constraint leaves little else; often none."""
        return self._likely if self._predicted + 1 < self._limit else []

    def drafts(self, count: int) -> list[int]:
        """Return up to `count` guesses at what comes after the pending tokens."""
        if not self.speaking or self._logprobs is not None:
            return []
        return self._phrases.draft(self.tokens, min(count, self._limit - self._predicted - 1))

    def finish(self, reason: FinishReason) -> None:
        """End the generation."""
        self._close()
        self._say(self._text.close())
        rest = () if self._logprobs is None or self._text.stopped_by is not None else self._logprobs.rest()
        self.generation.put(Done(reason, self.timings(), self._text.stopped_by, rest))

    def fail(self, error: Exception) -> None:
        """End the generation with an error."""
        self._close()
        self.generation.put(Failed(error))

    def _choose(self, index: int) -> int:
        assert self._sampler is not None  # noqa: S101 - begin() comes first
        if self._logprobs is not None and not self._tells_sampled:
            self._logprobs.look(self._context.logits(index))
        if self._matcher is not None:
            self._matcher.mask(self._context.logits(index))
        token = self._sampler.sample(self._context, index)
        if self._logprobs is not None and self._tells_sampled:
            self._logprobs.look_at_some(*self._sampler.survivors)
        return token

    @property
    def _tells_sampled(self) -> bool:
        return self._logprobs is not None and self.request.sampled

    def _accept_forced(self) -> None:
        """Make the tokens that the constraint leaves no choice about part of the answer."""
        if self._logprobs is not None or self._matcher is None:
            return
        forced, likely = self._matcher.forced()
        if not self.speaking and not likely:
            # A prompt is always read, and the last token of an answer without any choice chosen by it.
            forced, likely = forced[:-1], forced[-1:]
        for token in forced:
            if not self._accept(token):
                return
        self._likely = likely

    def _accept(self, token: int) -> bool:
        """Make a token part of the answer; return whether the answer goes on."""
        self.tokens.append(token)
        self._predicted += 1
        piece = self._model.piece(token, special=token in self.request.visible_tokens)
        start = self._text.start
        text = self._text.feed(piece)
        if self._logprobs is not None:
            self._logprobs.chose(token, start, self._text.end)
        self._say(text)
        if self._text.stopped_by is not None or self._completes(token):
            self.finish(FinishReason.STOP)
        elif not self.finished and self._predicted >= self._limit:
            self.finish(FinishReason.LENGTH)
        return not self.finished

    def _completes(self, token: int) -> bool:
        """Let the constraint go on by a token; return whether nothing can follow it."""
        if self._matcher is None:
            return False
        try:
            self._matcher.consume(token)
        except DeadEndError as error:
            self._give_up(error)
            return False
        return self._matcher.stopped

    def _give_up(self, error: DeadEndError) -> None:
        """End an answer that the constraint leaves no way to complete."""
        _LOGGER.warning("An answer ends before it is complete: its constraint cannot be gone on with (%s)", error)
        self.finish(FinishReason.LENGTH)

    def _say(self, text: str) -> None:
        """Send a piece of the answer, and the tokens that end in it."""
        if text:
            logprobs = () if self._logprobs is None else self._logprobs.take(self._text.released)
            self.generation.put(Chunk(text, logprobs, self.timings() if self.request.timings else None))

    def _tell_progress(self, now: float | None = None) -> None:
        """Say how much of the prompt has been read, where that is wanted and more than was said last."""
        if not self.request.progress or self.speaking:
            return
        total = len(self.request.prompt)
        read = min(self.in_cache, total)
        if self._told is None or read > self._told:
            self._told = read
            self.generation.put(Progress(total, self._reused or 0, read, self.timings(now)))

    @property
    def _limit(self) -> int:
        room = self._context.n_ctx - len(self.request.prompt)
        wanted = self.request.max_tokens
        return room if wanted is None else min(wanted, room)

    def _close(self) -> None:
        self.finished = True
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None

    def timings(self, now: float | None = None) -> Timings:
        """Return what it cost so far, or until a moment of `time.perf_counter`."""
        reused = self._reused or 0
        read = max(min(self.in_cache, len(self.request.prompt)) - reused, 0)
        end_of_prompt = self._first_token or now or time.perf_counter()
        return Timings(
            cache_n=reused,
            prompt_n=read,
            prompt_ms=(end_of_prompt - self._started) * 1000 if self._started else 0.0,
            predicted_n=self._predicted,
            predicted_ms=(self._last_token - self._first_token) * 1000,
            queue_ms=((self._started or time.perf_counter()) - self.generation.submitted) * 1000,
            forced_n=self._predicted - self._chosen,
        )
