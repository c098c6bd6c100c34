"""The only room that touches llama.cpp: typed handles over llama-cpp-python's low-level bindings."""

from home_llm.llama.adapter import Adapter, AdapterError, apply_adapters
from home_llm.llama.context import (
    Batch,
    CacheFullError,
    CacheType,
    Context,
    DecodeAbortedError,
    DecodeError,
    State,
    state_size,
)
from home_llm.llama.devices import (
    Device,
    DeviceError,
    DeviceKind,
    connect_rpc,
    cpu_variant,
    devices,
    has_rpc,
    serve_rpc,
)
from home_llm.llama.embedder import Embedder, Pooling, dimensions, own_pooling
from home_llm.llama.library import build_info
from home_llm.llama.model import InfillTokens, Model, ModelLoadError
from home_llm.llama.sampler import DEFAULT_ORDER, Sampler, SamplingParameters
from home_llm.llama.vocabulary import constraint_tokenizer

__all__ = [
    "DEFAULT_ORDER",
    "Adapter",
    "AdapterError",
    "Batch",
    "CacheFullError",
    "CacheType",
    "Context",
    "DecodeAbortedError",
    "DecodeError",
    "Device",
    "DeviceError",
    "DeviceKind",
    "Embedder",
    "InfillTokens",
    "Model",
    "ModelLoadError",
    "Pooling",
    "Sampler",
    "SamplingParameters",
    "State",
    "apply_adapters",
    "build_info",
    "connect_rpc",
    "constraint_tokenizer",
    "cpu_variant",
    "devices",
    "dimensions",
    "has_rpc",
    "own_pooling",
    "serve_rpc",
    "state_size",
]
