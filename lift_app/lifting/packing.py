"""Packing: many answers after one shared beginning, in one forward pass.

Rows that begin alike (one passage, many questions) are laid out once as a trunk with branches. A
branch sees the trunk and itself, at the positions that it would have alone, so the losses are
those of separate rows while the trunk is computed once. Knows token ids and a model, no template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lift_app.models.spelling import Messages, Spelling
from lift_app.sequences import shared_length


@dataclass(frozen=True)
class Row:
    """A prompt and what should follow it."""

    prompt: tuple[int, ...]
    """Token ids that are read; at least one."""
    answer: tuple[int, ...]
    """Token ids that are learned; at least one."""


def spoken(base: Spelling, messages: Messages, answer: str) -> Row:
    """A conversation and what the assistant says next, its end among it."""
    said = (*base.text_tokens(answer), base.tokenizer.eos_token_id)
    return Row(tuple(base.chat_tokens(messages)), said)


@dataclass(frozen=True)
class Packed:
    """Rows laid out for one forward pass over T tokens; `keep` has one entry a learned token."""

    ids: Tensor
    """Shape (1, T)."""
    positions: Tensor
    """Shape (1, T): where each token stands in its own row."""
    mask: Tensor
    """Shape (1, 1, T, T), bool: which token (second last axis) sees which (last axis)."""
    keep: Tensor
    """Shape (learned tokens,): the tokens whose logits predict a learned token."""
    targets: Tensor
    """Shape (learned tokens,): the tokens to be predicted."""
    row: Tensor
    """Shape (learned tokens,): which row each belongs to."""


def pack(rows: Sequence[Row], device: torch.device | str = "cpu") -> Packed:
    """Lay rows out as a trunk with branches.

    Args:
        rows: at least one.
        device: where the tensors belong.
    """
    trunk = shared_length([row.prompt for row in rows])
    ids = list(rows[0].prompt[:trunk])
    positions = list(range(trunk))
    owner = [-1] * trunk
    keep: list[int] = []
    targets: list[int] = []
    belongs: list[int] = []
    for number, row in enumerate(rows):
        branch = [*row.prompt[trunk:], *row.answer]
        # The last token of a row predicts nothing, and nothing needs to see it.
        start = len(ids)
        first = start + len(row.prompt) - trunk - 1
        keep += range(first, first + len(row.answer))
        targets += row.answer
        belongs += [number] * len(row.answer)
        ids += branch[:-1]
        positions += range(trunk, trunk + len(branch) - 1)
        owner += [number] * (len(branch) - 1)
    owners = torch.tensor(owner, device=device)
    seen = (owners[None, :] == owners[:, None]) | (owners[None, :] == -1)
    return Packed(
        ids=torch.tensor([ids], device=device),
        positions=torch.tensor([positions], device=device),
        mask=torch.tril(seen)[None, None],
        keep=torch.tensor(keep, device=device),
        targets=torch.tensor(targets, device=device),
        row=torch.tensor(belongs, device=device),
    )


def packed_logits(model: nn.Module, packed: Packed) -> Tensor:
    """Logits that predict the learned tokens, float32 of shape (learned tokens, vocabulary)."""
    logits = model(
        input_ids=packed.ids,
        position_ids=packed.positions,
        attention_mask=packed.mask,
        use_cache=False,
        # Logits over a whole vocabulary are the largest tensor of a step: only those needed.
        logits_to_keep=packed.keep,
    ).logits[0]
    return logits.float()


def packed_losses(model: nn.Module, packed: Packed) -> Tensor:
    """Negative log-likelihood of each learned token, in nats, of shape (learned tokens,)."""
    return functional.cross_entropy(packed_logits(model, packed), packed.targets, reduction="none")


def row_means(model: nn.Module, packed: Packed) -> Tensor:
    """Mean negative log-likelihood of each row's learned tokens, in nats, of shape (rows,)."""
    losses = packed_losses(model, packed)
    rows = int(packed.row.max()) + 1
    sums = torch.zeros(rows, device=losses.device).index_add(0, packed.row, losses)
    return sums / torch.bincount(packed.row, minlength=rows)
