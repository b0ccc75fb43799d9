"""An adapter on disk: a plain PEFT LoRA folder, safetensors only.

Reads and writes `adapter_config.json` and `adapter_model.safetensors`. Which base model it was
made on stands in the safetensors header, so that PEFT loads the folder without a word. Knows
nothing about a model in memory: whether shapes fit is for the host to say.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lift_app.errors import LiftError
from lift_app.library import effects
from lift_app.models.identity import ModelFolder

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the name of a layer."""

_LARGEST_ALPHA = 1e6
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    **dict.fromkeys(
        (
            "use_dora",
            "use_rslora",
            "lora_bias",
            "rank_pattern",
            "alpha_pattern",
            "modules_to_save",
            "layers_to_transform",
            "layer_replication",
            "target_parameters",
            "trainable_token_indices",
            "exclude_modules",
        ),
        (None, False, {}, []),
    ),
}
"""Options of PEFT and the values of them that mean a plain LoRA."""


@dataclass(frozen=True)
class AdapterFile:
    """What an adapter folder holds."""

    rank: int
    alpha: float
    target_modules: tuple[str, ...]
    """Last parts of layer names, or full names; `("all-linear",)` in files made elsewhere."""
    tensors: Mapping[str, Tensor]
    """Weights by their names in PEFT."""
    base_name: str
    base_sha256: str
    """Identity of the base model's weights; empty in files made elsewhere."""
    start_sha256: str = ""
    """Of the start that it was trained on; empty without one."""


def write_adapter(folder: Path, adapter: AdapterFile) -> None:
    """Write an adapter as a folder that `PeftModel.from_pretrained` loads. Raises OSError."""
    from peft import LoraConfig
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    effects.make_folder(folder)
    config = LoraConfig(
        r=adapter.rank,
        # PEFT's type for it is an integer, its arithmetic takes any number.
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        target_modules=list(adapter.target_modules),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=adapter.base_name,
        inference_mode=True,
    )
    effects.announce("write", folder / CONFIG)
    config.save_pretrained(str(folder))
    metadata = {
        "format": "pt",
        "lift_base": adapter.base_name,
        "lift_base_sha256": adapter.base_sha256,
        "lift_start_sha256": adapter.start_sha256,
    }
    effects.announce("write", folder / WEIGHTS)
    try:
        save_file(dict(adapter.tensors), folder / WEIGHTS, metadata=metadata)
    except SafetensorError as error:  # how that library says that the disk is full
        raise OSError(errno.EIO, str(error), str(folder / WEIGHTS)) from error


def read_adapter(folder: Path) -> AdapterFile:
    """Read an adapter folder.

    Raises:
        LiftError: something is missing, damaged, stored in pickle, or no plain LoRA.
    """
    config = _read_config(folder)
    metadata, tensors = _read_weights(folder)
    for option, plain in _PLAIN.items():
        if config.get(option, plain[0]) not in plain:
            raise LiftError(
                f"The adapter in {folder} uses {option}={config[option]!r}; only plain LoRA "
                "adapters can be used here.",
                code="unsupported_adapter",
            )
    targets = config.get("target_modules")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if (
        not isinstance(rank, int)
        or isinstance(rank, bool)
        or rank < 1
        or not isinstance(alpha, int | float)
        or not abs(alpha) <= _LARGEST_ALPHA  # nor is it where alpha is no number
        or not targets
        or not _are_names(targets)
    ):
        raise LiftError(f"{folder / CONFIG} does not name rank, alpha and layers.", code="damaged")
    return AdapterFile(
        rank=rank,
        alpha=alpha,
        target_modules=(targets,) if isinstance(targets, str) else tuple(targets),
        tensors=tensors,
        base_name=metadata.get("lift_base") or str(config.get("base_model_name_or_path") or ""),
        base_sha256=metadata.get("lift_base_sha256", ""),
        start_sha256=metadata.get("lift_start_sha256", ""),
    )


def _are_names(targets: Any) -> bool:
    names = targets if isinstance(targets, list) else [targets]
    return all(isinstance(name, str) for name in names)


def check_base(adapter: AdapterFile, folder: Path, base: ModelFolder) -> None:
    """Refuse an adapter that says it was made on other weights, or another start, than these.

    Raises:
        LiftError: they differ. An adapter that does not say its weights passes.
    """
    if adapter.base_sha256 and adapter.base_sha256 != base.weights_sha256:
        raise LiftError(
            f"The adapter in {folder} was made on another base model ({adapter.base_name}, "
            f"weights {adapter.base_sha256[:12]}) than the one loaded ({base.name}, weights "
            f"{base.weights_sha256[:12]}). Load that model, or lift the book again.",
            code="base_mismatch",
        )

    if adapter.base_sha256 and adapter.start_sha256 != base.start_sha256:
        raise LiftError(
            f"The adapter in {folder} was trained on "
            f"{'another start' if adapter.start_sha256 else 'the base model without a start'}. "
            "Choose the start that it was made with (--start), or lift the book again.",
            code="base_mismatch",
        )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise LiftError(
            f"There is no adapter in {folder}: {CONFIG} cannot be read.", code="damaged"
        ) from error
    except (ValueError, RecursionError) as error:
        raise LiftError(f"{folder / CONFIG} is damaged: {error}.", code="damaged") from error
    if not isinstance(config, dict):
        raise LiftError(f"{folder / CONFIG} is damaged: no JSON object.", code="damaged")
    return config


def _read_weights(folder: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    if not file.is_file():
        if list(folder.glob("adapter_model.*")):
            raise LiftError(
                f"The adapter in {folder} is stored as a pickle, which can run foreign code when "
                f"it is opened. Only {WEIGHTS} is read: save it again as safetensors.",
                code="unsupported_adapter",
            )
        raise LiftError(f"The adapter in {folder} has no {WEIGHTS}.", code="damaged")
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return opened.metadata() or {}, tensors
    except (SafetensorError, OSError) as error:
        raise LiftError(
            f"{file} is damaged: {error}. Lift the book again.", code="damaged"
        ) from error
