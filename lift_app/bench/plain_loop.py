"""The plain loop: what anyone would write with transformers' Trainer and PEFT.

The yardstick of the speed bench: same segments, same precision, same threads, LoRA on all linear
layers, the Trainer's own defaults for the rest.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import torch
from torch import Tensor, nn


class PlainLoop:
    """A model of its own under transformers' Trainer.

    Args:
        model: a causal LM, which this wraps in PEFT for good.
        prefix: token ids of shape (prefix length,), not learned.
        segments: token ids of shape (segments, length).
        rank: of the LoRA; alpha is twice that.
        rate: learning rate.
    """

    def __init__(
        self, model: nn.Module, prefix: Tensor, segments: Tensor, rank: int, rate: float
    ) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        self._model = get_peft_model(model, config)
        self._rate = rate
        unlearned = torch.full_like(prefix, -100)
        self._rows = [
            {
                "input_ids": torch.cat([prefix, segment]),
                "labels": torch.cat([unlearned, segment]),
            }
            for segment in segments.cpu()
        ]

    def seconds(self, batch: int) -> tuple[float, float]:
        """Seconds and CPU seconds of one pass over the segments, without the Trainer's set-up.

        Args:
            batch: segments in a step.
        """
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        marks: list[tuple[float, float]] = []

        class Clock(TrainerCallback):
            """Marks the beginning of the first step and the end of each."""

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                if not marks:
                    marks.append(_now())

            def on_step_end(self, *_: Any, **__: Any) -> None:
                marks.append(_now())

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=batch,
                num_train_epochs=1,
                learning_rate=self._rate,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                use_cpu=next(self._model.parameters()).device.type == "cpu",
            )
            trainer = Trainer(
                model=self._model,
                args=arguments,
                train_dataset=self._rows,
                callbacks=[Clock()],
            )
            trainer.remove_callback(PrinterCallback)  # it would print into the JSON
            trainer.train()
        return marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]


def _now() -> tuple[float, float]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()
