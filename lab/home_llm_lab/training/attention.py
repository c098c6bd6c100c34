"""Attention over rows of trees: FlexAttention where the GPU has it, which skips what no token sees, SDPA, or chunks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface

from .batch import Batch
from .chunks import Chunk, attend, cut

Attention: TypeAlias = Literal["flex", "sdpa", "chunks"]
# The name under which transformers finds it.
IMPLEMENTATION = "home_tree"

_LOGGER = logging.getLogger(__name__)
_compiled: Callable[..., Any] | None = None


def make_mask(batch: Batch, attention: Attention, dtype: torch.dtype) -> dict[str, Any]:
    """Return the arguments with which a model with this attention is called."""
    if attention == "chunks":
        # What has four dimensions is passed on as it is.
        return {"attention_mask": torch.empty(1, 1, 0, 0), "chunks": cut(batch, dtype)}
    return {"attention_mask": _mask(batch, attention, dtype)}


def _mask(batch: Batch, attention: Attention, dtype: torch.dtype) -> torch.Tensor | BlockMask:
    if attention == "sdpa":
        visible = batch.visible()
        if visible.device.type == "cpu":
            return visible
        # Made once, not in every layer.
        lowest = torch.finfo(dtype).min
        return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, lowest)
    tree, branch = batch.tree, batch.branch

    def sees(row: torch.Tensor, _head: torch.Tensor, at: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        way = (branch[row, other] == 0) | (branch[row, at] == branch[row, other])
        return (at >= other) & (tree[row, at] == tree[row, other]) & way

    rows, length = tree.shape
    return create_block_mask(sees, rows, None, length, length, device=str(tree.device))


def tree_attention(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | BlockMask | None,
    scaling: float | None = None,
    chunks: list[Chunk] | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend, as transformers calls it: [rows, heads, length, width] to [rows, length, heads, width]."""
    # By hand: not every kernel shares keys among any number of heads.
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    if chunks is not None:
        attended = attend(query, key, value, chunks, scaling or query.shape[-1] ** -0.5)
    elif isinstance(attention_mask, BlockMask):
        attended = _flex()(query, key, value, block_mask=attention_mask, scale=scaling)
    else:
        attended = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling
        )
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(IMPLEMENTATION, tree_attention)


def choose_attention(device: torch.device, heads: int, key_heads: int, width: int) -> Attention:
    """Return `flex` where a GPU runs it, backwards too, and gives what SDPA gives, else `sdpa`; `chunks` on a CPU."""
    if device.type == "cpu":
        return "chunks"
    if device.type != "cuda":
        return "sdpa"
    try:
        difference = _difference(device, heads, key_heads, width)
    except Exception as error:  # noqa: BLE001 - whatever a compiler can raise: the other way works everywhere
        _LOGGER.warning("FlexAttention does not run here (%s): SDPA is used", str(error).splitlines()[:1])
        return "sdpa"
    if not difference < 0.05:
        _LOGGER.warning("FlexAttention is off by %.3f here: SDPA is used", difference)
        return "sdpa"
    return "flex"


def _flex() -> Callable[..., Any]:
    global _compiled  # noqa: PLW0603 - compiled once a process
    if torch.compiler.is_compiling():
        return flex_attention
    if _compiled is None:
        _compiled = torch.compile(flex_attention, dynamic=False)
    return _compiled


def _difference(device: torch.device, heads: int, key_heads: int, width: int) -> float:
    """Return how far the results and gradients of the two are apart, relative to their size."""
    generator = torch.Generator(device).manual_seed(0)
    length = 256

    def make(count: int) -> torch.Tensor:
        shape = (2, count, length, width)
        return torch.randn(shape, generator=generator, device=device, dtype=torch.bfloat16)

    given = [make(heads), make(key_heads), make(key_heads)]
    tree = torch.zeros((2, length), dtype=torch.int32, device=device)
    tree[:, 200:] = 1
    branch = (torch.arange(length, device=device) // 40).int().repeat(2, 1)
    nothing = torch.zeros(0, device=device)
    batch = Batch(tree, tree, tree, branch, nothing, nothing, nothing, nothing, 0, 0)
    results = []
    kinds: tuple[Attention, ...] = ("flex", "sdpa")
    for attention in kinds:
        inputs = [tensor.detach().clone().requires_grad_() for tensor in given]
        mask = _mask(batch, attention, torch.bfloat16)
        query, key, value = inputs
        out, _ = tree_attention(torch.nn.Identity(), query, key, value, mask, scaling=width**-0.5)
        gradients = torch.autograd.grad(out.float().square().sum(), inputs)
        results.append([out.detach(), *gradients])
    pairs = zip(*results, strict=True)
    return max(float((one - other).float().norm() / other.float().norm()) for one, other in pairs)
