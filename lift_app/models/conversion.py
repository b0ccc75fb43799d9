"""Turns a GGUF file into a folder of safetensors and tokenizer, once.

Runs as a process of its own (`python -m lift_app.models.conversion IN OUT`): what it imports and
the memory it takes go when it ends. It prints one JSON line a step. The caller gives a temporary
folder and renames it when all is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lift_app.errors import ModelUnavailable
from lift_app.models.child import ChildError, last_line, run_child
from lift_app.models.progress import ModelProgress, ProgressCallback, ignore_progress

STEPS = ("Reading the weights.", "Reading the vocabulary.", "Storing the model.")


def convert(gguf: Path, folder: Path, progress: ProgressCallback = ignore_progress) -> None:
    """Convert `gguf` into `folder` (bf16 safetensors, tokenizer, chat template).

    Raises:
        ModelUnavailable: the file could not be converted.
    """

    def tick(reply: dict[str, Any]) -> None:
        step = int(reply.get("step", 0))
        message = f"Preparing the model, once. {STEPS[min(step, len(STEPS) - 1)]}"
        progress(ModelProgress("convert", message, step, len(STEPS)))

    try:
        run_child(
            ["-m", "lift_app.models.conversion", str(gguf), str(folder)],
            on_tick=tick,
            environment={"HF_HUB_OFFLINE": "1"},
        )
    except ChildError as error:
        raise ModelUnavailable(
            f"the conversion to safetensors failed ({last_line(error.output)})"
        ) from error


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    torch.set_grad_enabled(False)
    _report(0)
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    # A model that remembers where it was quantised refuses to be saved.
    model.config.__dict__.pop("quantization_config", None)
    model.config.__dict__.pop("_name_or_path", None)
    model.hf_quantizer = None
    _report(1)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    _report(2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _split_digits(gguf, folder / "tokenizer.json")
    _report(3)


def _split_digits(gguf: Path, tokenizer_file: Path) -> None:
    """Give the tokenizer back the split of digits that the conversion forgets.

    SmolLM2 was trained on text in which each digit stands alone before the byte-level split
    (`tokenizer.ggml.pre` is `smollm`). Without it, spaces before a number become other tokens.
    """
    from gguf import GGUFReader

    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    if field is None or field.contents() != "smollm":
        return
    data = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    digits = {"type": "Digits", "individual_digits": True}
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [digits, data["pre_tokenizer"]],
    }
    tokenizer_file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def _report(step: int) -> None:
    sys.stdout.write(json.dumps({"step": step}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]))
