"""The adapted layer says and learns what PEFT's own does, up to rounding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as PeftLinear
from torch import Tensor, nn

from lift_app.models import AdapterHost, BaseModel, Choice
from lift_app.models.adapted_linear import speed_up


def layers(dtype: torch.dtype, *, bias: bool) -> tuple[PeftLinear, PeftLinear]:
    """The same adapted layer twice; the second one has our forward."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        base = nn.Linear(32, 48, bias=bias, dtype=dtype).requires_grad_(False)
        layer = PeftLinear(base, "lift", LoraConfig(r=4), r=4, lora_alpha=6)
        layer.set_adapter(["lift"])
        nn.init.normal_(layer.lora_B["lift"].weight, std=0.1)
        made.append(layer)
    assert speed_up(made[1]) is not None
    return made[0], made[1]


def learned(layer: PeftLinear, x: Tensor) -> list[Tensor]:
    """Output and every gradient, in float32."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (y.float() * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    down, up = layer.lora_A["lift"].weight, layer.lora_B["lift"].weight
    assert layer.get_base_layer().weight.grad is None
    return [t.detach().float() for t in (y, x.grad, down.grad, up.grad)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_outputs_and_gradients_are_those_of_peft(
    dtype: torch.dtype, near: float, bias: bool
) -> None:
    peft, ours = layers(dtype, bias=bias)
    x = torch.randn(2, 10, 32, dtype=dtype)
    for expected, found in zip(learned(peft, x), learned(ours, x), strict=True):
        assert (expected - found).norm() <= near * expected.norm()
    with torch.no_grad():
        assert torch.equal(ours(x), ours(x))
        assert (peft(x).float() - ours(x).float()).norm() <= near * peft(x).float().norm()


def test_nothing_is_computed_for_what_needs_no_gradient() -> None:
    _, ours = layers(torch.float32, bias=False)
    x = torch.randn(3, 32)  # as the first layer's input, above frozen embeddings
    ours.lora_A["lift"].weight.requires_grad_(False)
    ours(x).sum().backward()
    assert x.grad is None and ours.lora_A["lift"].weight.grad is None
    assert ours.lora_B["lift"].weight.grad is not None


def test_an_adapter_that_is_off_is_the_base() -> None:
    _, ours = layers(torch.float32, bias=True)
    x = torch.randn(3, 32)
    ours.enable_adapters(False)
    assert torch.equal(ours(x), ours.get_base_layer()(x))


def test_other_kinds_of_layers_keep_the_forward_of_peft() -> None:
    class Packed(nn.Linear):
        """As a quantised layer, whose weight is no matrix."""

    layer = PeftLinear(Packed(8, 8), "lift", LoraConfig(r=2), r=2, lora_alpha=2)
    assert speed_up(layer) is None
    assert "forward" not in vars(layer)


def test_rounded_weights_do_not_outlive_a_step(load_base: Callable[..., BaseModel]) -> None:
    host = AdapterHost(load_base(choice=Choice("cpu", "bf16", None, "a test")))
    host.reset("lift", 4, 8)
    ids = torch.arange(5, 25)[None]
    with host.active("lift"):
        before = host.model(ids).logits
    with host.training("lift"):
        with host.active("lift"):
            assert torch.equal(host.model(ids).logits, before)
        with torch.no_grad():
            for parameter in host.parameters("lift"):
                parameter.add_(0.1)
    with host.active("lift"):
        assert not torch.equal(host.model(ids).logits, before)
