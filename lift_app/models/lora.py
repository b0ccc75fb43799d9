"""Adapters on a base model: named slots that are trained, switched, loaded and saved.

The one place that touches PEFT. An `AdapterHost` puts LoRA layers into the base model and owns
which slot they use, with which strength, and which parameters may learn. That is a property of the
model object, so a host belongs to one thread. It knows nothing about books, losses or prompts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lift_app.errors import CallerError
from lift_app.models.adapted_linear import AdaptedLinear, speed_up
from lift_app.models.adapter_file import (
    PEFT_PREFIX,
    AdapterFile,
    check_base,
    read_adapter,
    write_adapter,
)
from lift_app.models.adapter_shape import (
    ALL_LINEAR,
    Shape,
    check_tensors,
    resolve,
    targets_of,
)
from lift_app.models.base_model import BaseModel
from lift_app.models.generation import StopFlag
from lift_app.models.linear_layers import (
    features,
    linear_layers,
    remove_adapters,
    shortest_targets,
    upper_layers,
)
from lift_app.models.prefix import Prefixes


@dataclass(frozen=True)
class _Mode:
    """What the adapter layers are set to at a moment."""

    slot: str | None = None
    strength: float = 1.0
    training: bool = False


@dataclass
class _Slot:
    shape: Shape
    alpha: float


class AdapterHost:
    """Named LoRA slots on one base model.

    Nothing is active outside of `training`, `active` and `disabled`; these nest, and each restores
    exactly what was before, so an answer between two training steps leaves no trace in the lift.
    A new host takes the model over: an older one of the same model must not be used any more.

    Attributes:
        base: the base model.
        prefixes: what was read with the adapters as they are; a slot that changes loses its own.
    """

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self.prefixes = Prefixes()
        remove_adapters(base.model)
        layers = linear_layers(base.model)
        self._names = tuple(layers)
        self._features = {name: features(layer) for name, layer in layers.items()}
        self._peft: Any = None
        self._slots: dict[str, _Slot] = {}
        self._layers: dict[str, Any] = {}
        self._fast: dict[str, AdaptedLinear] = {}
        self._modules: list[nn.Module] = []
        self._mode = _Mode()

    @property
    def model(self) -> Any:
        """The module to call; adapters are inside of it."""
        return self.base.model

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots that hold an adapter."""
        return tuple(self._slots)

    def reset(
        self,
        slot: str,
        rank: int,
        alpha: float,
        targets: str | tuple[str, ...] = ALL_LINEAR,
        seed: int = 0,
    ) -> None:
        """Put a fresh adapter into a slot: A is Kaiming uniform by the seed, B is zero.

        The values depend on the seed and the shape alone; the global random generator is neither
        read nor moved. With the shape that the slot has, its parameters stay the same objects.

        Args:
            slot: name of the slot.
            rank: rank of the update of each layer.
            alpha: the update is scaled by alpha / rank.
            targets: `ALL_LINEAR`, or the last parts of layer names (`("q_proj", "v_proj")`).
            seed: of the generator that draws A.

        Raises:
            CallerError: rank below 1, alpha not above 0, or a target that no layer has.
        """
        if rank < 1 or not alpha > 0:
            raise CallerError(f"An adapter needs rank >= 1 and alpha > 0, not {rank} and {alpha}.")
        self._prepare(
            slot, Shape(rank, resolve(targets, self._names, self.base.identity.name)), alpha
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name in self._slots[slot].shape.targets:
                down, up = self._pair(slot, name)
                fresh = torch.empty(down.shape, dtype=torch.float32)
                nn.init.kaiming_uniform_(fresh, a=math.sqrt(5), generator=generator)
                down.copy_(fresh)
                up.zero_()
                down.grad = up.grad = None

    def upper_layers(self, share: float) -> str | tuple[str, ...]:
        """What `reset` takes as targets for a share of the layers, from the last one down."""
        return ALL_LINEAR if share >= 1 else upper_layers(self._names, share)

    def load(self, slot: str, folder: Path) -> None:
        """Load a PEFT LoRA folder into a slot.

        Args:
            slot: name of the slot; in place if it has the same shape.
            folder: holds `adapter_config.json` and `adapter_model.safetensors`.

        Raises:
            LiftError: damaged files, pickle, another base model, shapes that do not fit. The slot
                then is as it was.
        """
        found = read_adapter(folder)
        check_base(found, folder, self.base.identity)
        shape = Shape(found.rank, targets_of(found, folder, self._names, self.base.identity.name))
        self._check(found.tensors, shape, str(folder))
        self._prepare(slot, shape, found.alpha)
        self._copy(slot, found.tensors)

    def save(self, slot: str, folder: Path, *, half: bool = False) -> None:
        """Write a slot as a plain PEFT folder (safetensors and its configuration).

        Args:
            slot: name of the slot.
            folder: made if it is not there.
            half: in float16 instead of float32, for what has to travel.

        Raises:
            CallerError: the slot holds no adapter.
        """
        kept = self._slot(slot)
        write_adapter(
            folder,
            AdapterFile(
                rank=kept.shape.rank,
                alpha=kept.alpha,
                target_modules=shortest_targets(kept.shape.targets, self._names),
                tensors={
                    name: tensor.half() if half else tensor
                    for name, tensor in self.state(slot).items()
                },
                base_name=self.base.identity.name,
                base_sha256=self.base.identity.weights_sha256,
                start_sha256=self.base.identity.start_sha256,
            ),
        )

    def drop(self, slot: str) -> None:
        """Empty a slot and give back its memory; nothing happens if it is empty."""
        if slot not in self._slots:
            return
        self._require_idle(slot)
        self._changing(slot)
        del self._slots[slot]
        self._peft.delete_adapter(slot)
        self._apply(self._mode)

    def state(self, slot: str) -> dict[str, Tensor]:
        """A copy of a slot's weights on the CPU, named as in a PEFT file.

        `...lora_A.weight` has shape (rank, inputs), `...lora_B.weight` (outputs, rank); float32.

        Raises:
            CallerError: the slot holds no adapter.
        """
        return {n: p.detach().to("cpu", copy=True) for n, p in self._named(slot).items()}

    def load_state(self, slot: str, state: Mapping[str, Tensor]) -> None:
        """Copy weights from `state` into the slot's parameters, in place.

        Raises:
            CallerError: the slot holds no adapter.
            LiftError: names or shapes that are not the slot's; the slot then is as it was.
        """
        self._check(state, self._slot(slot).shape, f"the state for slot {slot}")
        self._copy(slot, state)

    def parameters(self, slot: str) -> list[nn.Parameter]:
        """The slot's parameters in a fixed order: A and B of each layer.

        Raises:
            CallerError: the slot holds no adapter.
        """
        return list(self._named(slot).values())

    @contextmanager
    def training(self, slot: str) -> Iterator[Any]:
        """The slot is on and may learn: train mode, gradients for its parameters alone.

        Its weights change in here and nowhere else.

        Raises:
            CallerError: the slot holds no adapter.
        """
        self._slot(slot)
        self._changing(slot)
        try:
            with torch.enable_grad(), self._switched(_Mode(slot, 1.0, training=True)):
                yield self.model
        finally:
            self._changing(slot)  # an answer within may have read with half of a step

    @contextmanager
    def active(self, slot: str, strength: float = 1.0) -> Iterator[Any]:
        """The slot is on for reading: eval mode, no gradients.

        Args:
            slot: name of the slot.
            strength: factor on the adapter's update, 0 to 1; 0 is the same as `disabled`.

        Raises:
            CallerError: the slot holds no adapter, or the strength is not between 0 and 1.
        """
        self._slot(slot)
        if not 0 <= strength <= 1:
            raise CallerError(f"The strength is {strength}, but it must lie between 0 and 1.")
        mode = _Mode(slot, strength) if strength else _Mode()
        with torch.no_grad(), self._switched(mode):
            yield self.model

    @contextmanager
    def disabled(self) -> Iterator[Any]:
        """The base model alone: eval mode, no gradients."""
        with torch.no_grad(), self._switched(_Mode()):
            yield self.model

    def read(self, tokens: Sequence[int], stop: StopFlag) -> Any:
        """Keys and values of what a prompt begins with, under what is on now (`Prefixes.read`)."""
        return self.prefixes.read(self.model, tokens, self._mode.slot, self._mode.strength, stop)

    @contextmanager
    def _switched(self, mode: _Mode) -> Iterator[None]:
        before = self._mode
        self._apply(mode)
        try:
            yield
        finally:
            self._apply(before)

    def _apply(self, mode: _Mode) -> None:
        """Set every adapter layer to `mode`.

        PEFT's own switches set gradient flags as a side effect, for all slots of a layer; so the
        flags are written here afterwards, from `mode` alone.
        """
        before, self._mode = self._mode.slot, mode
        for layer in self._layers.values():
            if before is not None:
                layer.set_scale(before, 1.0)
            if mode.slot is None:
                layer.enable_adapters(False)
            else:
                layer.set_adapter([mode.slot], inference_mode=not mode.training)
                # enable_adapters(True) would turn gradients on again.
                layer._disable_adapters = False
                layer.set_scale(mode.slot, mode.strength)
        if self.model.training != mode.training:
            # As model.train(), which takes ten times as long through nn.Module.__setattr__.
            for module in self._modules:
                module.__dict__["training"] = mode.training

    def _prepare(self, slot: str, shape: Shape, alpha: float) -> None:
        """Make sure that the slot has LoRA layers of this shape; their values are whatever."""
        self._changing(slot)
        kept = self._slots.get(slot)
        if kept is not None and kept.shape == shape:
            if kept.alpha != alpha:
                self._require_idle(slot)
                kept.alpha = alpha
                for name in shape.targets:
                    self._layers[name].lora_alpha[slot] = alpha
                    self._layers[name].set_scale(slot, 1.0)
            return
        self.drop(slot)
        self._add(slot, shape, alpha)
        self._slots[slot] = _Slot(shape, alpha)
        self._apply(self._mode)

    def _add(self, slot: str, shape: Shape, alpha: float) -> None:
        from peft import LoraConfig, PeftModel
        from peft.tuners.lora import LoraLayer

        config = LoraConfig(
            r=shape.rank,
            lora_alpha=alpha,  # type: ignore[arg-type]
            target_modules=list(shortest_targets(shape.targets, self._names)),
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
        )
        # PEFT draws its own first values; the generator of everybody else must not notice.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._peft is None:
                self._peft = PeftModel(self.base.model, config, adapter_name=slot)
            else:
                self._peft.add_adapter(slot, config)
        self._layers = {
            name: module
            for name, module in self.base.model.named_modules()
            if isinstance(module, LoraLayer)
        }
        for name in self._layers.keys() - self._fast.keys():
            if (fast := speed_up(self._layers[name])) is not None:
                self._fast[name] = fast
        self._modules = list(self.base.model.modules())
        self.base.model.requires_grad_(False)

    def _check(self, tensors: Mapping[str, Tensor], shape: Shape, where: str) -> None:
        check_tensors(tensors, shape, self._features, where, self.base.identity.name)

    def _slot(self, slot: str) -> _Slot:
        if slot not in self._slots:
            raise CallerError(f"There is no adapter in slot {slot!r}.")
        return self._slots[slot]

    def _pair(self, slot: str, name: str) -> tuple[nn.Parameter, nn.Parameter]:
        layer = self._layers[name]
        return layer.lora_A[slot].weight, layer.lora_B[slot].weight

    def _named(self, slot: str) -> dict[str, nn.Parameter]:
        named = {}
        for name in self._slot(slot).shape.targets:
            down, up = self._pair(slot, name)
            named[f"{PEFT_PREFIX}{name}.lora_A.weight"] = down
            named[f"{PEFT_PREFIX}{name}.lora_B.weight"] = up
        return named

    def _copy(self, slot: str, state: Mapping[str, Tensor]) -> None:
        self._changing(slot)
        with torch.no_grad():
            for name, parameter in self._named(slot).items():
                parameter.copy_(state[name])

    def _changing(self, slot: str) -> None:
        """What was computed from a slot's weights is no longer true."""
        self.prefixes.drop(slot)
        for layer in self._fast.values():
            layer.forget(slot)

    def _require_idle(self, slot: str) -> None:
        if self._mode.slot == slot:
            raise RuntimeError(f"slot {slot!r} is in use and cannot change its shape now")
