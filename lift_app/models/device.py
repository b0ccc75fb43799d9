"""Where a model runs and in which precision, with the reason that a reader is shown.

Looks at the machine without torch, so that the choice (a part of an adapter's key) is known
before anything heavy is loaded.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lift_app.errors import CallerError
from lift_app.settings import Settings

BYTES_PER_WEIGHT = {"fp32": 4.0, "bf16": 2.0, "nf4": 0.6}
"""Memory of one weight; 4-bit weights carry scales, and some layers stay in 16 bit."""

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_FIRST_BF16_GPU = (8, 0)


LENT_GPU = ("a GPU lent by ZeroGPU", 48.0, (12, 0))
"""Name, memory in GB and compute capability of what a Space on ZeroGPU is lent."""


@dataclass(frozen=True)
class Choice:
    """Where and how to compute, and why."""

    device: str
    """`cpu`, `cuda` or `mps`."""
    precision: str
    """`fp32` or `bf16`: what is computed in."""
    quantisation: str | None
    """`nf4` where the frozen weights are stored in 4 bits, else None."""
    reason: str
    """A sentence for the reader."""

    @property
    def label(self) -> str:
        """The short name: `fp32`, `bf16` or `nf4`."""
        return self.quantisation or self.precision


@dataclass(frozen=True)
class Machine:
    """What was found on this machine."""

    cpu_flags: frozenset[str] = frozenset()
    gpu: str | None = None
    """Name of the NVIDIA GPU that torch can use."""
    gpu_memory_gb: float = 0.0
    gpu_capability: tuple[int, int] = (0, 0)
    apple_silicon: bool = False
    cuda_missing: str = ""
    """Why a GPU that is there cannot be used; empty otherwise."""


def memory_needed_gb(parameters: int, precision: str) -> float:
    """Memory that a lift needs, in GB (1e9 bytes): an estimate.

    The weights, plus 1.5 GB for the runtime and the logits of a micro-batch, plus 0.75 GB for
    activations, adapter and optimizer per 1e9 parameters.

    Args:
        parameters: number of weights of the base model.
        precision: `fp32`, `bf16` or `nf4`.
    """
    return parameters * BYTES_PER_WEIGHT[precision] / 1e9 + 1.5 + 0.75 * parameters / 1e9


def choose_device(
    settings: Settings, parameters: int | None = None, machine: Machine | None = None
) -> Choice:
    """Choose device and precision for a model.

    Args:
        settings: `device` and `precision` override what would be chosen.
        parameters: number of weights of the model; None if unknown.
        machine: what is there; looked up where not given.

    Raises:
        CallerError: the settings ask for what this machine does not have.
    """
    if settings.precision not in {"auto", "fp32", "bf16", "nf4"}:
        raise CallerError(
            f"LIFT_PRECISION is {settings.precision!r}, but it must be auto, fp32, bf16 or nf4."
        )
    machine = machine or look_at_machine()
    device = _device(settings, machine)
    if settings.precision == "nf4" and device != "cuda":
        raise CallerError(
            "LIFT_PRECISION is nf4, but 4-bit weights need an NVIDIA GPU and this model runs on "
            f"{device}. Leave LIFT_PRECISION out, or use a smaller model."
        )
    if device == "cuda":
        choice = _choose_cuda(settings, parameters, machine)
    elif device == "mps":
        choice = _choose_mps(parameters)
    else:
        choice = _choose_cpu(machine)
    if settings.precision in {"fp32", "bf16"}:
        reason = f"{settings.precision}: set by LIFT_PRECISION."
        return Choice(device, settings.precision, None, reason)
    return choice


def is_gpu_lent() -> bool:
    """Whether this is a Space on ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def look_at_machine() -> Machine:
    """What this machine has, as far as it can be seen without torch."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    flags = _cpu_flags()
    if is_gpu_lent():
        return Machine(flags, *LENT_GPU)  # there for some seconds at a time; nobody can see it now
    gpu = _nvidia_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"), shutil.which("nvidia-smi"))
    if gpu is None:
        return Machine(cpu_flags=flags, apple_silicon=apple)
    name, memory, capability = gpu
    if _torch_has_cuda():
        return Machine(flags, name, memory, capability, apple)
    missing = f"a GPU is here ({name}), but the installed torch is a build without CUDA"
    return Machine(cpu_flags=flags, apple_silicon=apple, cuda_missing=missing)


def _device(settings: Settings, machine: Machine) -> str:
    wanted = settings.device
    if wanted == "auto":
        return "cuda" if machine.gpu else "mps" if machine.apple_silicon else "cpu"
    if wanted not in {"cpu", "cuda", "mps"}:
        raise CallerError(f"LIFT_DEVICE is {wanted!r}, but it must be auto, cpu, cuda or mps.")
    if wanted == "cuda" and not machine.gpu:
        why = machine.cuda_missing or "no NVIDIA GPU was found"
        raise CallerError(f"LIFT_DEVICE is cuda, but {why}. Use LIFT_DEVICE=auto.")
    if wanted == "mps" and not machine.apple_silicon:
        raise CallerError("LIFT_DEVICE is mps, but this is no Mac with Apple silicon.")
    return wanted


def _choose_cpu(machine: Machine) -> Choice:
    found = sorted(_BF16_FLAGS & machine.cpu_flags)
    if found:
        return Choice("cpu", "bf16", None, f"bf16: this CPU computes in it ({found[0]}).")
    reason = "fp32: this CPU has no bf16 instructions"
    if machine.cuda_missing:
        reason += f"; {machine.cuda_missing}"
    return Choice("cpu", "fp32", None, f"{reason}.")


def _choose_mps(parameters: int | None) -> Choice:
    if parameters is None or parameters > 1_000_000_000:
        return Choice("mps", "bf16", None, "bf16: a large model on a Mac's GPU, half the memory.")
    return Choice("mps", "fp32", None, "fp32: a small model on a Mac's GPU, most exact.")


def _choose_cuda(settings: Settings, parameters: int | None, machine: Machine) -> Choice:
    bf16 = machine.gpu_capability >= _FIRST_BF16_GPU
    compute = "bf16" if bf16 else "fp32"
    memory = machine.gpu_memory_gb
    if settings.precision == "nf4":
        return Choice("cuda", compute, "nf4", "nf4: set by LIFT_PRECISION.")
    where = f"{machine.gpu}, {memory:.0f} GB"
    if parameters is None:
        return Choice("cuda", compute, None, f"{compute}: {where}; the model's size is unknown.")
    full = memory_needed_gb(parameters, compute)
    if full <= memory:
        return Choice(
            "cuda", compute, None, f"{compute}: the lift needs about {full:.0f} GB ({where})."
        )
    small = memory_needed_gb(parameters, "nf4")
    reason = f"nf4: {compute} would need about {full:.0f} GB, 4-bit weights {small:.0f} GB"
    if small > memory:
        reason += "; even that may not fit, so choose a smaller model if memory runs out"
    return Choice("cuda", compute, "nf4", f"{reason} ({where}).")


def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    match = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return frozenset(match[1].split()) if match else frozenset()


@cache
def _nvidia_gpu(
    visible: str | None, program: str | None
) -> tuple[str, float, tuple[int, int]] | None:
    """Name, memory in GB and compute capability of the GPU that torch would call `cuda:0`."""
    if program is None or (visible is not None and visible.strip() in {"", "-1"}):
        return None
    query = "--query-gpu=index,uuid,name,memory.total,compute_cap"
    try:
        result = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    first = visible.split(",")[0].strip() if visible else None
    for line in result.stdout.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 5 or (first is not None and first not in cells[:2]):
            continue
        try:
            major, minor = (int(part) for part in cells[4].split("."))
            return cells[2], float(cells[3]) * 1024**2 / 1e9, (major, minor)
        except ValueError:
            continue
    return None


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, read from its version file."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError):
        return False
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "cuda":
                return isinstance(node.value, ast.Constant) and bool(node.value.value)
    return False
