"""The peak: the most memory this process has used since a moment, the GPU's where it uses one.

Knows no model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def forget_peak() -> None:
    """Begin to measure anew. Where a system has no way to, the peak counts from the start on."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_bytes() -> int:
    """The most memory in use since `forget_peak`: allocated on the GPU, else resident."""
    if torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        if os.name == "nt":  # which keeps no such count
            return 0
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine_bytes() -> int:
    """Memory of the GPU if there is one, else of the machine."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
