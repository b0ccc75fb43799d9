"""Attention of a short training step on a CPU: whole products, heads that share keys together.

In bfloat16 torch's tiled kernel takes longer over a segment of a few hundred tokens than the plain
products do, above all backwards. Those keep a matrix of probabilities a layer, so they are used up
to `MOST_BYTES`; everything else (reading, answers, masks, long segments, GPUs) stays with torch's
`scaled_dot_product_attention`. Knows transformers' interface for attention, no model.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

NAME = "lift"
"""What a model's configuration calls it."""
MOST_BYTES = 8 * 1024**2
"""Most memory for the probabilities of a layer."""


def use_short_attention(model: Any) -> None:
    """Let a model attend this way; one that does not attend by torch's kernel stays as it is."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    if getattr(model.config, "_attn_implementation", None) != "sdpa":
        return
    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    model.config._attn_implementation = NAME


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """As transformers wants it: query (batch, heads, tokens, width), output (batch, tokens, …)."""
    if scaling and _is_short(module, query, key, attention_mask, options):
        attended: Tensor = _Short.apply(query, key, value, attention_mask, scaling)
        return attended.transpose(1, 2).contiguous(), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    result: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, scaling=scaling, **options
    )
    return result


def _is_short(
    module: Any, query: Tensor, key: Tensor, mask: Tensor | None, options: dict[str, Any]
) -> bool:
    """Whether this is a training step over short sequences on a CPU in bfloat16.

    A sequence is whole and has no mask, or goes on from one that was read before, and then the mask
    says the same for all heads.
    """
    batch, heads, tokens, _ = query.shape
    read = key.shape[2]
    return (
        torch.is_grad_enabled()
        and query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and (mask is None if read == tokens else _goes_on(mask, tokens, read))
        and getattr(module, "is_causal", False)
        and options.get("is_causal") is not False
        and not options.get("dropout")
        and not options.get("sliding_window")
        and batch * heads * tokens * read * query.element_size() <= MOST_BYTES
    )


def _goes_on(mask: Tensor | None, tokens: int, read: int) -> bool:
    return (
        mask is not None
        and mask.dtype == torch.bool
        and mask.shape[1:] == (1, tokens, read)
        and read > tokens
    )


@lru_cache(maxsize=8)
def _hidden(tokens: int, dtype: torch.dtype) -> Tensor:
    """What is added to scores of shape (tokens, tokens): nobody sees what comes after him."""
    return torch.full((tokens, tokens), float("-inf"), dtype=dtype).triu_(1)


class _Short(torch.autograd.Function):
    """Causal attention; query heads that share a key head are rows of one product."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        batch, heads, tokens, width = query.shape
        read = key.shape[2]
        pairs = batch * key.shape[1]
        q = (query * scale).reshape(pairs, -1, width)
        k, v = (part.reshape(pairs, read, width) for part in (key, value))
        scores = torch.bmm(q, k.transpose(1, 2)).view(batch, heads, tokens, read)
        if mask is None:
            scores.add_(_hidden(tokens, q.dtype))
        else:
            scores.masked_fill_(~mask, float("-inf"))
        chances = torch.softmax(scores, dim=-1).view(pairs, -1, read)
        ctx.save_for_backward(q, k, v, chances)
        ctx.scale, ctx.shapes = scale, (query.shape, key.shape)
        return torch.bmm(chances, v).view(query.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, chances = ctx.saved_tensors
        of_queries, of_keys = ctx.shapes
        d_out = d_out.reshape(q.shape)
        d_value = torch.bmm(chances.transpose(1, 2), d_out)
        d_chances = torch.bmm(d_out, v.transpose(1, 2))
        d_scores = torch._softmax_backward_data(d_chances, chances, -1, chances.dtype)
        d_query = torch.bmm(d_scores, k).mul_(ctx.scale)
        d_key = torch.bmm(d_scores.transpose(1, 2), q)
        return d_query.view(of_queries), d_key.view(of_keys), d_value.view(of_keys), None, None
