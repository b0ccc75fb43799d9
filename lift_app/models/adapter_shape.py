"""The shape of an adapter: its rank and layers, and whether tensors from outside have it.

Knows layer names and sizes; holds no model and no weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lift_app.errors import CallerError, LiftError
from lift_app.models.adapter_file import PEFT_PREFIX, AdapterFile
from lift_app.models.linear_layers import last_parts, matches

ALL_LINEAR = "all-linear"
"""Every linear layer but the output layer: attention and MLP (MLPs included)."""


@dataclass(frozen=True)
class Shape:
    """Rank and full layer names, in the model's order: what in-place changes must keep."""

    rank: int
    targets: tuple[str, ...]


def resolve(targets: str | tuple[str, ...], names: tuple[str, ...], model: str) -> tuple[str, ...]:
    """Full names of the layers that `targets` means, in the model's order.

    Args:
        targets: `ALL_LINEAR`, or last parts of layer names.
        names: every layer.
        model: name of the base model, for the reader.

    Raises:
        CallerError: a target that no layer has.
    """
    if targets == ALL_LINEAR:
        return names
    wanted = (targets,) if isinstance(targets, str) else tuple(targets)
    for target in wanted:
        if not any(matches(name, target) for name in names):
            raise CallerError(
                f"The base model {model} has no linear layer {target!r}; it has "
                f"{', '.join(last_parts(names))}."
            )
    return tuple(name for name in names if any(matches(name, target) for target in wanted))


def targets_of(
    found: AdapterFile, folder: Path, names: tuple[str, ...], model: str
) -> tuple[str, ...]:
    """The layers that an adapter file should hold, by its own configuration.

    Raises:
        LiftError: none of them is in the model.
    """
    if found.target_modules == (ALL_LINEAR,):
        return names
    targets = tuple(
        name for name in names if any(matches(name, target) for target in found.target_modules)
    )
    if not targets:
        raise LiftError(
            f"The adapter in {folder} is for layers ({', '.join(found.target_modules)}) that the "
            f"base model {model} does not have. Load the model that it was made on.",
            code="base_mismatch",
        )
    return targets


def check_tensors(
    tensors: Mapping[str, Tensor],
    shape: Shape,
    features: Mapping[str, tuple[int, int]],
    where: str,
    model: str,
) -> None:
    """Make sure that tensors are those of an adapter of this shape, by name and size.

    Args:
        tensors: named as in a PEFT file.
        shape: what they should have.
        features: inputs and outputs of each layer.
        where: they come from, for the reader.
        model: name of the base model, for the reader.

    Raises:
        LiftError: one is missing, unknown, or of another size.
    """
    expected = dict(_expected(shape, features))
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise LiftError(f"{where} is incomplete: {name} is missing.", code="damaged")
        if name not in expected:
            raise LiftError(
                f"{where} holds {name}, which belongs to no adapted layer of the base model "
                f"{model}.",
                code="base_mismatch",
            )
        if tuple(tensors[name].shape) != expected[name]:
            raise LiftError(
                f"{where} does not fit the base model {model}: {name} has shape "
                f"{tuple(tensors[name].shape)}, expected {expected[name]}.",
                code="base_mismatch",
            )


def _expected(
    shape: Shape, features: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[str, tuple[int, int]]]:
    for name in shape.targets:
        inputs, outputs = features[name]
        yield f"{PEFT_PREFIX}{name}.lora_A.weight", (shape.rank, inputs)
        yield f"{PEFT_PREFIX}{name}.lora_B.weight", (outputs, shape.rank)
