"""A start's weights: laid into a base model, or joined with a book's adapter for export.

Once laid in, the start belongs to the base: "adapter off" keeps it, every teacher keeps it, and
the strength scales the book's adapter alone (arXiv 2502.14644).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lift_app.errors import LiftError
from lift_app.models.adapter_file import PEFT_PREFIX, AdapterFile, read_adapter
from lift_app.models.linear_layers import linear_layers, matches
from lift_app.models.starts import Start, verify_start

_DOWN = ".lora_A.weight"
_UP = ".lora_B.weight"


def lay_in(model: nn.Module, start: Start) -> None:
    """Add a start to the weights of a base model, in place.

    Args:
        model: not quantised; each weight keeps its type.
        start: made for this model.

    Raises:
        LiftError: damaged, or its layers are not the model's.
    """
    verify_start(start)
    found = read_adapter(start.path)
    layers = linear_layers(model)
    with torch.no_grad():
        for name, update in _updates(found).items():
            layer = layers.get(name)
            weight = getattr(layer, "weight", None)
            if weight is None or not isinstance(weight, Tensor):
                raise LiftError(
                    f"The start {start.name} has a layer {name} that the base model does not have.",
                    code="base_mismatch",
                )
            # Conv1D keeps its weight as (inputs, outputs).
            change = update if isinstance(layer, nn.Linear) else update.T
            if change.shape != weight.shape:
                raise LiftError(
                    f"The start {start.name} does not fit the base model: {name} is "
                    f"{tuple(weight.shape)}, not {tuple(change.shape)}.",
                    code="base_mismatch",
                )
            weight.copy_(weight.float() + change.to(weight.device))


def joined(start: Path, adapter: Path, strength: float = 1.0) -> AdapterFile:
    """One plain adapter that does what a start and a book's adapter do together.

    Both are laid side by side along the rank, so the base model alone can load the result. The
    book's rows stand last and, at full strength, are the very numbers of its adapter, so that
    `split_off` gets them back.

    Args:
        start: folder of the start.
        adapter: folder of the book's adapter that was trained on it.
        strength: factor on the book's part alone, 0 to 1.

    Raises:
        LiftError: one of them is damaged.
    """
    first, second = read_adapter(start), read_adapter(adapter)
    factor = second.alpha / second.rank
    tensors: dict[str, Tensor] = {}
    pairs = {**_shapes(first), **_shapes(second)}
    for name, (inputs, outputs) in pairs.items():
        downs, ups = [], []
        for file, scale in ((first, _factor(first, second)), (second, strength)):
            down = file.tensors.get(f"{name}{_DOWN}")
            up = file.tensors.get(f"{name}{_UP}")
            if down is None or up is None:
                down, up = torch.zeros(file.rank, inputs), torch.zeros(outputs, file.rank)
            downs.append(down.float())
            ups.append(up.float() * scale)
        tensors[f"{name}{_DOWN}"] = torch.cat(downs).contiguous()
        tensors[f"{name}{_UP}"] = torch.cat(ups, dim=1).contiguous()
    rank = first.rank + second.rank
    return AdapterFile(
        rank=rank,
        alpha=_whole(factor * rank),  # the scale of the book's part is that of the whole
        target_modules=tuple(sorted({*first.target_modules, *second.target_modules})),
        tensors=tensors,
        base_name=second.base_name,
        base_sha256=second.base_sha256,
    )


def scaled(adapter: Path, strength: float) -> AdapterFile:
    """A book's adapter at a strength, where there is no start.

    Raises:
        LiftError: it is damaged.
    """
    file = read_adapter(adapter)
    tensors = {
        name: tensor.float() * strength if name.endswith(_UP) else tensor.float()
        for name, tensor in file.tensors.items()
    }
    return replace(file, tensors=tensors)


def split_off(whole: AdapterFile, start: Path, book: AdapterFile) -> AdapterFile:
    """The book's part of what `joined` made, number for number.

    Args:
        whole: both parts side by side, at full strength.
        start: folder of the start that it was made with.
        book: rank, alpha and layers of the book's part, and its origin; its tensors do not count.

    Raises:
        LiftError: the first part is not this start (code `base_mismatch`).
    """
    first = read_adapter(start)
    tensors: dict[str, Tensor] = {}
    for name in _shapes(whole):
        down, up = whole.tensors[f"{name}{_DOWN}"], whole.tensors[f"{name}{_UP}"]
        for part, suffix, scale in (
            (down[: -book.rank], _DOWN, 1.0),
            (up[:, : -book.rank], _UP, _factor(first, book)),
        ):
            known = first.tensors.get(f"{name}{suffix}")
            expected = torch.zeros_like(part) if known is None else known.float() * scale
            if part.shape != expected.shape or not torch.allclose(part, expected):
                raise LiftError(
                    "The adapter does not hold the start that it names, so what it learned of the "
                    "book cannot be told from it. Nothing was kept; have it exported again.",
                    code="base_mismatch",
                )
        if any(matches(name.removeprefix(PEFT_PREFIX), target) for target in book.target_modules):
            tensors[f"{name}{_DOWN}"] = down[-book.rank :].contiguous()
            tensors[f"{name}{_UP}"] = up[:, -book.rank :].contiguous()
    return replace(book, tensors=tensors)


def _factor(start: AdapterFile, book: AdapterFile) -> float:
    """What the start's numbers are scaled by, where the scale of the whole is the book's."""
    return (start.alpha / start.rank) / (book.alpha / book.rank)


def _whole(number: float) -> float:
    """A whole number as such: not every reader of the format expects another."""
    return int(number) if number == int(number) else number


def _updates(file: AdapterFile) -> dict[str, Tensor]:
    """What each layer's weight changes by, of shape (outputs, inputs), by the layer's name."""
    updates = {}
    for name in _shapes(file):
        down, up = file.tensors[f"{name}{_DOWN}"], file.tensors[f"{name}{_UP}"]
        updates[name.removeprefix(PEFT_PREFIX)] = file.alpha / file.rank * up.float() @ down.float()
    return updates


def _shapes(file: AdapterFile) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each adapted layer, by its name in PEFT."""
    return {
        name.removesuffix(_DOWN): (
            tensor.shape[1],
            file.tensors[f"{name.removesuffix(_DOWN)}{_UP}"].shape[0],
        )
        for name, tensor in file.tensors.items()
        if name.endswith(_DOWN)
    }
