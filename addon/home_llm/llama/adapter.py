"""LoRA adapters: loaded beside a model, and applied to a context with a scale each."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from home_llm.llama import library
from home_llm.llama.context import Context
from home_llm.llama.model import Model, ModelLoadError


class AdapterError(ModelLoadError):
    """llama.cpp could not load an adapter; the text is its own reason."""


class Adapter:
    """The weights of one LoRA adapter, for one model.

    It may be made and freed only while nothing decodes with the model, because both change a list of the model's that
    decoding reads.

    Args:
        model: the model; must outlive the adapter.
        path: the GGUF file.

    Raises:
        AdapterError: it is no LoRA adapter, not whole, or its tensors do not fit the model's.
    """

    def __init__(self, model: Model, path: Path) -> None:
        library.last_error()
        self.path = path
        self.handle: Any = llama_cpp.llama_adapter_lora_init(model.handle, str(path).encode())
        if not self.handle:
            reason = library.last_error() or "unknown reason"
            raise AdapterError(f"llama.cpp cannot load the adapter {path.name}: {reason}")

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, as text; arrays are left out."""
        count = llama_cpp.llama_adapter_meta_count(self.handle)
        pairs = ((self._text("key", index), self._text("val_str", index)) for index in range(count))
        return dict(pairs)

    def close(self) -> None:
        """Free the weights; no context may have them applied any more."""
        if self.handle:
            llama_cpp.llama_adapter_lora_free(self.handle)
            self.handle = None

    def _text(self, what: str, index: int) -> str:
        """Return a key or a value by its number; C says how long it is when it is longer than the buffer."""
        read: Any = getattr(llama_cpp, f"llama_adapter_meta_{what}_by_index")
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = read(self.handle, index, buffer, size)
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1


def apply_adapters(context: Context, adapters: Sequence[tuple[Adapter, float]]) -> None:
    """Apply these adapters with these scales to every decode that follows, in place of those before.

    What the KV cache holds was made without them: it must be forgotten. Only for the thread that uses the context.
    """
    handles = (llama_cpp.llama_adapter_lora_p_ctypes * len(adapters))()
    scales = (ctypes.c_float * len(adapters))()
    for index, (adapter, scale) in enumerate(adapters):
        handles[index] = ctypes.cast(adapter.handle, llama_cpp.llama_adapter_lora_p_ctypes)
        scales[index] = scale
    llama_cpp.llama_set_adapters_lora(context.handle, handles, len(adapters), scales)
