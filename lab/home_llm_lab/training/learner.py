"""What is trained: the base with its adapter, and the loss of a batch of trees."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
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
from .preference import Preference

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
    if not (folder / "adapter_config.json").is_file():
        raise TrainingError(f"{folder} holds no adapter of peft: adapter_config.json is missing")
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
        preference: what is learned from pairs, or None to learn answers.
    """

    def __init__(self, model: nn.Module, attention: Attention, preference: Preference | None = None) -> None:
        super().__init__()
        self.model = model
        self.attention = attention
        self.preference = preference
        causal: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        # Not registered a second time as modules of this one.
        self._parts = (causal.get_decoder(), causal.get_output_embeddings())
        self._before: Any = None
        self._dtype = next(causal.parameters()).dtype
        for layer in model.modules():
            if isinstance(layer, BaseTunerLayer):
                # Autocast does it, and where there is none the types agree.
                layer.cast_input_dtype_enabled = self._dtype == torch.float32

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of the losses of all targets, or of pairs, and [targets], whether each would be said."""
        if self.preference is None or not self.training:
            losses, right = self._losses(batch)
            return losses.sum(), right
        with torch.no_grad(), self._as_it_was():
            reference, _ = self._losses(batch)
        losses, right = self._losses(batch)
        return self.preference(_answers(losses, batch), _answers(reference, batch)), right

    def _losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return [targets], the loss of each, 0 for padding, and whether it would be said."""
        hidden = self.hidden(batch)
        losses, right = [], []
        for start in range(0, len(batch.targets), _AT_ONCE):
            targets = batch.targets[start : start + _AT_ONCE]
            logits = self._parts[1](hidden[start : start + _AT_ONCE])
            losses.append(functional.cross_entropy(logits.float(), targets, ignore_index=-100, reduction="none"))
            right.append(logits.detach().argmax(-1) == targets)
        return torch.cat(losses), torch.cat(right)

    @contextlib.contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Be the model before training, for a while."""
        if self._before is None:
            raise RuntimeError("remember() was not called before training")
        trained = self._put(self._before)
        try:
            yield
        finally:
            self._put(trained)

    def remember(self) -> None:
        """Keep the model as it is now, to be compared with; of one with an adapter that alone is copied."""
        if isinstance(self.model, PeftModel):
            self._before = [weight.detach().clone() for weight in self._adapter()]
        else:
            copied: Any = copy.deepcopy(self.model).requires_grad_(requires_grad=False)
            self._before = (copied.get_decoder(), copied.get_output_embeddings())

    def _put(self, other: Any) -> Any:
        """Compute with other parts, or with other weights of the adapter, and return those in use until now."""
        if not isinstance(self.model, PeftModel):
            used, self._parts = self._parts, other
            return used
        weights = self._adapter()
        before = [weight.data for weight in weights]
        for weight, data in zip(weights, other, strict=True):
            weight.data = data
        return before

    def _adapter(self) -> list[nn.Parameter]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def hidden(self, batch: Batch) -> torch.Tensor:
        """Return [targets, width], what the model knows where each target is to be told."""
        dtype = (
            torch.get_autocast_dtype(batch.tokens.device.type)
            if torch.is_autocast_enabled(batch.tokens.device.type)
            else self._dtype
        )
        states: torch.Tensor = self._parts[0](
            input_ids=batch.tokens,
            position_ids=batch.positions,
            use_cache=False,
            **make_mask(batch, self.attention, dtype),
        ).last_hidden_state
        return states.flatten(0, 1).index_select(0, batch.sources)

    def compile_layers(self) -> None:
        """Compile the layers, all as one: their shapes are the same."""
        for layer in self._parts[0].layers:
            layer.compile(dynamic=False)


def _answers(losses: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return [conversations], the log probability of what is learned of each."""
    # Padding goes to a conversation more.
    owners = torch.where(batch.owners < 0, batch.conversations, batch.owners)
    sums = losses.new_zeros(batch.conversations + 1).index_add(0, owners, losses)
    return -sums[:-1]
