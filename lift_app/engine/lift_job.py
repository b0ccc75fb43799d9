"""LiftJob: one durable job, run in turns by the engine or by a worker of a cluster.

It ties the trainer to a desk (its book, its record, its shelf) and to checkpoints. A turn ends at
each `yield`; what has happened until then survives a kill up to the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lift_app.engine.desk import Desk
from lift_app.errors import LiftError
from lift_app.library import Job, effects, folders
from lift_app.lifting.auxiliary import TaskRows, general_beside
from lift_app.lifting.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from lift_app.lifting.estimate import CHECK_SPEED, remember_speed
from lift_app.lifting.framing import prefix_tokens
from lift_app.lifting.guard import Guard
from lift_app.lifting.key import adapter_key
from lift_app.lifting.memory import Memory
from lift_app.lifting.probe import Probe
from lift_app.lifting.progress import Pace, Progress
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.segments import Segment, cut_segments
from lift_app.lifting.task_writer import TaskWriter
from lift_app.lifting.tasks import TaskFile, extracts_of
from lift_app.lifting.trainer import StepResult, Trainer
from lift_app.models.lora import AdapterHost
from lift_app.models.peak import forget_peak, peak_bytes
from lift_app.models.tokens import encode, load_tokenizer
from lift_app.reading.book import Book
from lift_app.settings import Settings

SLOT = "lift"
LOOKING = "Looking whether anything else is forgotten."
LOOK_SECONDS = 1.0
"""How often a look says how far it is."""
TASKS = "tasks.jsonl"
"""The auxiliary tasks of a lift: beside its checkpoint, then beside its adapter."""


class LiftJob:
    """A job on its way through segments, training, checking and the shelf."""

    def __init__(self, desk: Desk, settings: Settings, host: AdapterHost, job: Job) -> None:
        self.job = job
        self.trainer: Trainer | None = None
        self._desk = desk
        self._settings = settings
        self._host = host
        self._saved: tuple[int, int] | None = None
        self._saved_at = time.monotonic()
        self._trained_seconds = 0.0
        self._trained_tokens = 0
        self._tasks: TaskFile | None = None
        self._writer: TaskWriter | None = None
        self._guard: Guard | None = None
        self._looked = Pace(steps=200)  # passes, not tokens
        self._best: dict[str, Tensor] | None = None

    @property
    def can_answer(self) -> bool:
        """True when the slot holds something of this book, even if it is half learned."""
        return self.trainer is not None and self.trainer.step_done > 0

    @property
    def checkpoint_folder(self) -> Path:
        """Where this job's checkpoint stands."""
        return self._settings.checkpoints / self.job.id

    def turns(self) -> Iterator[None]:
        """Do the whole job; each `yield` ends a turn.

        Raises:
            LiftError: with a sentence for the reader; the last checkpoint is kept.
        """
        if self._desk.is_shelved():
            self._finish()
            return
        recipe = Recipe.from_json(self.job.recipe)
        self._record(Progress("segments"))
        book = self._desk.book()
        self._check_key(book, recipe)
        ids, segments = self._segments(book.text, recipe)
        prefix = prefix_tokens(self._host.base, recipe, book)
        forget_peak()
        trainer = Trainer(self._host, SLOT, ids, segments, recipe, prefix)
        saved = load_checkpoint(self.checkpoint_folder)
        if saved is not None:
            trainer.load_state(saved["trainer"])
            self._trained_seconds = saved["seconds"]
            self._trained_tokens = saved["tokens"]
        self._require_room()
        yield
        # Together: a checkpoint between them would forget what the guard has seen.
        self.trainer = trainer
        self._begin_tasks(book, recipe, saved)
        self._saved = self._mark() if saved is not None else None
        self._saved_at = time.monotonic()
        self._record(
            Progress(
                "training",
                trainer.step_done,
                trainer.schedule.steps,
                segment_count=len(segments),
            )
        )
        yield
        while True:
            if self._guard is not None and self._guard.is_due(trainer.step_done):
                for _ in self._look(self._guard):
                    if not self._wanted():  # a look that is broken off is made anew
                        return
                    yield
            if trainer.finished or (self._guard is not None and self._guard.stops):
                break
            if not self._wanted():
                return
            if self._tasks_to_write():
                yield
            self._record_step(trainer.step(self._task_rows()))
            if time.monotonic() - self._saved_at >= self._settings.checkpoint_seconds:
                self.save_checkpoint()
            yield
        self.save_checkpoint()
        if self._best is not None:
            self._host.load_state(SLOT, self._best)
        memory = Memory(self._host, SLOT, ids, segments, prefix)
        checked = 0.0
        while not memory.finished:
            if not self._wanted():
                return
            began = time.perf_counter()
            memory.step()
            checked += time.perf_counter() - began
            self._record(Progress("checking", memory.step_done, memory.steps))
            yield
        self._remember_speed(recipe, len(ids) / checked)
        self._publish(memory.segment_losses())
        self._finish()

    def _require_room(self) -> None:
        """For the last checkpoint, the one that replaces it, and the adapter.

        A checkpoint holds the weights, two moments of each, and the best weights so far.
        """
        weights = sum(tensor.numel() * 4 for tensor in self._host.parameters(SLOT))
        folders.require_room(self._settings.home, 9 * weights, "The book cannot be learned")

    def _begin_tasks(self, book: Book, recipe: Recipe, saved: dict[str, Any] | None) -> None:
        """Guard and auxiliary tasks, as they were before a kill."""
        assert self.trainer is not None
        if not (recipe.guard or recipe.has_tasks):
            return
        extracts = extracts_of(book)
        if recipe.guard:
            probe = Probe(self._host, book.title, extracts, recipe.seed)
            steps = self.trainer.schedule.steps
            self._guard = Guard(probe, SLOT, steps, recipe.allowed_harm, recipe.epochs)
            if saved is not None:
                self._guard.load_state(saved["looks"])
                self._best = saved["best"]
        if extracts and recipe.has_tasks:
            self._tasks = TaskFile(self.checkpoint_folder / TASKS)
            self._writer = TaskWriter(
                self._host, book.title, extracts, recipe.seed, asks=recipe.asks
            )

    def _look(self, guard: Guard) -> Iterator[None]:
        """Let the guard look at the adapter, and keep its state if it is the best so far."""
        assert self.trainer is not None
        step, steps = self.trainer.step_done, self.trainer.schedule.steps
        before = guard.best
        self._record_look(step, steps)
        yield
        unread, began, shown = guard.unread, time.perf_counter(), time.monotonic()
        for turns, _ in enumerate(guard.look(step), start=1):
            self._looked.add(1 + unread - guard.unread, time.perf_counter() - began)
            if time.monotonic() - shown >= LOOK_SECONDS:
                self._record_look(step, steps, turns)
                shown = time.monotonic()
            yield
            unread, began = guard.unread, time.perf_counter()
        if guard.best is not before:
            self._best = self._host.state(SLOT)

    def _tasks_to_write(self) -> bool:
        """Write the tasks of the next step, if it has any that are not written yet.

        They are on the disk before the step learns them, so a resumed lift is the same lift.
        """
        group = self._group()
        if group is None or self._tasks is None or group < len(self._tasks.groups):
            return False
        assert self._writer is not None
        began = time.perf_counter()
        self._tasks.add(self._writer.write(group, self._tasks.questions))
        self._trained_seconds += time.perf_counter() - began
        return True

    def _task_rows(self) -> TaskRows:
        """What the next step puts before the model beside its segments."""
        assert self.trainer is not None
        recipe, step, group = self.trainer.recipe, self.trainer.step_done, self._group()
        beside = general_beside(self._host.base, recipe, step)
        tasks = self._tasks.groups[group] if self._tasks and group is not None else ()
        if not (tasks and self._writer):
            return beside
        return replace(self._writer.rows(tasks), general=beside.general)

    def _group(self) -> int | None:
        """Number of the group of tasks of the next step, if it has one."""
        assert self.trainer is not None
        if self._tasks is None:
            return None
        group, rest = divmod(self.trainer.step_done, self.trainer.recipe.tasks_every)
        return None if rest else group

    def save_checkpoint(self) -> None:
        """Write what was learned so far to disk, unless it is there."""
        if self.trainer is None or self._saved == (mark := self._mark()):
            return
        state = {
            "trainer": self.trainer.state(),
            "seconds": self._trained_seconds,
            "tokens": self._trained_tokens,
            "looks": self._guard.state() if self._guard else [],
            "best": self._best,
        }
        save_checkpoint(self.checkpoint_folder, state)
        self._saved, self._saved_at = mark, time.monotonic()

    def _mark(self) -> tuple[int, int]:
        """How far it is: steps, and looks of the guard."""
        assert self.trainer is not None
        return self.trainer.step_done, len(self._guard.verdicts) if self._guard else 0

    def _segments(self, text: str, recipe: Recipe) -> tuple[Tensor, tuple[Segment, ...]]:
        encoded = encode(load_tokenizer(self._host.base.identity.path), text)
        segments = cut_segments(encoded.offsets, recipe.segment_length, recipe.stride)
        return torch.tensor(encoded.ids), segments

    def _check_key(self, book: Book, recipe: Recipe) -> None:
        """The key was made when the lift was asked for; the book may be another by now."""
        base = self._host.base
        key = adapter_key(
            owner=self.job.owner,
            text_sha256=book.text_sha256,
            title=book.title,
            weights_sha256=base.identity.weights_sha256,
            quantisation=base.choice.quantisation,
            recipe=recipe,
            start=base.identity.start_sha256 or None,
        )
        if key != self.job.key:
            raise LiftError(
                "The book or the model has changed since this lift was asked for. "
                "Nothing was learned from it; ask for the lift again.",
                code="changed",
            )

    def _wanted(self) -> bool:
        """Obey a reader who pauses or cancels; False when the job has to stop."""
        wanted = self._desk.wanted()
        if wanted == "run":
            return True
        if wanted == "pause":
            self.save_checkpoint()
        # What is wanted may have changed while the checkpoint was written: one transaction decides.
        state = self._desk.settle()
        if state == "cancelled":
            drop_checkpoint(self.checkpoint_folder)
        return state == "running"

    def _record_step(self, result: StepResult) -> None:
        assert self.trainer is not None
        self._trained_seconds += result.seconds
        self._trained_tokens += result.tokens
        self._record(
            Progress(
                "training",
                result.step,
                self.trainer.schedule.steps,
                loss=result.loss,
                tokens_per_second=self.trainer.pace.tokens_per_second,
                eta_seconds=self._seconds_left(),
                segments=result.segments,
                note=self.trainer.room.note,
            )
        )

    def _record_look(self, step: int, steps: int, turns: int = 0) -> None:
        left = self._seconds_left(turns)
        self._record(Progress("training", step, steps, eta_seconds=left, note=LOOKING))

    def _seconds_left(self, turns: int = 0) -> float | None:
        """Of steps and looks, at their present pace; `turns` of the look that goes on are done."""
        assert self.trainer is not None
        learning = 0.0 if self.trainer.finished else self.trainer.eta_seconds
        if self._guard is None or learning is None:
            return learning
        passes = self._guard.passes_left(self.trainer.step_done, turns)
        looking = self._looked.seconds_for(passes)
        if looking is None:  # before the first look
            as_learned = passes * self._guard.pass_tokens / CHECK_SPEED
            looking = self.trainer.pace.seconds_for(as_learned)
        return None if looking is None else learning + looking

    def _record(self, progress: Progress) -> None:
        self._desk.record(progress.to_json())

    def _remember_speed(self, recipe: Recipe, checked_per_second: float) -> None:
        assert self.trainer is not None
        if self._trained_seconds > 0:
            remember_speed(
                self._desk.calibration,
                weights_sha256=self._host.base.identity.weights_sha256,
                choice=self._host.base.choice,
                recipe=recipe,
                tokens_per_second=self._trained_tokens / self._trained_seconds,
                checked_per_second=checked_per_second,
                memory_gb=peak_bytes() / 1e9,
            )

    def _publish(self, segment_losses: dict[int, float]) -> None:
        assert self.trainer is not None
        trainer = self.trainer
        self._record(Progress("saving", trainer.step_done, trainer.schedule.steps))
        known = list(segment_losses.values())
        best = self._guard.best if self._guard else None
        summary = {
            "steps": trainer.step_done,
            "loss": round(sum(known) / len(known), 4) if known else None,
            "tokens_trained": self._trained_tokens,
            "seconds": round(self._trained_seconds, 1),
            "guard": best.to_json() if best else None,
            "segments": [
                None
                if segment.index not in segment_losses
                else round(segment_losses[segment.index], 4)
                for segment in trainer.segments
            ],
        }
        staged = self._desk.stage()
        try:
            with folders.explained("The adapter could not be written"):
                self._host.save(SLOT, staged)
                if self._tasks is not None:
                    tasks = (self.checkpoint_folder / TASKS).read_bytes()
                    effects.write_file(staged / TASKS, [tasks])
        except BaseException:
            effects.remove(staged)
            raise
        self._desk.publish(staged, summary)

    def _finish(self) -> None:
        steps = self.trainer.step_done if self.trainer else 0
        self._record(Progress("done", steps, steps, adapter=self.job.key))
        self._desk.finish()
        drop_checkpoint(self.checkpoint_folder)
