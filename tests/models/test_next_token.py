"""Losses by chunks are those of whole logits, and a model that does more to them is found out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lift_app.models import AdapterHost
from lift_app.models import next_token as losses_of
from lift_app.models.next_token import next_token_losses

ROWS = torch.stack([torch.arange(5, 45), torch.arange(60, 100)])


def learned(host: AdapterHost) -> tuple[Tensor, list[Tensor]]:
    """Losses, and the gradients of a weighted sum of them."""
    host.reset("lift", 4, 8, seed=1)
    host.load_state("lift", {n: torch.full_like(t, 0.02) for n, t in host.state("lift").items()})
    with host.training("lift"):
        losses = next_token_losses(host.model, ROWS, 30)
        (losses * torch.linspace(0, 1, losses.numel()).view(losses.shape)).sum().backward()
    return losses.detach(), [p.grad for p in host.parameters("lift")]  # type: ignore[misc]


@pytest.mark.parametrize("chunk", [1, 7 * 4 * 259, 10**9])
def test_chunks_change_nothing(
    host: AdapterHost, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses_of, "_is_bare", lambda *_: False)
    expected, gradients = learned(host)
    monkeypatch.setattr(losses_of, "_is_bare", lambda *_: True)
    monkeypatch.setattr(losses_of, "CHUNK_BYTES", chunk)
    found, by_chunks = learned(host)
    assert found.shape == (2, 30)
    assert torch.allclose(found, expected, atol=1e-5)
    for left, right in zip(gradients, by_chunks, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-6)


def test_a_model_is_tried_before_it_is_trusted(host: AdapterHost) -> None:
    assert losses_of._is_bare(host.model, ROWS)
    whole = host.model.forward

    def capped(*args: object, **options: object) -> object:
        """As models that bound their logits."""
        out = whole(*args, **options)
        out.logits = torch.tanh(out.logits)
        return out

    losses_of._bare.pop(host.model)
    host.model.forward = capped
    try:
        assert not losses_of._is_bare(host.model, ROWS)
        losses, _ = learned(host)
        with torch.no_grad():
            logits = host.model(ROWS).logits
        base = torch.nn.functional.cross_entropy(logits[0, 9:39], ROWS[0, 10:], reduction="none")
        assert losses[0].mean() == pytest.approx(base.mean().item(), abs=0.2)
    finally:
        del host.model.forward
        losses_of._bare.pop(host.model)
