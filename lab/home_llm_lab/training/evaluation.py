"""How well a model does on data that it does not learn from, read as it would be trained."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from .batch import Batch
from .supply import Row


@dataclass(slots=True)
class Scores:
    """What a model makes of conversations, each given the right answer up to where it is.

    Attributes:
        loss: mean of all learned tokens.
        tokens: part of them that the model would say.
        exact: part of the conversations in which it would say all of them: just what it would answer without sampling.
        calls: part of the conversations whose calls it would write so; those without calls count if they are exact.
        conversations: how many there were.
        kinds: exact by kind of conversation.
    """

    loss: float = 0.0
    tokens: float = 0.0
    exact: float = 0.0
    calls: float = 0.0
    conversations: int = 0
    kinds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON has them, rounded."""
        return {
            name: {kind: round(part, 4) for kind, part in value.items()} if isinstance(value, dict) else round(value, 5)
            for name, value in asdict(self).items()
        }


def evaluate(learner: torch.nn.Module, batches: Iterable[tuple[list[Row], Batch]], accelerator: Accelerator) -> Scores:
    """Return the scores of a model on batches of all processes."""
    learner.eval()
    found: list[tuple[float, int, int, list[tuple[str, bool, bool]]]] = []
    with torch.no_grad():
        for rows, made in batches:
            batch = made.to(accelerator.device)
            loss, right = learner(batch)
            found.append((float(loss), int(right.sum()), made.learned, _conversations(rows, made, right.cpu())))
    learner.train()
    everything = gather_object(found)
    scores = Scores()
    learned = sum(item[2] for item in everything)
    answers = [answer for item in everything for answer in item[3]]
    if not learned or not answers:
        return scores
    scores.loss = sum(item[0] for item in everything) / learned
    scores.tokens = sum(item[1] for item in everything) / learned
    scores.conversations = len(answers)
    scores.exact = sum(exact for _, exact, _ in answers) / len(answers)
    scores.calls = sum(calls for _, _, calls in answers) / len(answers)
    by_kind: dict[str, list[bool]] = collections.defaultdict(list)
    for kind, exact, _ in answers:
        by_kind[kind].append(exact)
    scores.kinds = {kind: sum(exact) / len(exact) for kind, exact in sorted(by_kind.items())}
    return scores


def _conversations(rows: list[Row], batch: Batch, right: torch.Tensor) -> list[tuple[str, bool, bool]]:
    """Return the kind of each conversation, whether all of it is right, and whether its calls are."""
    kinds = [kind for row in rows for tree in row for kind in tree.kinds]
    count = len(kinds)
    owned = batch.owners >= 0
    owners, right, call = batch.owners[owned], right[owned], batch.call[owned]
    wrong = torch.zeros(count).index_add_(0, owners, (~right).float())
    wrong_calls = torch.zeros(count).index_add_(0, owners, (~right & call).float())
    has_calls = torch.zeros(count).index_add_(0, owners, call.float()) > 0
    exact = wrong == 0
    calls = torch.where(has_calls, wrong_calls == 0, exact)
    return list(zip(kinds, exact.tolist(), calls.tolist(), strict=True))
