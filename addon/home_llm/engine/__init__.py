"""The engine: one thread owns the llama.cpp context; requests come in on a queue, events go out on queues."""

from home_llm.engine.adapters import AdapterUse
from home_llm.engine.constraint import JSON_STYLE, Constraint, ConstraintError, ConstraintKind, as_rule
from home_llm.engine.engine import Engine, EngineClosedError
from home_llm.engine.generation import (
    Chunk,
    Done,
    Failed,
    FinishReason,
    Generation,
    GenerationRequest,
    Progress,
    Timings,
)
from home_llm.engine.logprobs import Logprob, TokenLogprob
from home_llm.engine.options import EngineOptions
from home_llm.engine.schema import enforceable, relocated
from home_llm.engine.slots import SlotError, SlotFile, Slots
from home_llm.engine.thinking import Thinking
from home_llm.engine.totals import Totals

__all__ = [
    "JSON_STYLE",
    "AdapterUse",
    "Chunk",
    "Constraint",
    "ConstraintError",
    "ConstraintKind",
    "Done",
    "Engine",
    "EngineClosedError",
    "EngineOptions",
    "Failed",
    "FinishReason",
    "Generation",
    "GenerationRequest",
    "Logprob",
    "Progress",
    "SlotError",
    "SlotFile",
    "Slots",
    "Thinking",
    "Timings",
    "TokenLogprob",
    "Totals",
    "as_rule",
    "enforceable",
    "relocated",
]
