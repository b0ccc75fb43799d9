"""Figures of long runs: what a test counted is printed, and kept where `make soak` wants it.

`LIFT_SOAK` is the seed of a long run; `LIFT_SOAK_FIGURES` names a file that gets one JSON line for
each test that has something to tell, the machine first.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

SOAK = bool(os.environ.get("LIFT_SOAK"))
"""Whether the long versions run."""
SEED = int(os.environ.get("LIFT_SOAK") or 0)


def tell(**figures: object) -> None:
    """Print what a test counted, under its name, and keep it if this is a long run."""
    name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    print(f"\n{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    wanted = os.environ.get("LIFT_SOAK_FIGURES")
    if not (SOAK and wanted):
        return
    path = Path(wanted)
    lines = [] if path.exists() else [{"seed": SEED, "machine": _machine()}]
    with path.open("a", encoding="utf-8") as file:
        for line in [*lines, {"test": name, **figures}]:
            file.write(json.dumps(line, default=str) + "\n")


def _machine() -> str:
    cpus = Path("/proc/cpuinfo")
    names = (
        [line for line in cpus.read_text().splitlines() if "model name" in line]
        if (cpus.exists())
        else []
    )
    model = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"
