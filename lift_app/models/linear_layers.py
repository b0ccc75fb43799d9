"""Which layers of a model an adapter can sit on, and what they are called.

Knows the types of layers and PEFT's way of naming them; holds no state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Linear layers by full name, in the model's order, without the output layer.

    Found by type, so that any architecture and any quantised linear layer (they derive from
    `nn.Linear`) is found.
    """
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()  # type: ignore[operator]
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not output
    }


def layout_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Numbers of inputs and outputs of each linear layer, without loading a weight.

    Args:
        folder: of a model as transformers saves it.

    Raises:
        OSError, ValueError: it is no model that transformers knows.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return {name: features(layer) for name, layer in linear_layers(model).items()}


def features(layer: Any) -> tuple[int, int]:
    """Numbers of inputs and outputs; a packed 4-bit weight does not tell, its layer does."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.weight.shape[0], layer.weight.shape[1]


def remove_adapters(model: nn.Module) -> None:
    """Put the plain layers back that an earlier host has wrapped."""
    from peft.tuners.lora import LoraLayer

    wrapped = [(name, m) for name, m in model.named_modules() if isinstance(m, LoraLayer)]
    for name, layer in wrapped:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())


def matches(name: str, target: str) -> bool:
    """Whether a target (a full name or its last parts) means this layer, as PEFT reads it."""
    return name == target or name.endswith(f".{target}")


def upper_layers(names: tuple[str, ...], share: float) -> tuple[str, ...]:
    """The layers in the upper part of a model, by the number in their names; at least one block's.

    Args:
        names: full names of layers, such as `model.layers.7.mlp.up_proj`.
        share: of the blocks, above 0; 1 is all names.
    """
    if share >= 1:
        return names
    block = {
        name: int(number)
        for name in names
        if (number := next(filter(str.isdecimal, name.split(".")), None)) is not None
    }
    blocks = sorted(set(block.values()))
    kept = blocks[len(blocks) - max(1, round(share * len(blocks))) :]
    return tuple(name for name in names if block.get(name) in kept) or names


def last_parts(names: tuple[str, ...]) -> tuple[str, ...]:
    """The different last parts of layer names, sorted."""
    return tuple(sorted({name.rpartition(".")[2] for name in names}))


def shortest_targets(targets: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The shortest way to say `targets` to PEFT: last parts where those mean no other layer."""
    parts = last_parts(targets)
    meant = {name for name in names if name.rpartition(".")[2] in parts}
    return parts if meant == set(targets) else targets
