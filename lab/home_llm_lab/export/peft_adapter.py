"""A LoRA adapter as peft leaves it: a folder with adapter_config.json and adapter_model.safetensors."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from .errors import ExportError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_KEY = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<half>[AB])(?:\.default)?\.weight")
_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass(frozen=True)
class Pair:
    """The two matrices of one module.

    Attributes:
        tensor: the tensor that they change, in GGUF's names.
        a: rank rows, as many columns as the tensor.
        b: as many rows as the tensor, rank columns.
        scale: what their product is multiplied with.
    """

    tensor: str
    a: NDArray[np.float32]
    b: NDArray[np.float32]
    scale: float

    @property
    def rank(self) -> int:
        """The rows of A."""
        return int(self.a.shape[0])


def read_peft(folder: Path) -> list[Pair]:
    """Read an adapter.

    Raises:
        ExportError: a file is missing or broken, or the adapter has what GGUF cannot hold.
    """
    config = _config(folder)
    pairs = []
    for module, halves in sorted(_halves(folder).items()):
        if set(halves) != {"A", "B"}:
            raise ExportError(f"{WEIGHTS} has only one of the two matrices of {module}. Save the adapter again.")
        a, b = halves["A"], halves["B"]
        if a.shape[0] != b.shape[1]:
            raise ExportError(f"The matrices of {module} do not fit each other: {a.shape} and {b.shape}.")
        pairs.append(Pair(tensor_name(module), a, b, _scale(config, module, int(a.shape[0]))))
    if not pairs:
        raise ExportError(f"{folder / WEIGHTS} holds no LoRA matrices.")
    return pairs


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ExportError(f"There is no {path}. Name the folder that training saved, with {CONFIG} in it.") from None
    except ValueError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    if config.get("peft_type") != "LORA":
        raise ExportError(f"{path} is of the type {config.get('peft_type')}; only LORA can be exported.")
    for key in ("use_dora", "lora_bias", "fan_in_fan_out", "modules_to_save", "trainable_token_indices"):
        if config.get(key):
            raise ExportError(
                f"The adapter has {key}, which GGUF adapters cannot hold. Merge it (--merge), or train without."
            )
    if config.get("bias", "none") != "none":
        raise ExportError("The adapter has trained biases, which GGUF adapters cannot hold. Train with bias=none.")
    return dict(config)


def _halves(folder: Path) -> dict[str, dict[str, NDArray[np.float32]]]:
    path = folder / WEIGHTS
    if not path.is_file():
        raise ExportError(f"There is no {path}. Name the folder that training saved, with {WEIGHTS} in it.")
    halves: dict[str, dict[str, NDArray[np.float32]]] = {}
    try:
        # Through torch, because numpy has no bfloat16.
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - it is no mapping
                match = _KEY.fullmatch(key)
                if match is None:
                    raise ExportError(f"{path} holds {key}, which is no LoRA matrix of a linear layer.")
                values = file.get_tensor(key).float().numpy()
                halves.setdefault(match["module"], {})[match["half"]] = values
    except SafetensorError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    return halves


def tensor_name(module: str) -> str:
    """Return the name in GGUF of a linear layer of transformers.

    Raises:
        ExportError: it has none that is known here.
    """
    if module == "lm_head":
        return "output.weight"
    layer = _LAYER.fullmatch(module)
    if layer is None or layer[2] not in _NAMES:
        known = ", ".join(name.rpartition(".")[2] for name in _NAMES)
        raise ExportError(f"The adapter changes {module}; {known} and lm_head can be exported.")
    return f"blk.{layer[1]}.{_NAMES[layer[2]]}.weight"


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    """Return alpha over the rank, or over its root, with what the config says of single modules."""
    alpha = float(_of_module(config.get("alpha_pattern"), module, config.get("lora_alpha", rank)))
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _of_module(pattern: dict[str, float] | None, module: str, default: float) -> float:
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return default
