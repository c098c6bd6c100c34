"""Attention over rows of trees by matrix products: a prefix, then a few branches at a time with the prefix before them.

A mask over the whole row computes what no token sees, which on a CPU is most of the time of a step. Here rows are read
in chunks, each against itself and what all of it sees: the prefix before it. The products run in the type of the
queries: in bfloat16, processors with AVX512-BF16 or AMX do this three times as fast as SDPA does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .batch import Batch

# A chunk ends with the branch that reaches so many tokens.
_ENOUGH = 384


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens that are computed together.

    Attributes:
        row: of the batch.
        start: of the tokens.
        end: behind the last of them.
        prefix: where what they all see begins and ends.
        mask: [tokens, tokens], 0 where one is seen, and the lowest number elsewhere; all of the prefix is seen.
    """

    row: int
    start: int
    end: int
    prefix: tuple[int, int]
    mask: torch.Tensor


def cut(batch: Batch, dtype: torch.dtype) -> list[Chunk]:
    """Return the chunks of a batch, row by row and in the order of their tokens; padding is in none."""
    chunks = []
    for row, (trees, branches) in enumerate(zip(batch.tree.cpu().numpy(), batch.branch.cpu().numpy(), strict=True)):
        for number in range(int(trees.max(initial=-1)) + 1):
            at = np.flatnonzero(trees == number)
            begin, end = int(at[0]), int(at[-1]) + 1
            shared = int(np.count_nonzero(branches[begin:end] == 0))
            prefix = (begin, begin + shared)
            spans = [(start, min(start + _ENOUGH, prefix[1]), (begin, start)) for start in range(*prefix, _ENOUGH)]
            spans += [
                (prefix[1] + start, prefix[1] + stop, prefix) for start, stop in _groups(branches[prefix[1] : end])
            ]
            chunks += [_chunk(batch, row, *span, dtype) for span in spans]
    return chunks


def _groups(branches: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where groups of whole branches begin and end."""
    ends = [*(np.flatnonzero(np.diff(branches)) + 1).tolist(), len(branches)] if len(branches) else []
    start = 0
    for end in ends:
        if end - start >= _ENOUGH or end == ends[-1]:
            yield start, end
            start = end


def _chunk(batch: Batch, row: int, start: int, end: int, prefix: tuple[int, int], dtype: torch.dtype) -> Chunk:
    branch = batch.branch[row, start:end]
    size = end - start
    unseen = branch[:, None] != branch[None, :]
    unseen |= torch.ones(size, size, dtype=torch.bool, device=branch.device).triu(1)
    mask = torch.zeros(size, size, dtype=dtype, device=branch.device)
    return Chunk(row, start, end, prefix, mask.masked_fill_(unseen, torch.finfo(dtype).min))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, chunks: list[Chunk], scale: float
) -> torch.Tensor:
    """Return [rows, heads, length, width] of queries, keys and values of this shape; 0 for padding."""
    rows, _, length, _ = query.shape
    # The queries are fewer than the scores.
    query = query * scale
    found: list[list[torch.Tensor]] = [[] for _ in range(rows)]
    for chunk in chunks:
        here = slice(chunk.start, chunk.end)
        keys, values = key[chunk.row, :, here], value[chunk.row, :, here]
        if chunk.prefix[0] < chunk.prefix[1]:
            before = slice(*chunk.prefix)
            keys = torch.cat([key[chunk.row, :, before], keys], 1)
            values = torch.cat([value[chunk.row, :, before], values], 1)
        scores = torch.bmm(query[chunk.row, :, here], keys.transpose(1, 2))
        scores[:, :, chunk.prefix[1] - chunk.prefix[0] :].add_(chunk.mask)
        found[chunk.row].append(torch.bmm(scores.softmax(-1), values))
    return torch.stack([_whole(parts, query[row], length) for row, parts in enumerate(found)])


def _whole(parts: list[torch.Tensor], like: torch.Tensor, length: int) -> torch.Tensor:
    used = sum(part.shape[1] for part in parts)
    return torch.cat([*parts, torch.zeros_like(like[:, used:length])], 1)
