"""Memory: what this machine has, and the most that this process has used since a moment."""

from __future__ import annotations

import os
from pathlib import Path

_STATUS = Path("/proc/self/status")


def forget_peak() -> None:
    """Begin to measure anew."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # the peak then counts from the start of the process


def peak_bytes() -> int | None:
    """The most memory in use since `forget_peak`: of the GPU if there is one, else resident."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    peak = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak[0]) * 1024 if peak else None


def machine_bytes() -> int:
    """Memory of the GPU if there is one, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
