"""Objective: L_input, the causal LM loss over segments (arXiv 2412.13626, section 3.1).

Knows token ids and a model that returns logits; not where the tokens come from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def equal_lengths(rows: Sequence[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
    """Group rows of token ids by length, so that no batch needs padding.

    Args:
        rows: tensors of shape (length,), lengths may differ.

    Yields:
        Positions in `rows` and the ids stacked to (rows of that length, length).
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[len(row)].append(position)
    for positions in groups.values():
        yield positions, torch.stack([rows[position] for position in positions])


def token_losses(model: nn.Module, ids: Tensor) -> Tensor:
    """Negative log-likelihood of every token but the first, in nats.

    Args:
        model: a causal LM of transformers.
        ids: token ids of shape (batch, length).

    Returns:
        Float32 tensor of shape (batch, length - 1).
    """
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), ids[:, 1:].reshape(-1), reduction="none"
    )
    return losses.view(ids.shape[0], -1)
