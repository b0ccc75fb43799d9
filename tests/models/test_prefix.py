"""Kept prefixes: the same numbers as without them, and none that an adapter has outgrown."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lift_app.models import AdapterHost, BaseModel, Choice
from lift_app.models.prefix import Prefixes

PREFIX = tuple(range(5, 45))
REST = torch.arange(60, 70)[None]
GO = threading.Event()


@pytest.fixture(params=["fp32", "bf16"])
def host(load_base: Callable[..., BaseModel], request: pytest.FixtureRequest) -> AdapterHost:
    host = AdapterHost(load_base(choice=Choice("cpu", request.param, None, "a test")))
    change(host, 1)
    return host


def change(host: AdapterHost, seed: int) -> None:
    """Put an adapter into the slot that changes what the model says."""
    host.reset("lift", 4, 8, seed=seed)
    torch.manual_seed(seed)
    host.load_state("lift", {n: torch.randn_like(t) for n, t in host.state("lift").items()})


def read_on(host: AdapterHost) -> Tensor:
    """Logits of the rest after the prefix, which may have been kept."""
    cache = host.read(PREFIX, GO)
    logits: Tensor = host.model(input_ids=REST, past_key_values=cache, use_cache=True).logits
    return logits


def test_a_kept_prefix_changes_nothing(host: AdapterHost) -> None:
    with host.active("lift", 0.5):
        first, second = read_on(host), read_on(host)
        assert len(host.prefixes) == 1
        host.prefixes.clear()
        assert torch.equal(first, second) and torch.equal(read_on(host), first)
        whole = host.model(input_ids=torch.cat([torch.tensor([PREFIX]), REST], dim=1)).logits
        assert torch.allclose(first, whole[:, len(PREFIX) :], rtol=0.1, atol=0.1)


def test_slot_strength_and_tokens_are_told_apart(host: AdapterHost) -> None:
    seen = []
    for strength in (1.0, 0.5):
        with host.active("lift", strength):
            seen.append(read_on(host))
    with host.disabled():
        seen.append(read_on(host))
        host.read(PREFIX[:-1], GO)
    assert len(host.prefixes) == 4
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])


@pytest.mark.parametrize("how", ["reset", "load_state", "drop", "training", "shape"])
def test_an_adapter_that_changes_loses_its_prefixes(host: AdapterHost, how: str) -> None:
    with host.active("lift"):
        before = read_on(host)
    with host.disabled():
        base = read_on(host)
    if how == "training":
        with host.training("lift"):
            with host.active("lift"):
                read_on(host)  # an answer while a step is under way
            with torch.no_grad():
                host.parameters("lift")[1].add_(1.0)
    elif how == "load_state":
        host.load_state("lift", {n: t + 1 for n, t in host.state("lift").items()})
    elif how == "drop":
        host.drop("lift")
    elif how == "shape":
        host.reset("lift", 2, 4)
    else:
        host.reset("lift", 4, 8)
    assert len(host.prefixes) == 1  # that of the base, which does not change
    if how != "drop":
        with host.active("lift"):
            assert not torch.equal(read_on(host), before)
    with host.disabled():
        assert torch.equal(read_on(host), base)


def test_memory_is_bounded_and_the_oldest_goes(host: AdapterHost) -> None:
    with host.disabled() as model:
        host.read(PREFIX, GO)
        one = host.prefixes.bytes
        assert one > 0
        small = Prefixes(most_bytes=2 * one)
        for start in (0, 1, 0, 2):
            small.read(model, [start, *PREFIX[1:]], None, 1.0, GO)
        assert small.bytes == 2 * one
        kept = {key[2][0] for key in small._kept}
        assert kept == {0, 2}  # 1 was not used for longest
        none = Prefixes(most_bytes=one - 1)
        assert none.read(model, PREFIX, None, 1.0, GO).get_seq_length() == len(PREFIX)
        assert len(none) == none.bytes == 0


def test_what_is_lent_can_be_written_into(host: AdapterHost) -> None:
    with host.disabled() as model:
        cache = host.read(PREFIX, GO)
        model(input_ids=REST, past_key_values=cache, use_cache=True)
        assert host.read(PREFIX, GO).get_seq_length() == len(PREFIX)


def test_nothing_is_kept_of_what_was_stopped(host: AdapterHost) -> None:
    stopped = threading.Event()
    stopped.set()
    with host.disabled():
        assert host.read(PREFIX, stopped) is None
        assert host.read((), GO) is None
    assert len(host.prefixes) == 0
