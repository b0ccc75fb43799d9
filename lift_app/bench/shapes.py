"""Shapes: base models with random weights, to time a step without a model on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lift_app.errors import CallerError
from lift_app.models.device import choose_device
from lift_app.models.identity import ModelFolder
from lift_app.settings import Settings

SHAPES: dict[str, dict[str, Any]] = {
    "llama-3-8b": {
        "vocab_size": 128_256,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "rope_theta": 500_000.0,
    },
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.2,
    },
}
"""Configurations of Llama by name; `tiny` is for the code and not for its figures."""


def make_base(shape: str, settings: Settings, layers: int | None = None) -> Any:
    """A base model of a shape, random weights by seed 0, on the chosen device.

    Args:
        shape: a name of `SHAPES`.
        settings: `device`, `precision` and `threads`.
        layers: so many of its layers; None for all.

    Raises:
        CallerError: there is no such shape.
    """
    if shape not in SHAPES:
        raise CallerError(f"There is no shape {shape!r}. Choose one of: {', '.join(SHAPES)}.")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lift_app.models.base_model import BaseModel

    numbers = SHAPES[shape] | ({"num_hidden_layers": layers} if layers else {})
    config = LlamaConfig(**numbers, tie_word_embeddings=False)
    choice = choose_device(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if choice.precision == "bf16" else torch.float32)
    try:
        torch.manual_seed(0)
        with torch.device(choice.device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    identity = ModelFolder(
        path=Path(shape),
        name=shape,
        weights_sha256="",
        window=config.max_position_embeddings,
        parameters=sum(p.numel() for p in model.parameters()),
        layers=config.num_hidden_layers,
        vocabulary=config.vocab_size,
        source="random weights",
    )
    return BaseModel(model, None, identity, choice)
