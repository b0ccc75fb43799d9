"""Calibration: how fast this machine lifts with a model, measured before the first lift.

A few steps of the recipe on random tokens, in a slot of their own, then one window of the check. It
goes in turns, as everything that needs the model. Knows nothing of books or jobs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch

from lift_app.errors import LiftError
from lift_app.lifting.auxiliary import NOTHING_BESIDE, general_beside
from lift_app.lifting.estimate import Calibration, is_measured, remember_speed
from lift_app.lifting.framing import excerpt_prefix
from lift_app.lifting.memory import Memory
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.room import is_out_of_memory, release
from lift_app.lifting.segments import Segment
from lift_app.lifting.trainer import Trainer
from lift_app.models.lora import AdapterHost
from lift_app.models.peak import forget_peak, peak_bytes

SLOT = "calibration"
STEPS = 4
"""Steps that are timed, after one that is not. With general prompts beside some of a recipe's
steps, every second one timed has them."""

log = logging.getLogger(__name__)


def calibration_turns(host: AdapterHost, kept: Calibration, recipe: Recipe) -> Iterator[None]:
    """Measure this machine, a step a turn; nothing if it is measured, or if the recipe has tasks.

    Args:
        host: the base model.
        kept: gets the speeds.
        recipe: whose shape is measured.
    """
    base = host.base
    of: dict[str, Any] = {
        "weights_sha256": base.identity.weights_sha256,
        "choice": base.choice,
        "recipe": recipe,
    }
    if recipe.has_tasks or is_measured(kept, **of):
        return
    try:
        count, length = (STEPS + 1) * recipe.batch_segments, recipe.segment_length
        ids = torch.randint(
            base.identity.vocabulary,
            (count * length,),
            generator=torch.Generator().manual_seed(0),
        )
        segments = [Segment(k, k * length, (k + 1) * length, 0, 0) for k in range(count)]
        prefix = [] if recipe.framing == "raw" else excerpt_prefix(base, "A Book")
        prefix += ids[: recipe.context_tokens].tolist()
        once = replace(recipe, epochs=1, stride=length, fresh_cuts=False)
        forget_peak()
        trainer = Trainer(host, SLOT, ids, segments, once, prefix)
        share = 1 / recipe.general_every if recipe.general_weight else 0.0
        always = replace(recipe, general_every=1)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        while not trainer.finished:
            # The step that is not timed has them, too: what happens once happens there.
            beside = share == 1 or (share > 0 and trainer.step_done % 2 == 0)
            general = general_beside(base, always, trainer.step_done) if beside else NOTHING_BESIDE
            step = trainer.step(general)
            if step.step > 1:
                seconds[beside].append(step.seconds)
            yield
        memory = Memory(host, SLOT, ids, segments, prefix)
        began = time.perf_counter()
        memory.step()
        checked = length / (time.perf_counter() - began)
        memory_gb = peak_bytes() / 1e9
    except Exception as error:
        if not (isinstance(error, LiftError) or is_out_of_memory(error)):
            raise
        # Too little memory: a lift will say so when it is asked for.
        log.info("this machine could not be measured: %s", error)
        release(error)
        return
    finally:
        host.drop(SLOT)
    if is_measured(kept, **of):  # by a whole lift between two turns, which knows better
        return
    shares = {True: share, False: 1 - share}
    a_step = sum(shares[kind] * fmean(taken) for kind, taken in seconds.items() if taken)
    speed = recipe.batch_segments * length / a_step
    remember_speed(
        kept,
        **of,
        tokens_per_second=speed,
        checked_per_second=checked,
        memory_gb=memory_gb,
        short=True,
    )
