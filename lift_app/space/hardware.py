"""Hardware: what a Space can run on, and what that asks of the packages.

Names and limits are those of the hub's documentation of August 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

PYTHON = "3.12"
"""Of all three; ZeroGPU knows this one and 3.10."""


@dataclass(frozen=True)
class Hardware:
    """One kind of machine that a Space runs on."""

    name: str
    """What `lift space --hardware` calls it."""
    flavor: str
    """What the hub calls it; the smallest of its kind that is enough for the embedded model."""
    instead: tuple[str, ...] = ()
    """Pins that take the place of those in the constraints, or come beside them."""


CPU = Hardware("cpu", "cpu-basic")
GPU = Hardware("gpu", "t4-small")
ZEROGPU = Hardware(
    "zerogpu",
    "zero-a10g",
    # torch 2.11 is the newest one that ZeroGPU supports; `spaces` is what lends its GPU.
    ("torch==2.11.0", "spaces==0.51.3"),
)
HARDWARE = {hardware.name: hardware for hardware in (CPU, GPU, ZEROGPU)}
