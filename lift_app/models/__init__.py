"""Base models: the catalogue, fetching, precision, the model in memory, and its adapters.

What needs torch (`BaseModel`, `AdapterHost`) and what fetches models is imported when it is first
asked for, so that looking at the catalogue costs nothing.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lift_app.models.catalogue import CATALOGUE, ModelEntry, find_model, suggest
from lift_app.models.device import Choice, Machine, choose_device, look_at_machine
from lift_app.models.identity import ModelFolder, identify, verify_weights
from lift_app.models.progress import ModelProgress, ProgressCallback
from lift_app.models.tokens import count_tokens, load_tokenizer

# Read by OpenMP when torch is imported. By default its threads spin while they wait for each other:
# beside any other work on the same cores, two threads were twice as slow as with this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from lift_app.models.base_model import BaseModel
    from lift_app.models.lora import AdapterHost
    from lift_app.models.provision import ensure_model, find_present

# It warns at its import that it has no kernels from a hub: nothing that a reader could use.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__all__ = [
    "CATALOGUE",
    "AdapterHost",
    "BaseModel",
    "Choice",
    "Machine",
    "ModelEntry",
    "ModelFolder",
    "ModelProgress",
    "ProgressCallback",
    "choose_device",
    "count_tokens",
    "ensure_model",
    "find_model",
    "find_present",
    "identify",
    "load_tokenizer",
    "look_at_machine",
    "suggest",
    "verify_weights",
]


_LAZY = {
    "AdapterHost": "lora",
    "BaseModel": "base_model",
    "ensure_model": "provision",
    "find_present": "provision",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
