"""Shapes: sizes of base models, and models of random weights, to time a step without a real one."""

from __future__ import annotations

from dataclasses import dataclass
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
    "smollm2-135m": {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "rope_theta": 100_000.0,
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


@dataclass(frozen=True)
class Sizes:
    """Numbers of weights of a shape: what a paper estimate needs to know of a model."""

    layers: int
    linear: int
    """Of all linear layers but the output layer."""
    output: int
    """Of the output layer; as many as the embeddings have."""
    features: int
    """Inputs and outputs of all linear layers added up: weights of an adapter of rank 1."""
    attention_width: int
    """Of all heads of a layer."""
    kept_a_token: int
    """Numbers that a conversation keeps of a token: keys and values of all layers."""

    @property
    def base(self) -> int:
        """Of the whole model, less its norms."""
        return self.linear + 2 * self.output

    def adapter_weights(self, rank: int) -> int:
        """Of an adapter on all linear layers."""
        return rank * self.features


def sizes_of(shape: str) -> Sizes:
    """The sizes of a shape. Needs no torch.

    Raises:
        CallerError: there is no such shape.
    """
    config = _config(shape)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    kept = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    # Queries and output of attention; keys and values; gate and up; down.
    linear = [*[(hidden, hidden)] * 2, *[(hidden, kept)] * 2, *[(hidden, inner)] * 3]
    layers = config["num_hidden_layers"]
    return Sizes(
        layers=layers,
        linear=layers * sum(a * b for a, b in linear),
        output=config["vocab_size"] * hidden,
        features=layers * sum(a + b for a, b in linear),
        attention_width=hidden,
        kept_a_token=layers * 2 * kept,
    )


def make_base(shape: str, settings: Settings, layers: int | None = None) -> Any:
    """A base model of a shape, random weights by seed 0, on the chosen device.

    Args:
        shape: a name of `SHAPES`.
        settings: `device`, `precision` and `threads`.
        layers: so many of its layers; None for all.

    Raises:
        CallerError: there is no such shape.
    """
    config = _config(shape)
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lift_app.models.base_model import BaseModel

    config = config | ({"num_hidden_layers": layers} if layers else {})
    llama = LlamaConfig(**config, tie_word_embeddings=False)
    choice = choose_device(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if choice.precision == "bf16" else torch.float32)
    try:
        torch.manual_seed(0)
        with torch.device(choice.device):
            model = LlamaForCausalLM(llama)
    finally:
        torch.set_default_dtype(before)
    identity = ModelFolder(
        path=Path(shape),
        name=shape,
        weights_sha256="",
        window=llama.max_position_embeddings,
        parameters=sum(p.numel() for p in model.parameters()),
        layers=llama.num_hidden_layers,
        vocabulary=llama.vocab_size,
        source="random weights",
    )
    return BaseModel(model, None, identity, choice)


def _config(shape: str) -> dict[str, Any]:
    if shape not in SHAPES:
        raise CallerError(f"There is no shape {shape!r}. Choose one of: {', '.join(SHAPES)}.")
    return SHAPES[shape]
