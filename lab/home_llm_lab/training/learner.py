"""What is trained: the base with its adapter, and the loss of a batch of trees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from .attention import Attention, make_mask
from .batch import Batch
from .errors import TrainingError

# Every linear layer of a Llama or a Qwen.
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Logits are made for so many targets at a time.
_AT_ONCE = 16384


def add_lora(
    model: PreTrainedModel, *, rank: int, alpha: int, dropout: float, modules: Sequence[str], saved: Sequence[str]
) -> PeftModel:
    """Return a model with a new LoRA adapter.

    Raises:
        TrainingError: the model has no such modules.
    """
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if missing := [module for module in (*modules, *saved) if module.rpartition(".")[2] not in names]:
        has = sorted(name for name in names if "proj" in name or name in ("embed_tokens", "lm_head"))
        raise TrainingError(f"the base has no module {', '.join(missing)}; it has {', '.join(has)}")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(modules),
        modules_to_save=list(saved) or None,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def load_lora(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Return a model with an adapter that was trained before, to be trained on.

    Raises:
        TrainingError: it is no adapter, or one for another base.
    """
    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"the adapter in {folder} does not fit this base: {reason}") from error


class Learner(nn.Module):
    """A causal model that reads batches of trees.

    Args:
        model: with or without an adapter.
        attention: in which its masks are made.
    """

    def __init__(self, model: nn.Module, attention: Attention) -> None:
        super().__init__()
        self.model = model
        self.attention = attention
        causal: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        # Not registered a second time as modules of this one.
        self._parts = (causal.get_decoder(), causal.get_output_embeddings())
        self._dtype = next(causal.parameters()).dtype
        for layer in model.modules():
            if isinstance(layer, BaseTunerLayer):
                # Autocast does it, and where there is none the types agree.
                layer.cast_input_dtype_enabled = self._dtype == torch.float32  # type: ignore[assignment]

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of the losses of all targets, and [targets], whether each would be said."""
        hidden = self.hidden(batch)
        loss = hidden.new_zeros((), dtype=torch.float32)
        right = []
        for start in range(0, len(batch.targets), _AT_ONCE):
            targets = batch.targets[start : start + _AT_ONCE]
            logits = self._parts[1](hidden[start : start + _AT_ONCE])
            loss = loss + functional.cross_entropy(logits.float(), targets, ignore_index=-100, reduction="sum")
            right.append(logits.detach().argmax(-1) == targets)
        return loss, torch.cat(right)

    def hidden(self, batch: Batch) -> torch.Tensor:
        """Return [targets, width], what the model knows where each target is to be told."""
        dtype = (
            torch.get_autocast_dtype(batch.tokens.device.type)
            if torch.is_autocast_enabled(batch.tokens.device.type)
            else self._dtype
        )
        states = self._parts[0](
            input_ids=batch.tokens,
            position_ids=batch.positions,
            attention_mask=make_mask(batch, self.attention, dtype),
            use_cache=False,
        ).last_hidden_state
        return states.flatten(0, 1).index_select(0, batch.sources)

    def compile_layers(self) -> None:
        """Compile the layers, all as one: their shapes are the same."""
        for layer in self._parts[0].layers:
            layer.compile(dynamic=False)
