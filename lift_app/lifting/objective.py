"""Objective: L_input, the causal LM loss over segments (arXiv 2412.13626, section 3.1).

Knows token ids and a model; not where the tokens come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lift_app.models.next_token import continued_losses, next_token_losses
from lift_app.sequences import by_length


def equal_lengths(
    rows: Sequence[Tensor], most: int | None = None
) -> Iterator[tuple[list[int], Tensor]]:
    """Group rows of token ids by length, so that no batch needs padding.

    Args:
        rows: tensors of shape (length,), lengths may differ.
        most: rows in a group; as many as there are if None.

    Yields:
        Positions in `rows` and the ids stacked to (rows of that length, length).
    """
    for positions in by_length(rows):
        for first in range(0, len(positions), most or len(positions)):
            part = positions[first : first + (most or len(positions))]
            yield part, torch.stack([rows[position] for position in part])


def token_losses(model: nn.Module, ids: Tensor, prefix: Tensor) -> Tensor:
    """Negative log-likelihood of the tokens after a prefix that is not learned, in nats.

    Args:
        model: a causal LM of transformers.
        ids: token ids of shape (batch, length).
        prefix: ids of shape (prefix length,) that stand before each row; may be empty, and then
            the first token of a row is predicted by nothing.

    Returns:
        Float32 tensor of shape (batch, length), or (batch, length - 1) without a prefix.
    """
    rows = torch.cat([prefix.expand(len(ids), -1), ids], dim=1)
    count = ids.shape[1] if len(prefix) else ids.shape[1] - 1
    return next_token_losses(model, rows, count)


def carried_losses(model: nn.Module, ids: Tensor, prefix: Tensor, carried: int) -> Tensor:
    """Negative log-likelihood of tokens that go on from a context, in nats.

    The context is read with the adapter as it is, but nothing is computed backwards through it.

    Args:
        model: a causal LM of transformers.
        ids: token ids of shape (batch, carried + length): the context, then what is learned.
        prefix: ids of shape (prefix length,) that stand before each row; may be empty.
        carried: tokens of the context, at least 1.

    Returns:
        Float32 tensor of shape (batch, length).
    """
    rows = torch.cat([prefix.expand(len(ids), -1), ids], dim=1)
    return continued_losses(model, rows, ids.shape[1] - carried)
