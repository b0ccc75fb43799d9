"""Auxiliary losses: what a group of tasks adds to the loss of a step.

L = L_input + task_weight * L_AT + distillation_weight * KL(closed book) + retention_weight *
KL(open book and general prompts), each a mean over its learned tokens (arXiv 2412.13626, section
3.2; the teacher of every distance is the base with the adapter off, and with the extract in its
context where there is one).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lift_app.lifting.distillation import divergence, teach
from lift_app.lifting.packing import Row, pack, packed_logits
from lift_app.lifting.recipe import Recipe
from lift_app.models.lora import AdapterHost


@dataclass(frozen=True)
class TaskRows:
    """What a group of tasks puts before the model."""

    opened: tuple[Row, ...]
    """The tasks with their extract in the context; at least one."""
    closed: tuple[Row, ...]
    """The same tasks without it."""
    general: tuple[tuple[Row, ...], ...] = ()
    """Prompts that have nothing to do with the book, in groups that begin alike."""


def add_gradients(host: AdapterHost, slot: str, rows: TaskRows, recipe: Recipe) -> float:
    """Add the gradients of a group of tasks to those of the adapter in `slot`.

    Args:
        host: the base model.
        slot: the adapter that learns.
        rows: the tasks.
        recipe: the weights.

    Returns:
        The weighted loss, in nats.
    """
    device = host.base.device
    with_extract, without = pack(rows.opened, device), pack(rows.closed, device)
    # Which learned tokens are read with the extract: those of every second task, or none.
    second = with_extract.row % 2 == 1
    asked_open = second if recipe.open_book and recipe.task_weight else torch.zeros_like(second)
    losses: list[tuple[float, Tensor]] = []
    general = [pack(group, device) for group in rows.general] if recipe.retention_weight else []
    teaching = None
    with host.disabled() as model:
        if recipe.distillation_weight or recipe.retention_weight:
            teaching = teach(packed_logits(model, with_extract))
        kept = [(packed, teach(packed_logits(model, packed))) for packed in general]
    with host.training(slot) as model:
        if recipe.retention_weight or asked_open.any():
            logits = packed_logits(model, with_extract)
            if teaching is not None and recipe.retention_weight:
                losses.append((recipe.retention_weight, divergence(logits, teaching)))
            if asked_open.any():
                losses.append(
                    (recipe.task_weight, _labels(logits, with_extract.targets)[asked_open])
                )
        if recipe.distillation_weight or (recipe.task_weight and not asked_open.all()):
            logits = packed_logits(model, without)
            if teaching is not None and recipe.distillation_weight:
                losses.append((recipe.distillation_weight, divergence(logits, teaching)))
            if recipe.task_weight and not asked_open.all():
                losses.append((recipe.task_weight, _labels(logits, without.targets)[~asked_open]))
        for packed, taught in kept:
            away = divergence(packed_logits(model, packed), taught)
            losses.append((recipe.retention_weight, away))
        total = sum((weight * values.mean() for weight, values in losses), torch.zeros(()))
        if losses:
            total.backward()
    return float(total.detach())


def _labels(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits, targets, reduction="none")
