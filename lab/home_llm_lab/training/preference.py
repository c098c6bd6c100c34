"""Direct preference optimization: the right answer of a pair gains more than the wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch.nn import functional

PairLoss: TypeAlias = Literal["sigmoid", "hinge", "ipo"]


@dataclass(frozen=True, slots=True)
class Preference:
    """What is learned from pairs.

    Attributes:
        beta: how dear it is to leave the reference, which is the model before training.
        loss: of a pair, by how much more the model prefers the right answer than the reference does: `sigmoid` as in
            DPO, `hinge` as in SLiC, or `ipo`.
    """

    beta: float = 0.1
    loss: PairLoss = "sigmoid"

    def __call__(self, model: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Return the sum of the losses of pairs.

        Args:
            model: [2 * pairs], log probabilities of the answers, the right one of each pair first.
            reference: the same of the reference.
        """
        gained = (model - reference).view(-1, 2)
        margin = gained[:, 0] - gained[:, 1]
        if self.loss == "sigmoid":
            return -functional.logsigmoid(self.beta * margin).sum()
        if self.loss == "hinge":
            return torch.relu(1 - self.beta * margin).sum()
        return (margin - 1 / (2 * self.beta)).square().sum()
