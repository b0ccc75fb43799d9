"""Distillation: a student held to a teacher's likeliest tokens.

The teacher is the same base with the adapter off and the extract in its context, so it costs no
second model (as in Cartridges). Without the extract in the student's prompt this
teaches what the extract says; with it, it keeps the base's way of reading a context (open-book
retention). The teacher's tail is left out, so even a student equal to it has a small distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOP = 16
"""Tokens of the teacher's distribution that are kept."""


@dataclass(frozen=True)
class Teaching:
    """What a teacher says at each learned token."""

    tokens: Tensor
    """Shape (learned tokens, TOP): ids."""
    probabilities: Tensor
    """Same shape: their probabilities, scaled to sum to 1."""


def teach(logits: Tensor) -> Teaching:
    """Keep the likeliest tokens of a teacher.

    Args:
        logits: shape (learned tokens, vocabulary).
    """
    kept = logits.topk(min(TOP, logits.shape[-1]), dim=-1)
    return Teaching(kept.indices, torch.softmax(kept.values, dim=-1))


def divergence(logits: Tensor, teaching: Teaching) -> Tensor:
    """Kullback-Leibler divergence of a student from what was taught, in nats a learned token.

    Args:
        logits: the student's, of shape (learned tokens, vocabulary).
        teaching: of the same answers.
    """
    student = torch.log_softmax(logits, dim=-1).gather(1, teaching.tokens)
    teacher = teaching.probabilities
    return (teacher * (teacher.clamp_min(1e-9).log() - student)).sum(dim=-1)
