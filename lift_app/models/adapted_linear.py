"""The adapted linear layer: y = x W' + s (x A') B', and its gradients, in few cheap operations.

PEFT computes an adapter in float32 beside a base in bfloat16, which costs casts and copies of every
activation. Here the activations stay as they are, the adapter's weights are rounded to the base's
precision where they are used (their masters and their optimizer keep float32), and the update is
added in place. Quantised and other layers keep PEFT's own way. Knows one layer, no slot's history.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class AdaptedLinear:
    """Takes the place of a PEFT layer's `forward`.

    Args:
        layer: a PEFT LoRA layer without dropout, on a plain `nn.Linear`.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._base = layer.get_base_layer()
        self._ready: dict[str, tuple[float, Tensor, Tensor]] = {}

    def __call__(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """The layer's output for x of shape (..., inputs)."""
        layer, base = self._layer, self._base
        slot = None if layer.disable_adapters else next(iter(layer.active_adapters), None)
        if slot is None or slot not in layer.scaling:  # off, or an adapter of other layers alone
            output: Tensor = base(x)
            return output
        scale = layer.scaling[slot]
        flat = x.reshape(-1, x.shape[-1])
        if torch.is_grad_enabled():
            down, up = layer.lora_A[slot].weight, layer.lora_B[slot].weight
            y = _Adapted.apply(flat, base.weight, base.bias, down, up, scale)
        else:
            down, up = self._weights(slot, scale, x.dtype)
            y = functional.linear(flat, base.weight, base.bias)
            y.addmm_(functional.linear(flat, down), up)
        return y.view(*x.shape[:-1], -1)

    def forget(self, slot: str) -> None:
        """The weights in `slot` are about to change."""
        self._ready.pop(slot, None)

    def _weights(self, slot: str, scale: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A, and s B' as it lies best for a product of one token, in the precision of the base.

        While an answer is written, the products of an adapter are so small that what surrounds them
        counts: a transposition and a factor in each would take a fifth of their time.
        """
        kept = self._ready.get(slot)
        if kept is None or kept[0] != scale:
            layer = self._layer
            down = layer.lora_A[slot].weight.detach().to(dtype)
            up = (layer.lora_B[slot].weight.detach() * scale).t().contiguous().to(dtype)
            kept = self._ready[slot] = (scale, down, up)
        return kept[1], kept[2]


def speed_up(layer: Any) -> AdaptedLinear | None:
    """Give a PEFT layer this forward; None where its base is no plain linear layer."""
    if type(layer.get_base_layer()) is not nn.Linear:
        return None
    adapted = AdaptedLinear(layer)
    layer.forward = adapted
    return adapted


class _Adapted(torch.autograd.Function):
    """x of shape (tokens, inputs); no gradient for the frozen weight and bias."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, s: float
    ) -> Tensor:
        down, up = down.to(x.dtype), up.to(x.dtype)
        inner = functional.linear(x, down)
        ctx.save_for_backward(x, weight, down, up, inner)
        ctx.scale = s
        return functional.linear(x, weight, bias).addmm_(inner, up.t(), alpha=s)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, inner = ctx.saved_tensors
        d_inner = torch.mm(dy, up)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.mm(dy, weight).addmm_(d_inner, down, alpha=ctx.scale)
        d_down = d_up = None
        if ctx.needs_input_grad[3]:
            d_down = torch.mm(d_inner.t(), x).float().mul_(ctx.scale)
        if ctx.needs_input_grad[4]:
            d_up = torch.mm(inner.t(), dy).t().float().mul_(ctx.scale)
        return dx, None, None, d_down, d_up, None
