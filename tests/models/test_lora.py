"""Adapters: an answer between two training steps leaves no trace; what is saved comes back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model
from torch import Tensor

from lift_app.errors import CallerError, LiftError
from lift_app.models import AdapterHost, BaseModel, Choice

IDS = torch.arange(5, 45)[None]
OTHER_IDS = torch.arange(60, 90)[None]


def logits(host: AdapterHost, ids: Tensor = IDS) -> Tensor:
    return host.model(ids).logits


def filled(host: AdapterHost, slot: str, seed: int, rank: int = 4) -> None:
    """A slot whose B is not zero, so that it changes the logits."""
    host.reset(slot, rank, 2 * rank, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in host.state(slot).items()
    }
    host.load_state(slot, state)


def train(
    host: AdapterHost, steps: int, between: Callable[[int], None] | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    host.reset("lift", 4, 8, seed=7)
    optimizer = torch.optim.AdamW(host.parameters("lift"), lr=1e-2)
    losses = []
    for step in range(steps):
        with host.training("lift"):
            loss = host.model(IDS, labels=IDS).loss
            loss.backward()
            if between:
                between(step)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if between:
            between(step)
    return losses, host.state("lift")


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_fresh_adapter_changes_nothing_and_sits_on_all_linear_layers_but_the_head(
    host: AdapterHost,
) -> None:
    before = logits(host)
    host.reset("lift", 4, 8)
    with host.active("lift"):
        assert torch.equal(logits(host), before)
    names = {name.split(".")[-3] for name in host.state("lift")}
    assert names == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }
    assert len(host.parameters("lift")) == 2 * 7 * 2


def test_untied_output_layer_is_left_out(
    tmp_path: Path, load_base: Callable[..., BaseModel]
) -> None:
    host = AdapterHost(load_base(make_tiny_model(tmp_path / "untied", tied=False)))
    host.reset("lift", 2, 4)
    assert not any("lm_head" in name for name in host.state("lift"))


def test_reset_depends_on_the_seed_alone_and_leaves_the_global_generator_alone(
    host: AdapterHost,
) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    host.reset("lift", 4, 8, seed=5)
    assert torch.equal(torch.rand(3), expected)
    first = host.state("lift")
    torch.manual_seed(99)
    host.reset("answer", 4, 8, seed=5)
    assert same(first, host.state("answer"))
    host.reset("answer", 4, 8, seed=6)
    assert not same(first, host.state("answer"))
    name = next(name for name in first if name.endswith("down_proj.lora_A.weight"))
    bound = 1 / math.sqrt(first[name].shape[1])
    assert 0 < first[name].abs().max() <= bound
    assert all(not tensor.any() for name, tensor in first.items() if "lora_B" in name)


def test_reset_of_the_same_shape_keeps_the_parameter_objects(host: AdapterHost) -> None:
    host.reset("lift", 4, 8, seed=1)
    before = host.parameters("lift")
    with host.training("lift"):
        host.model(IDS, labels=IDS).loss.backward()
    host.reset("lift", 4, 16, seed=2)
    after = host.parameters("lift")
    assert all(left is right for left, right in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)


def test_alpha_takes_effect_when_the_slot_is_reset_in_place(host: AdapterHost) -> None:
    filled(host, "lift", seed=1)
    state = host.state("lift")
    host.reset("lift", 4, 4)
    host.load_state("lift", state)
    with host.active("lift"):
        plain = logits(host)
    host.reset("lift", 4, 8)
    host.load_state("lift", state)
    with host.active("lift", strength=0.5):
        assert torch.equal(logits(host), plain)


def test_answers_between_training_steps_leave_no_trace(host: AdapterHost) -> None:
    filled(host, "answer", seed=3, rank=2)
    expected_losses, expected_state = train(host, 4)
    assert expected_losses[-1] < expected_losses[0]

    def answer(step: int) -> None:
        with host.active("answer", strength=0.5):
            logits(host, OTHER_IDS)
        with host.active("lift", strength=0.25):
            logits(host, OTHER_IDS)
        with host.disabled():
            logits(host, OTHER_IDS)

    losses, state = train(host, 4, answer)
    assert losses == expected_losses
    assert same(state, expected_state)


def test_training_step_touches_only_its_slot(host: AdapterHost) -> None:
    filled(host, "answer", seed=3)
    other = host.state("answer")
    base = {name: p.clone() for name, p in host.model.named_parameters() if "lora" not in name}
    train(host, 2)
    assert same(other, host.state("answer"))
    for name, parameter in host.model.named_parameters():
        if "lora" not in name:
            assert torch.equal(parameter, base[name])
            assert parameter.grad is None


def test_gradient_flags_and_modes_follow_the_context(host: AdapterHost) -> None:
    host.reset("lift", 2, 4)
    host.reset("answer", 3, 6)

    def learning() -> set[str]:
        return {
            slot
            for slot in host.slots
            if any(parameter.requires_grad for parameter in host.parameters(slot))
        }

    def state() -> tuple[set[str], bool, bool]:
        return learning(), host.model.training, torch.is_grad_enabled()

    outside = state()
    assert outside == (set(), False, True)
    with host.training("lift"):
        assert state() == ({"lift"}, True, True)
        assert all(parameter.requires_grad for parameter in host.parameters("lift"))
        with host.active("answer", strength=0.5):
            assert state() == (set(), False, False)
            with host.disabled():
                assert state() == (set(), False, False)
        assert state() == ({"lift"}, True, True)
    assert state() == outside
    with torch.no_grad(), host.training("lift"):
        assert host.model(IDS, labels=IDS).loss.requires_grad


def test_everything_is_restored_when_the_body_fails(host: AdapterHost) -> None:
    filled(host, "lift", seed=1)
    before = logits(host)
    with pytest.raises(ZeroDivisionError), host.training("lift"), host.active("lift", 0.5):
        raise ZeroDivisionError
    assert torch.equal(logits(host), before)
    assert not host.model.training


def test_strength_scales_the_update(host: AdapterHost) -> None:
    filled(host, "lift", seed=1)
    with host.disabled():
        base = logits(host)
    with host.active("lift"):
        full = logits(host)
    with host.active("lift", strength=1.0):
        assert torch.equal(logits(host), full)
    with host.active("lift", strength=0.5):
        half = logits(host)
    with host.active("lift", strength=0.0):
        assert torch.equal(logits(host), base)
    assert not torch.equal(half, full)
    assert not torch.equal(half, base)
    with host.active("lift"):
        assert torch.equal(logits(host), full), "a strength must not outlive its context"


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_strength_outside_0_to_1_is_refused(host: AdapterHost, strength: float) -> None:
    host.reset("lift", 2, 4)
    with pytest.raises(CallerError, match="between 0 and 1"), host.active("lift", strength):
        pass


def test_slots_are_independent_and_can_change_shape(host: AdapterHost) -> None:
    filled(host, "lift", seed=1)
    with host.active("lift"):
        expected = logits(host)
    host.reset("answer", 2, 4, ("q_proj", "v_proj"), seed=9)
    assert len(host.parameters("answer")) == 2 * 2 * 2
    host.reset("answer", 6, 12, seed=9)
    host.drop("answer")
    assert host.slots == ("lift",)
    with host.active("lift"):
        assert torch.equal(logits(host), expected)
    host.drop("lift")
    host.reset("lift", 3, 6)
    assert host.parameters("lift")[0].shape[0] == 3


def test_slot_in_use_cannot_change_its_shape(host: AdapterHost) -> None:
    host.reset("lift", 2, 4)
    with host.training("lift"), pytest.raises(RuntimeError, match="in use"):
        host.reset("lift", 3, 6)


def test_a_new_host_takes_the_model_over(load_base: Callable[..., BaseModel]) -> None:
    base = load_base()
    plain = base.model(IDS).logits
    filled(AdapterHost(base), "lift", seed=1)
    host = AdapterHost(base)
    assert host.slots == ()
    assert torch.equal(logits(host), plain)
    host.reset("lift", 2, 4)
    assert len(host.parameters("lift")) == 28


def test_wrong_requests_are_refused(host: AdapterHost) -> None:
    with pytest.raises(CallerError, match="rank >= 1"):
        host.reset("lift", 0, 1)
    with pytest.raises(CallerError, match=r"'x_proj'.*q_proj"):
        host.reset("lift", 2, 4, ("x_proj",))
    for use in (host.training, host.active, host.state, host.parameters):
        with pytest.raises(CallerError, match="no adapter in slot"):
            with_it = use("lift")
            if hasattr(with_it, "__enter__"):
                with_it.__enter__()


def test_save_and_load_are_exact(host: AdapterHost, tmp_path: Path) -> None:
    filled(host, "lift", seed=1)
    host.save("lift", tmp_path / "adapter")
    host.load("answer", tmp_path / "adapter")
    assert same(host.state("lift"), host.state("answer"))
    with host.active("lift"):
        expected = logits(host)
    with host.active("answer"):
        assert torch.equal(logits(host), expected)


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj",), ("layers.1.mlp.up_proj",)])
def test_plain_peft_loads_what_was_saved(
    host: AdapterHost, tiny_folder: Path, tmp_path: Path, targets: str | tuple[str, ...]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    host.reset("lift", 4, 6, targets, seed=1)
    host.load_state(
        "lift", {name: torch.full_like(t, 0.01) for name, t in host.state("lift").items()}
    )
    host.save("lift", tmp_path / "adapter")
    with host.active("lift"):
        expected = logits(host)
    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    plain = PeftModel.from_pretrained(model, tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(plain(IDS).logits, expected, rtol=1e-4, atol=1e-5)
    host.load("answer", tmp_path / "adapter")
    assert same(host.state("lift"), host.state("answer"))


def test_loads_what_plain_peft_saved(host: AdapterHost, tiny_folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    config = LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", init_lora_weights=False)
    plain = get_peft_model(model, config).eval()
    plain.save_pretrained(tmp_path / "foreign")
    host.load("answer", tmp_path / "foreign")
    with torch.no_grad(), host.active("answer"):
        assert torch.allclose(logits(host), plain(IDS).logits, rtol=1e-4, atol=1e-5)


def _edit_config(folder: Path, **changes: object) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _edit_weights(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


def _only_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04.")


def _truncate(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("damage", "code", "message"),
    [
        (_only_pickle, "unsupported_adapter", "pickle"),
        (_truncate, "damaged", "is damaged"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "damaged", "has no adapter_model"),
        (lambda f: (f / "adapter_config.json").unlink(), "damaged", "no adapter in"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "damaged", "is damaged"),
        (lambda f: (f / "adapter_config.json").write_text("[]"), "damaged", "is damaged"),
        (lambda f: _edit_config(f, r=5), "base_mismatch", "expected"),
        (lambda f: _edit_config(f, r="x"), "damaged", "does not name rank"),
        (lambda f: _edit_config(f, use_dora=True), "unsupported_adapter", "use_dora"),
        (lambda f: _edit_config(f, peft_type="IA3"), "unsupported_adapter", "peft_type"),
        (lambda f: _edit_config(f, target_modules=["x"]), "base_mismatch", "does not have"),
        (lambda f: _edit_weights(f, lambda t: t.popitem()), "damaged", "is missing"),
        (
            lambda f: _edit_weights(f, lambda t: t.update(extra=torch.zeros(1))),
            "base_mismatch",
            "belongs to no adapted layer",
        ),
    ],
)
def test_bad_adapter_folders_are_refused_and_leave_the_slot_alone(
    host: AdapterHost,
    tmp_path: Path,
    damage: Callable[[Path], object],
    code: str,
    message: str,
) -> None:
    filled(host, "lift", seed=1)
    host.save("lift", tmp_path / "adapter")
    filled(host, "answer", seed=2)
    before = host.state("answer")
    damage(tmp_path / "adapter")
    with pytest.raises(LiftError, match=message) as caught:
        host.load("answer", tmp_path / "adapter")
    assert caught.value.code == code
    assert same(before, host.state("answer"))


def test_adapter_of_another_base_is_refused(
    host: AdapterHost, tmp_path: Path, load_base: Callable[..., BaseModel]
) -> None:
    filled(host, "lift", seed=1)
    host.save("lift", tmp_path / "adapter")
    other = AdapterHost(load_base(make_tiny_model(tmp_path / "other", seed=1)))
    with pytest.raises(LiftError, match="another base model") as caught:
        other.load("answer", tmp_path / "adapter")
    assert caught.value.code == "base_mismatch"


def test_load_state_checks_names_and_shapes(host: AdapterHost) -> None:
    host.reset("lift", 2, 4)
    state = host.state("lift")
    name = next(iter(state))
    with pytest.raises(LiftError, match="missing"):
        host.load_state("lift", {k: v for k, v in state.items() if k != name})
    with pytest.raises(LiftError, match="shape"):
        host.load_state("lift", state | {name: torch.zeros(1, 1)})


def test_state_is_a_copy(host: AdapterHost) -> None:
    host.reset("lift", 2, 4)
    state = host.state("lift")
    for tensor in state.values():
        tensor.fill_(1.0)
    assert not same(state, host.state("lift"))


def test_adapter_of_a_bf16_base_learns_in_float32(load_base: Callable[..., BaseModel]) -> None:
    host = AdapterHost(load_base(choice=Choice("cpu", "bf16", None, "a test")))
    losses, state = train(host, 3)
    assert all(tensor.dtype == torch.float32 for tensor in state.values())
    assert losses[-1] < losses[0]
    with host.active("lift", 0.0):
        off = logits(host)
    with host.disabled():
        assert torch.equal(logits(host), off)


def test_other_architectures_are_adapted_by_the_type_of_their_layers(
    tiny_folder: Path, tmp_path: Path, load_base: Callable[..., BaseModel]
) -> None:
    import shutil

    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path / "gpt2"
    shutil.copytree(tiny_folder, folder)
    config = GPT2Config(vocab_size=259, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    host = AdapterHost(load_base(folder))
    first, _ = train(host, 3)
    second, state = train(host, 3)
    assert first == second, "the dropout of the base must be off while training"
    assert {name.split(".")[-3] for name in state} == {"c_attn", "c_proj", "c_fc"}
    host.save("lift", tmp_path / "adapter")
    host.load("answer", tmp_path / "adapter")
    assert same(state, host.state("answer"))


def test_four_bit_layers_are_adapted(tmp_path: Path, load_base: Callable[..., BaseModel]) -> None:
    pytest.importorskip("bitsandbytes")
    folder = make_tiny_model(tmp_path / "wide", width=64)
    host = AdapterHost(load_base(folder, Choice("cpu", "fp32", "nf4", "a test")))
    kinds = {type(layer).__name__ for layer in host.model.modules()}
    assert "Linear4bit" in kinds
    losses, state = train(host, 4)
    assert losses[-1] < losses[0]
    host.save("lift", tmp_path / "adapter")
    host.load("answer", tmp_path / "adapter")
    assert same(state, host.state("answer"))
