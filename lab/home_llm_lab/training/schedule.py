"""How the learning rate goes, by how much of the training is done: of its steps, or of the time it may take."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["cosine", "linear", "constant"]


@dataclass(slots=True)
class Schedule:
    """The learning rate of each step.

    Attributes:
        rate: the highest.
        shape: how it falls after the warm-up: along half a cosine, linearly, or not at all.
        warmup: the steps in which it rises, where it is 1 or more, else the part of all steps.
        steps: how many there are.
        seconds: how long training may take, or None; where that is not enough for all steps, the rate falls faster,
            and ends where the time does.
        begun: by time.monotonic(), when the time began.
        reserve: seconds that are needed after the last step.
    """

    rate: float
    shape: Shape
    warmup: float
    steps: int
    seconds: float | None = None
    begun: float = field(default_factory=time.monotonic)
    reserve: float = 15
    # When the first step began, and which it was.
    _first: tuple[float, float] | None = None

    def progress(self, step: int) -> float:
        """Return how much is done before a step, from 0 to 1: the greater of that of steps and of time."""
        by_steps = step / max(1, self.steps)
        if self.seconds is None:
            return by_steps
        now = time.monotonic()
        if self._first is None:
            self._first = (now, by_steps)
        start, done = self._first
        end = self.begun + self.seconds - self.reserve
        by_time = 1.0 if now >= end else done + (1 - done) * (now - start) / (end - start)
        return max(by_steps, by_time)

    def rate_at(self, step: int, progress: float) -> float:
        """Return the learning rate of a step."""
        if self.warmup >= 1:
            rising = min(1.0, (step + 1) / self.warmup)
        else:
            rising = min(1.0, (progress + 1 / self.steps) / self.warmup) if self.warmup else 1.0
        done = min(1.0, progress)
        if self.shape == "constant":
            falling = 1.0
        elif self.shape == "linear":
            falling = 1 - done
        else:
            falling = (1 + math.cos(math.pi * done)) / 2
        return self.rate * rising * falling
