"""Zero: the GPU that a Space on ZeroGPU is lent for some seconds at a time."""

from __future__ import annotations

from lift_app.engine.sliced_access import Gpu
from lift_app.models.device import is_gpu_lent


def lent_gpu() -> Gpu | None:
    """What lends the GPU; None where there is none to be lent.

    Call it before torch is imported: the `spaces` package has to be there first.
    """
    if not is_gpu_lent():
        return None
    import spaces

    gpu: Gpu = spaces.GPU
    return gpu
