"""What a measurement has to name: machine, model, recipe, seed, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lift_app.reader import Reader


def describe_run(
    reader: Reader, recipe: str, values: Mapping[str, Any], adapter: str
) -> dict[str, Any]:
    """Everything that a figure depends on, and one sentence that says it."""
    row = reader.library.adapters.find(adapter)
    numbers = row.recipe if row else {}
    state = reader.model_state()
    versions = {
        name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")
    }
    changed = ", ".join(f"{name}={value}" for name, value in values.items())
    sentence = (
        f"Model {reader.settings.model} ({state['precision']}), recipe {recipe}"
        f"{f' with {changed}' if changed else ''}, seed {numbers.get('seed')}, "
        f"{reader.settings.context_tokens} tokens of head and tail, on {_processor()}, "
        f"{os.cpu_count()} cores; torch {versions['torch']}, transformers "
        f"{versions['transformers']}, peft {versions['peft']}."
    )
    return {
        "model": reader.settings.model,
        "precision": state["precision"],
        "device": state["device"],
        "recipe": numbers,
        "adapter": adapter,
        "summary": row.summary if row else {},
        "context_tokens": reader.settings.context_tokens,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
        "sentence": sentence,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
