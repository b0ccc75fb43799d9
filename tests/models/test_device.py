"""Device and precision, with the reason that is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lift_app.errors import CallerError
from lift_app.models import device
from lift_app.models.device import Machine, choose_device, look_at_machine, memory_needed_gb
from lift_app.settings import Settings

LLAMA_8B = 8_030_261_248
SMALL = 134_515_008
A100 = Machine(gpu="A100", gpu_memory_gb=80, gpu_capability=(8, 0))


def settings(**values: str) -> Settings:
    return Settings(home=Path("home"), **values)


@pytest.mark.parametrize(
    ("machine", "parameters", "expected"),
    [
        (Machine(), SMALL, ("cpu", "fp32", None)),
        (Machine(cpu_flags=frozenset({"avx512f"})), SMALL, ("cpu", "fp32", None)),
        (Machine(cpu_flags=frozenset({"avx512_bf16"})), SMALL, ("cpu", "bf16", None)),
        (Machine(cpu_flags=frozenset({"amx_bf16"})), None, ("cpu", "bf16", None)),
        (Machine(apple_silicon=True), SMALL, ("mps", "fp32", None)),
        (Machine(apple_silicon=True), LLAMA_8B, ("mps", "bf16", None)),
        (A100, LLAMA_8B, ("cuda", "bf16", None)),
        (A100, None, ("cuda", "bf16", None)),
        (Machine(gpu="4080", gpu_memory_gb=16, gpu_capability=(8, 9)), LLAMA_8B,
         ("cuda", "bf16", "nf4")),
        (Machine(gpu="T4", gpu_memory_gb=15, gpu_capability=(7, 5)), LLAMA_8B,
         ("cuda", "fp32", "nf4")),
        (Machine(gpu="T4", gpu_memory_gb=15, gpu_capability=(7, 5)), SMALL,
         ("cuda", "fp32", None)),
    ],
)  # fmt: skip
def test_choice_by_machine(
    machine: Machine, parameters: int | None, expected: tuple[str, str, str | None]
) -> None:
    choice = choose_device(settings(), parameters, machine)
    assert (choice.device, choice.precision, choice.quantisation) == expected
    assert choice.reason.startswith(f"{choice.label}: ")
    assert choice.reason.endswith(".") or choice.reason.endswith(").")


def test_reason_says_why_a_gpu_is_not_used() -> None:
    machine = Machine(cuda_missing="a GPU is here (X), but torch is a CPU build")
    assert "a GPU is here (X)" in choose_device(settings(), SMALL, machine).reason
    with pytest.raises(CallerError, match=r"LIFT_DEVICE is cuda.*a GPU is here"):
        choose_device(settings(device="cuda"), SMALL, machine)


def test_reason_warns_when_even_4_bits_may_not_fit() -> None:
    small = Machine(gpu="small", gpu_memory_gb=4, gpu_capability=(8, 6))
    assert "may not fit" in choose_device(settings(), LLAMA_8B, small).reason


def test_settings_override_the_choice() -> None:
    assert choose_device(settings(device="cpu"), SMALL, A100).device == "cpu"
    choice = choose_device(settings(precision="fp32"), SMALL, A100)
    assert (choice.device, choice.precision) == ("cuda", "fp32")
    assert "LIFT_PRECISION" in choice.reason
    assert choose_device(settings(precision="nf4"), SMALL, A100).label == "nf4"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"device": "tpu"}, "LIFT_DEVICE is 'tpu'"),
        ({"device": "mps"}, "no Mac"),
        ({"device": "cuda"}, "no NVIDIA GPU was found"),
        ({"precision": "fp8"}, "LIFT_PRECISION is 'fp8'"),
        ({"precision": "nf4"}, "need an NVIDIA GPU"),
    ],
)
def test_impossible_settings_are_the_callers_mistake(values: dict[str, str], message: str) -> None:
    with pytest.raises(CallerError, match=message):
        choose_device(settings(**values), SMALL, Machine())


def test_memory_grows_with_parameters_and_precision() -> None:
    sizes = [memory_needed_gb(LLAMA_8B, precision) for precision in ("nf4", "bf16", "fp32")]
    assert sizes == sorted(sizes)
    assert memory_needed_gb(SMALL, "nf4") < sizes[0]


def _fake_nvidia_smi(folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setattr(device.shutil, "which", lambda name: str(program))
    monkeypatch.setattr(device, "_torch_has_cuda", lambda: True)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in program is a shell script")
def test_gpu_is_seen_through_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "0, GPU-a, NVIDIA A100, 81920, 8.0\n1, GPU-b, Tesla T4, 15360, 7.5"
    _fake_nvidia_smi(tmp_path, lines, monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = look_at_machine()
    assert found.gpu == "NVIDIA A100"
    assert found.gpu_capability == (8, 0)
    assert found.gpu_memory_gb == pytest.approx(85.9, abs=0.1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert look_at_machine().gpu == "Tesla T4"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert look_at_machine().gpu is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(device, "_torch_has_cuda", lambda: False)
    assert look_at_machine().gpu is None
    assert "NVIDIA A100" in look_at_machine().cuda_missing


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in program is a shell script")
def test_odd_output_of_nvidia_smi_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_nvidia_smi(tmp_path, "0, GPU-a, Old, [N/A], [N/A]\nno devices were found", monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert look_at_machine().gpu is None


def test_torch_build_is_read_without_importing_torch() -> None:
    import torch

    assert device._torch_has_cuda() == (torch.version.cuda is not None)


def test_the_face_imports_no_torch() -> None:
    code = (
        "import sys, lift_app.models\n"
        "heavy = {'torch', 'transformers', 'peft', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_gpu_that_is_lent_is_counted_on_although_nobody_can_see_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    choice = choose_device(settings(), SMALL)
    assert (choice.device, choice.precision, choice.quantisation) == ("cuda", "bf16", None)
    assert "lent by ZeroGPU" in choice.reason
