"""The plain loop: what anyone would write with transformers' Trainer and PEFT.

The yardstick of the speed and the schedule bench: same segments, same precision, same threads,
LoRA on all linear layers, the Trainer's own defaults for the rest.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class PlainLoop:
    """A model of its own under transformers' Trainer.

    Args:
        model: a causal LM, which this wraps in PEFT for good.
        prefix: token ids of shape (prefix length,), not learned.
        segments: token ids, each of shape (length,); those of one step of one length.
        rank: of the LoRA; alpha is twice that.
        rate: learning rate.

    Attributes:
        model: with its LoRA.
    """

    def __init__(
        self,
        model: nn.Module,
        prefix: Tensor,
        segments: Sequence[Tensor] | Tensor,
        rank: int,
        rate: float,
    ) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        self.model = get_peft_model(model, config)
        self._rate = rate
        unlearned = torch.full_like(prefix, -100)
        self._rows = [
            {
                "input_ids": torch.cat([prefix, segment]),
                "labels": torch.cat([unlearned, segment]),
            }
            for segment in (one.cpu() for one in segments)
        ]

    def seconds(self, batch: int) -> tuple[float, float]:
        """Seconds and CPU seconds of one pass over the segments, without the Trainer's set-up.

        Args:
            batch: segments in a step.
        """
        spent = (0.0, 0.0)

        def look(_: int, seconds: float, cpu_seconds: float) -> None:
            nonlocal spent
            spent = (seconds, cpu_seconds)

        self.learn(batch, 1, look)
        return spent

    def learn(
        self, batch: int, epochs: int, look: Callable[[int, float, float], None], seed: int = 0
    ) -> None:
        """Train, with the Trainer's own schedule of rates.

        Args:
            batch: segments in a step.
            epochs: passes over the segments.
            look: called after each step with the steps, seconds and CPU seconds since the first one
                began; the time that it takes itself is not counted.
            seed: of the order of the segments.
        """
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        marks: list[tuple[float, float]] = []

        class Clock(TrainerCallback):
            """Marks when the first step began, later by as long as the looks have taken."""

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                if not marks:
                    marks.append(_now())

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                [(began, busy)], (now, used) = marks, _now()
                look(state.global_step, now - began, used - busy)
                after, after_used = _now()
                marks[0] = (began + after - now, busy + after_used - used)

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=batch,
                num_train_epochs=epochs,
                learning_rate=self._rate,
                seed=seed,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                use_cpu=next(self.model.parameters()).device.type == "cpu",
            )
            trainer = Trainer(
                model=self.model,
                args=arguments,
                train_dataset=self._rows,
                callbacks=[Clock()],
            )
            trainer.remove_callback(PrinterCallback)  # it would print into the JSON
            trainer.train()


def _now() -> tuple[float, float]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()
