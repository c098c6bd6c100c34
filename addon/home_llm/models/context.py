"""How large a context may be: what a model takes at which size, and what is chosen where the settings do not say."""

from dataclasses import dataclass
from typing import Final

from .errors import ModelError
from .memory import gigabytes

# The context that is wanted where the settings leave it to us: enough for a house and its talk.
PLANNED_CONTEXT: Final = 8192

# The least that is chosen where memory is short: a small house in the compact format, and an answer.
LEAST_CONTEXT: Final = 2048

# The steps in which a chosen context gets smaller, and those of the size that an error names.
_STEP: Final = 1024
_NAMED_STEP: Final = 256

# What is chosen for the user leaves the rest of the free memory alone, so that it still fits tomorrow.
AUTO_SHARE: Final = 0.85

# What llama.cpp's compute buffers and this process take besides weights and KV cache. Measured with a 0.5B
# model: 144 MB; a vocabulary of 260,000 words takes more.
WORKING_MEMORY: Final = 256 << 20

# Counted for a token of context where the header does not tell: what a 3B model with grouped heads takes.
KV_BYTES_GUESS: Final = 96 << 10

# Bytes of 32 values of the KV cache, by the type in which they are kept.
# What is to be chosen yet is at most f16.
_CACHE_BYTES: Final = {"auto": 64, "f16": 64, "q8_0/f16": 49, "q8_0": 34, "q4_0": 18}


@dataclass(frozen=True)
class MemoryNeed:
    """What a model takes.

    Attributes:
        size: bytes of the weights, and of adapters on them.
        kv_bytes_per_token: KV cache in f16 that one token takes; None where it is not known.
        cache_type: how the KV cache is kept, a `settings.CacheType`.
    """

    size: int
    kv_bytes_per_token: int | None
    cache_type: str = "f16"

    def kv_bytes(self, context_size: int) -> int:
        """Estimate the bytes of KV cache for `context_size` tokens."""
        per_token = KV_BYTES_GUESS if self.kv_bytes_per_token is None else self.kv_bytes_per_token
        return per_token * context_size * _CACHE_BYTES[self.cache_type] // _CACHE_BYTES["f16"]

    def total(self, context_size: int) -> int:
        """Estimate the bytes of memory at `context_size` tokens."""
        return self.size + self.kv_bytes(context_size) + WORKING_MEMORY

    def largest_context(self, memory: int, *, most: int, step: int) -> int:
        """Return `most` where it fits `memory` bytes, else the largest multiple of `step` that does, or 0."""
        if self.total(most) <= memory:
            return most
        spare = memory - self.total(0)
        # Below `most`, which does not fit, the size of the cache is all that changes.
        count = 0 if spare < 0 else spare // max(self.kv_bytes(step), 1)
        return min(count * step, (most - 1) // step * step)

    def fault(self, label: str, context_size: int, memory: int) -> str:
        """Say in numbers why a context does not fit, and which would; "" where it does."""
        needed = self.total(context_size)
        if needed <= memory:
            return ""
        fitting = self.largest_context(memory, most=context_size, step=_NAMED_STEP)
        hint = f" A context of {fitting} tokens would fit." if fitting else ""
        return (
            f"{label} needs {gigabytes(needed)} of memory ({gigabytes(self.size)} for the file, "
            f"{gigabytes(self.kv_bytes(context_size))} for a context of {context_size} tokens, "
            f"the rest to work in), and {gigabytes(memory)} are free.{hint}"
        )


@dataclass(frozen=True)
class ContextPlan:
    """A size of the context in tokens, why it is that, and what is doubtful about it ("" where nothing is)."""

    size: int
    reason: str
    warning: str = ""


def planned_context(context_size: int, trained: int) -> int:
    """Return the context that is wanted: the one asked for, else `PLANNED_CONTEXT` within what was trained."""
    return context_size or min(PLANNED_CONTEXT, trained or PLANNED_CONTEXT)


def least_context(context_size: int, trained: int) -> int:
    """Return the context that there must be memory for: the one asked for, else `LEAST_CONTEXT` within the trained."""
    return context_size or min(LEAST_CONTEXT, trained or LEAST_CONTEXT)


def plan_context(label: str, context_size: int, need: MemoryNeed, *, trained: int, memory: int) -> ContextPlan:
    """Choose the size of a context.

    Args:
        label: the model's name, for messages.
        context_size: what the settings say; 0 leaves it to us.
        need: what the model takes.
        trained: the context that the model was trained with; 0 where it is not known.
        memory: bytes that are free.

    Raises:
        ModelError: the size asked for does not fit, or not even the least one.
    """
    least = least_context(context_size, trained)
    if fault := need.fault(label, least, memory):
        raise ModelError(f"{fault} Choose a smaller context size or a smaller model.")
    if context_size:
        warning = ""
        if 0 < trained < context_size:
            warning = (
                f"{label} was trained with a context of {trained} tokens, and context_size is {context_size}: "
                "what it says after a longer prompt may make no sense."
            )
        return ContextPlan(context_size, "as the settings say", warning)
    wanted = planned_context(0, trained)
    size = max(need.largest_context(int(memory * AUTO_SHARE), most=wanted, step=_STEP), least)
    if size < wanted:
        needed = gigabytes(need.total(wanted))
        return ContextPlan(
            size, f"with {wanted} it would take {needed} of the {gigabytes(memory)} of memory that are free"
        )
    if wanted < PLANNED_CONTEXT:
        return ContextPlan(size, "it was trained with no more")
    return ContextPlan(size, "enough for a house, and there is memory for it")
