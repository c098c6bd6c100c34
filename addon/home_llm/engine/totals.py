"""What an engine has done since it was started, for metrics."""

from dataclasses import dataclass, fields

from home_llm.engine.generation import Timings


@dataclass
class Totals:
    """Sums over all requests; the engine's thread writes, others read.

    Attributes:
        requests: that ended.
        prompt_tokens: processed.
        cached_tokens: of prompts, that did not have to be.
        prompt_seconds: from the beginning of prompts to first tokens.
        predicted_tokens: generated.
        forced_tokens: of those, that a constraint left no choice about.
        predicted_seconds: from first tokens to last.
        queue_seconds: of waiting.
        decodes: of batches.
        shares: of requests in those batches.
        most_tokens: that one request had, its prompt and its answer.
        drafts: guesses at several tokens that were decoded.
        draft_tokens: in those.
        accepted_tokens: of those, that were right.
        running: requests now.
        waiting: requests now.
    """

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_seconds: float = 0.0
    predicted_tokens: int = 0
    forced_tokens: int = 0
    predicted_seconds: float = 0.0
    queue_seconds: float = 0.0
    decodes: int = 0
    shares: int = 0
    most_tokens: int = 0
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0
    running: int = 0
    waiting: int = 0

    def add(self, timings: Timings) -> None:
        """Add a request that has ended."""
        self.requests += 1
        self.most_tokens = max(self.most_tokens, timings.cache_n + timings.prompt_n + timings.predicted_n)
        self.prompt_tokens += timings.prompt_n
        self.cached_tokens += timings.cache_n
        self.prompt_seconds += timings.prompt_ms / 1000
        self.predicted_tokens += timings.predicted_n
        self.forced_tokens += timings.forced_n
        self.predicted_seconds += timings.predicted_ms / 1000
        self.queue_seconds += timings.queue_ms / 1000

    def decoded(self, shares: int) -> None:
        """Add a decode of so many requests."""
        self.decodes += 1
        self.shares += shares

    def guessed(self, tokens: int, right: int) -> None:
        """Add a guess at so many tokens, and how many of them were right."""
        self.drafts += 1
        self.draft_tokens += tokens
        self.accepted_tokens += right

    def plus(self, other: "Totals") -> "Totals":
        """Return the sums of two engines; what is now is that of the other one."""
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Totals)}
        most = max(self.most_tokens, other.most_tokens)
        return Totals(**sums | {"most_tokens": most, "running": other.running, "waiting": other.waiting})
