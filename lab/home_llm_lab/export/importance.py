"""The importance matrix: how strongly each column of a weight is driven by real prompts.

llama.cpp's own tool measures it with the quantized graph. The same mean squares come from the inputs of the linear
layers in transformers, which reads the merged GGUF file; columns stand in the same order in both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError
from .peft_adapter import tensor_name

# Longer texts are cut: what counts is the beginning of a house, its end, and the answers.
_LONGEST = 2048


def measure(model: Path, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return the mean squares of what comes into each linear layer, by the tensor's name.

    Args:
        model: a merged model in GGUF.
        texts: whole conversations as the model reads them, some dozens.

    Raises:
        ExportError: there are no texts.
    """
    import torch  # noqa: PLC0415 - large, and needed only here
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    if not texts:
        raise ExportError("There are no texts to measure the importance of weights with.")
    with tempfile.TemporaryDirectory() as folder:
        # Beside an adapter, transformers would load the adapter's base.
        (Path(folder) / "model.gguf").symlink_to(model.resolve())
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
        network: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", dtype=torch.float32)
    sums: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: Any, inputs: tuple[Any, ...], _output: Any) -> None:
            rows = inputs[0].reshape(-1, inputs[0].shape[-1]).double()
            sums[name] = sums.get(name, 0) + rows.square().sum(dim=0)
            counts[name] = counts.get(name, 0) + rows.shape[0]

        return hook

    for module, layer in network.named_modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(watch(tensor_name(module)))
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids[:, :_LONGEST]
            network(tokens)
    return {name: (total / counts[name]).float().numpy() for name, total in sums.items()}
