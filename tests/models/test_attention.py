"""Short attention: the outputs and gradients of torch's own, and only where it is meant to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lift_app.models import BaseModel, Choice
from lift_app.models import attention as short
from lift_app.models.attention import NAME


def attended(how: str, parts: list[Tensor]) -> list[Tensor]:
    """Output and gradients of causal attention, 6 heads that share 2 of keys."""
    query, key, value = (part.clone().requires_grad_() for part in parts)
    if how == "short":
        out = short._Short.apply(query, key, value, None, 0.25)
    else:
        out = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=0.25, enable_gqa=True
        )
    out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape))
    return [out.detach(), query.grad, key.grad, value.grad]  # type: ignore[list-item]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.bfloat16, 1e-2)])
def test_outputs_and_gradients_are_those_of_torch(dtype: torch.dtype, near: float) -> None:
    torch.manual_seed(0)
    # As a projection leaves them: tokens before heads in memory.
    parts = [torch.randn(3, 20, heads, 16).transpose(1, 2) for heads in (6, 2, 2)]
    exact = attended("torch", [part.double() for part in parts])
    found = attended("short", [part.to(dtype) for part in parts])
    for expected, got in zip(exact, found, strict=True):
        assert (expected - got.double()).norm() <= near * expected.norm()


def test_it_is_for_training_steps_in_bf16_and_the_rest_is_as_it_was(
    load_base: Callable[..., BaseModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_base(choice=Choice("cpu", "bf16", None, "a test"))
    assert base.model.config._attn_implementation == NAME
    calls = []
    taken = short._Short.apply
    monkeypatch.setattr(short._Short, "apply", lambda *a: (calls.append(1), taken(*a))[1])
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        plain = base.model(ids).logits
    assert not calls
    trained = base.model(ids).logits
    assert len(calls) == base.model.config.num_hidden_layers
    assert (plain - trained).norm() <= 1e-2 * plain.norm()
    calls.clear()
    base.model(ids, attention_mask=torch.ones(1, 1, 20, 20, dtype=torch.bool))
    monkeypatch.setattr(short, "MOST_BYTES", 0)
    base.model(ids)
    assert not calls
    load_base(choice=Choice("cpu", "fp32", None, "a test")).model(ids)
    assert not calls
