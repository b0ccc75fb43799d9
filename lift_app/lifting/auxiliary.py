"""Auxiliary losses: what a step learns, or is held to, beside the text of the book.

L = L_input + task_weight * L_AT + distillation_weight * KL(closed book) + retention_weight *
KL(open book) + general_weight * KL(general prompts), each a mean over its learned tokens (arXiv
2412.13626, section 3.2; the teacher of every distance is the base with the adapter off, and with
the extract in its context where there is one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lift_app.lifting.distillation import divergence, teach
from lift_app.lifting.general import general_rows
from lift_app.lifting.packing import Row, pack, packed_logits
from lift_app.lifting.recipe import Recipe
from lift_app.models.base_model import BaseModel
from lift_app.models.lora import AdapterHost


@dataclass(frozen=True)
class TaskRows:
    """What a step puts before the model beside its segments."""

    opened: tuple[Row, ...] = ()
    """Tasks with their extract in the context."""
    closed: tuple[Row, ...] = ()
    """The same tasks without it."""
    labelled_open: tuple[bool, ...] = ()
    """Which of them are learned with their extract, where a recipe wants half of them so."""
    general: tuple[Row, ...] = ()
    """Prompts that have nothing to do with the book; they begin alike."""


NOTHING_BESIDE = TaskRows()


def general_beside(base: BaseModel, recipe: Recipe, step: int) -> TaskRows:
    """What a step has beside its segments where no tasks are: the recipe's general prompts."""
    # In the middle of those steps: the first ones hardly move the adapter, the last ones do.
    number, rest = divmod(step, recipe.general_every)
    if not recipe.general_weight or rest != recipe.general_every // 2:
        return NOTHING_BESIDE
    return TaskRows(general=tuple(general_rows(base, recipe.seed, number)))


def add_gradients(host: AdapterHost, slot: str, rows: TaskRows, recipe: Recipe) -> float:
    """Add the gradients of tasks and general prompts to those of the adapter in `slot`.

    Args:
        host: the base model.
        slot: the adapter that learns.
        rows: what they are.
        recipe: the weights.

    Returns:
        The weighted loss, in nats.
    """
    total = 0.0
    if rows.general and recipe.general_weight:
        general = pack(rows.general, host.base.device)
        with host.disabled() as model:
            taught = teach(packed_logits(model, general))
        with host.training(slot) as model:
            away = divergence(packed_logits(model, general), taught)
            total += _backward([(recipe.general_weight, away)])
    if rows.opened:
        total += _add_tasks(host, slot, rows, recipe)
    return total


def _add_tasks(host: AdapterHost, slot: str, rows: TaskRows, recipe: Recipe) -> float:
    """The gradients of one group of tasks."""
    with_extract, without = (pack(part, host.base.device) for part in (rows.opened, rows.closed))
    halves = recipe.open_book and recipe.task_weight
    opened = torch.tensor(rows.labelled_open if halves else [False] * len(rows.opened))
    # By learned token.
    asked_open = opened.to(with_extract.row.device)[with_extract.row]
    losses: list[tuple[float, Tensor]] = []
    teaching = None
    if recipe.distillation_weight or recipe.retention_weight:
        with host.disabled() as model:
            teaching = teach(packed_logits(model, with_extract))
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
        return _backward(losses)


def _backward(losses: Sequence[tuple[float, Tensor]]) -> float:
    """The gradients of weighted means; the loss that they are of."""
    if not losses:
        return 0.0
    total = torch.stack([weight * values.mean() for weight, values in losses]).sum()
    total.backward()
    return float(total.detach())


def _labels(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits, targets, reduction="none")
