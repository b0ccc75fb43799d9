"""Losses of next tokens without the logits of a whole segment.

Logits over a vocabulary are the largest tensor of a training step. Here they are made a chunk of
positions at a time and turned into the loss and its gradient at once, so that the memory of a step
hardly knows the vocabulary. That needs a model whose logits are its output layer on its last hidden
state and nothing more; it is tried once a model, and others compute their logits whole.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

CHUNK_BYTES = 64 * 1024**2
"""Memory of a chunk's logits in float32; more on a GPU. On a CPU a segment of the standard recipe
fits, so that a step reads through the output layer once."""
GPU_CHUNK_BYTES = 512 * 1024**2

_bare: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
"""Whether a model's logits are its output layer alone."""


def next_token_losses(model: Any, rows: Tensor, count: int) -> Tensor:
    """Negative log-likelihood of the last `count` tokens of each row, in nats.

    Args:
        model: a causal LM of transformers.
        rows: token ids of shape (batch, length).
        count: below `length`; the first token is predicted by nothing.

    Returns:
        Float32 tensor of shape (batch, count).
    """
    return _losses(model, rows, rows[:, rows.shape[1] - count :], rows.shape[1] - 1, {})


def continued_losses(model: Any, rows: Tensor, count: int) -> Tensor:
    """As `next_token_losses`, without computing backwards through what stands before.

    All but the last of those tokens is read without gradients, for its keys and values: a forward
    pass, where a learned token costs that and a backward one. A model whose activations are
    computed twice (checkpointing) takes no keys and values while it learns, so it computes
    backwards through everything.

    Args:
        model: a causal LM of transformers.
        rows: token ids of shape (batch, length).
        count: below `length`.

    Returns:
        Float32 tensor of shape (batch, count).
    """
    before = rows.shape[1] - 1 - count
    if before == 0 or _is_computed_twice(model):
        return next_token_losses(model, rows, count)
    with torch.no_grad():
        read = model.base_model(input_ids=rows[:, :before], use_cache=True).past_key_values
    on = {"past_key_values": read}
    return _losses(model, rows[:, before:-1], rows[:, before + 1 :], count, on)


def _is_computed_twice(model: Any) -> bool:
    """Transformers 6 will know this by the first name alone, 5.5 knows the second."""
    names = ("is_activation_checkpointing", "is_gradient_checkpointing")
    return bool(next((getattr(model, name) for name in names if hasattr(model, name)), False))


def _losses(model: Any, rows: Tensor, targets: Tensor, last: int, on: dict[str, Any]) -> Tensor:
    """Losses of targets of shape (batch, count), which the tokens up to `last` (excluded) predict.

    `on` holds what was read before the rows, if anything.
    """
    count = targets.shape[1]
    if torch.is_grad_enabled() and _is_bare(model, rows):
        hidden = model.base_model(input_ids=rows, use_cache=bool(on), **on).last_hidden_state
        hidden = hidden[:, last - count : last].reshape(-1, hidden.shape[-1])
        weight = model.get_output_embeddings().weight
        losses: Tensor = _Losses.apply(hidden, weight, targets.reshape(-1))
    else:
        # By index, because a slice is not contiguous and its product takes twice as long.
        kept = torch.arange(last - count, last, device=rows.device)
        logits = model(input_ids=rows, use_cache=bool(on), logits_to_keep=kept, **on).logits
        losses = functional.cross_entropy(
            logits.view(-1, logits.shape[-1]).float(), targets.reshape(-1), reduction="none"
        )
    return losses.view(len(rows), count)


def _is_bare(model: Any, rows: Tensor) -> bool:
    """Whether logits are the output layer on the last hidden state: tried on the first tokens."""
    found = _bare.get(model)
    if found is None:
        output = model.get_output_embeddings()
        found = type(output) is nn.Linear and not output.weight.requires_grad
        if found:
            with torch.no_grad():
                few = rows[:1, :2]
                hidden = model.base_model(input_ids=few, use_cache=False).last_hidden_state
                logits = model(input_ids=few, use_cache=False).logits
                found = torch.allclose(output(hidden), logits) and output.bias is None
        _bare[model] = found
    return found


class _Losses(torch.autograd.Function):
    """hidden of shape (tokens, width), the frozen weight (vocabulary, width), targets (tokens,)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        most = CHUNK_BYTES if hidden.device.type == "cpu" else GPU_CHUNK_BYTES
        chunk = max(1, most // (4 * len(weight)))
        losses, gradients = [], []
        for part, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            chances = torch.log_softmax(functional.linear(part, weight).float(), dim=-1)
            chosen = wanted[:, None]
            losses.append(-chances.gather(1, chosen).squeeze(1))
            # The gradient of a loss by its logits: chances, less one where the target is.
            chances.exp_().scatter_add_(1, chosen, torch.full_like(chosen, -1.0, dtype=torch.float))
            gradients.append(chances.to(weight.dtype) @ weight)
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_losses: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return (gradients * d_losses[:, None]).to(gradients.dtype), None, None
