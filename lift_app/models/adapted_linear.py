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
        self._rounded: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """The layer's output for x of shape (..., inputs)."""
        layer, base = self._layer, self._base
        slot = layer.active_adapters[0] if layer.active_adapters else None
        # A layer may belong to other slots alone.
        if slot is None or layer.disable_adapters or slot not in layer.scaling:
            output: Tensor = base(x)
            return output
        scale = layer.scaling[slot]
        flat = x.reshape(-1, x.shape[-1])
        if torch.is_grad_enabled():
            down, up = layer.lora_A[slot].weight, layer.lora_B[slot].weight
            y = _Adapted.apply(flat, base.weight, base.bias, down, up, scale)
        else:
            down, up = self._weights(slot, x.dtype)
            y = functional.linear(flat, base.weight, base.bias)
            y.addmm_(functional.linear(flat, down), up.t(), alpha=scale)
        return y.view(*x.shape[:-1], -1)

    def forget(self, slot: str) -> None:
        """The weights in `slot` are about to change."""
        self._rounded.pop(slot, None)

    def _weights(self, slot: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A and B of a slot, in the precision of the base."""
        if (kept := self._rounded.get(slot)) is None:
            layer = self._layer
            pair = (layer.lora_A[slot].weight, layer.lora_B[slot].weight)
            kept = self._rounded[slot] = (pair[0].detach().to(dtype), pair[1].detach().to(dtype))
        return kept


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
