"""Checkpoints: written whole or not at all, and read to go on as if nothing had happened."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn

from .errors import TrainingError

_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training is.

    Attributes:
        step: steps that are done.
        epoch: the epoch that it is in.
        in_epoch: steps of it that are done.
        progress: how much of the schedule is done, from 0 to 1.
        base: what the base is, see `base_facts`.
    """

    step: int = 0
    epoch: int = 0
    in_epoch: int = 0
    progress: float = 0.0
    base: dict[str, Any] | None = None


def save_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, place: Place, keep: int) -> Path:
    """Write a checkpoint into a run's folder, and remove the oldest beyond those to keep."""
    target = folder / f"checkpoint-{place.step}"
    part = folder / f".checkpoint-{place.step}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_model(model, part)
    torch.save(
        {"optimizer": optimizer.state_dict(), "rng": torch.get_rng_state(), "cuda_rng": _cuda_rng()}, part / "state.pt"
    )
    (part / "place.json").write_text(json.dumps(asdict(place), indent=1))
    shutil.rmtree(target, ignore_errors=True)
    part.replace(target)
    for old in _checkpoints(folder)[: -max(1, keep)]:
        shutil.rmtree(old)
    return target


def save_model(model: nn.Module, folder: Path) -> None:
    """Write an adapter, or a whole model, as transformers and peft read it."""
    # The embeddings are the base's own, whatever its name is.
    extra = {"save_embedding_layers": False} if isinstance(model, PeftModel) else {}
    model.save_pretrained(str(folder), safe_serialization=True, **extra)  # type: ignore[operator]


def find_checkpoint(name: str, folder: Path) -> Path:
    """Return a checkpoint by its path, or the newest of a run for `last`.

    Raises:
        TrainingError: there is none.
    """
    if name == "last":
        found = _checkpoints(folder)
        if not found:
            raise TrainingError(f"{folder} holds no checkpoint to resume from; leave out --resume_from_checkpoint")
        return found[-1]
    path = Path(name)
    if not (path / "place.json").is_file():
        raise TrainingError(f"{path} is no checkpoint of train.py")
    return path


def read_place(checkpoint: Path, base: dict[str, Any]) -> Place:
    """Return where a checkpoint is.

    Raises:
        TrainingError: it was trained on another base.
    """
    place = Place(**json.loads((checkpoint / "place.json").read_text()))
    if place.base and place.base != base:
        different = [key for key in base if place.base.get(key) != base[key]]
        told = ", ".join(f"{key} {place.base.get(key)} instead of {base[key]}" for key in different)
        raise TrainingError(f"{checkpoint} was trained on another base: {told}")
    return place


def load_checkpoint(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Set a model and its optimizer to what they were.

    Raises:
        TrainingError: they do not fit.
    """
    try:
        if isinstance(model, PeftModel):
            weights = load_file(str(checkpoint / "adapter_model.safetensors"))
            wrong: Any = set_peft_model_state_dict(model, weights)
            if wrong.unexpected_keys:
                raise TrainingError(f"{checkpoint} has an adapter with other modules: {wrong.unexpected_keys[:3]}")
        else:
            model.load_state_dict(_whole(checkpoint), strict=False)
        state = torch.load(checkpoint / "state.pt", map_location="cpu", weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise TrainingError(f"{checkpoint} does not fit these flags: {str(error).splitlines()[0]}") from error
    torch.set_rng_state(state["rng"])
    if state["cuda_rng"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda_rng"])


def blend(model: PeftModel, folder: Path, share: float) -> None:
    """Keep a share of what training has changed in an adapter.

    Between what an adapter was and what new data make of it there often is one that is better than both. Source:
    Wortsman et al., Robust fine-tuning of zero-shot models, 2022.

    Args:
        model: trained.
        folder: of the adapter that it began with.
        share: from 0, as it began, to 1, as it is.
    """
    began = load_file(str(folder / "adapter_model.safetensors"))
    now: Any = get_peft_model_state_dict(model)
    mixed = {
        name: torch.lerp(began[name].to(weight.device, torch.float32), weight.float(), share)
        for name, weight in now.items()
    }
    set_peft_model_state_dict(model, mixed)


def base_facts(config: Any) -> dict[str, Any]:
    """Return what tells one base from another."""
    names = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size")
    return {name: getattr(config, name, None) for name in names}


def _whole(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    for path in sorted(checkpoint.glob("model*.safetensors")):
        state |= load_file(str(path))
    return state


def _cuda_rng() -> torch.Tensor | None:
    return torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _checkpoints(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.partition("-")[2]))
