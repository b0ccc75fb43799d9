"""What a measurement has to name: machine, model, recipe, seed, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lift_app.reader import Reader


def describe_machine(reader: Reader) -> dict[str, Any]:
    """Model, precision, machine and versions, and one sentence that says them."""
    state = reader.model_state()
    found = versions()
    sentence = (
        f"Model {reader.settings.model} ({state['precision'] or 'by a server'}), "
        f"{reader.settings.context_tokens} tokens of head and tail, on {processor()}, "
        f"{os.cpu_count()} cores; torch {found['torch']}, "
        f"transformers {found['transformers']}, peft {found['peft']}."
    )
    return {
        "model": reader.settings.model,
        "precision": state["precision"],
        "device": state["device"],
        "context_tokens": reader.settings.context_tokens,
        "processor": processor(),
        "cores": os.cpu_count(),
        "versions": found,
        "sentence": sentence,
    }


def describe_run(
    reader: Reader, recipe: str, values: Mapping[str, Any], adapter: str
) -> dict[str, Any]:
    """What `describe_machine` says, with the recipe and the adapter of a lift."""
    row = reader.library.adapters.find(adapter)
    numbers = row.recipe if row else {}
    machine = describe_machine(reader)
    changed = ", ".join(f"{name}={value}" for name, value in values.items())
    lifted = f"Recipe {recipe}{f' with {changed}' if changed else ''}, seed {numbers.get('seed')}. "
    return machine | {
        "recipe": numbers,
        "adapter": adapter,
        "summary": row.summary if row else {},
        "sentence": lifted + machine["sentence"],
    }


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")}


def processor() -> str:
    """The processor's name for itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
